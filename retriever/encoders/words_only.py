"""`bm25`, the encoder of an index that has words and no vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xret.retriever.lexical.analysis import analysis_version
from xret.types import Document, Embeddings, EncoderSpec, Query

__all__ = ["WordsOnly"]


class WordsOnly:
    """No vectors of any text: such an index is searched by BM25 alone.

    Its fingerprint is the version of the text analysis, so that an index of other terms is
    refused like one of another encoder.
    """

    def __init__(self) -> None:
        self.truncated = 0
        self._spec = EncoderSpec(
            name="bm25", fingerprint=f"bm25-{analysis_version()}", dim=0, languages=()
        )

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        return _none(len(queries))

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        return _none(len(documents))

    def cuts_query(self, _query: Query) -> bool:
        """BM25 reads the whole query."""
        return False

    def passages(self, document: Document) -> list[tuple[int, int]]:
        """Documents are scored as wholes."""
        return [(0, len(document.text))]

    def route(self, _lang: str) -> None:
        """It has no adapters."""


def _none(n_texts: int) -> Embeddings:
    return Embeddings(np.empty((0, 0), np.float32), np.zeros(n_texts + 1, np.int64))
