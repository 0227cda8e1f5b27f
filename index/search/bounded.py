"""An open index as it is for somebody who may know only some of its documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xret.deadline import Deadline
from xret.index.search.commit import Found
from xret.index.search.filters import Condition, Filter, Logic
from xret.index.search.reader import IndexReader
from xret.index.storage.stored import IndexInfo, StoredRoute
from xret.types import Document, Embeddings, Hit, SearchRequest

__all__ = ["BoundedReader"]


class BoundedReader(IndexReader):
    """Answers as if the index had only the documents of a filter, counts included.

    What it has open is the whole reader's, which stays open when this is done with. Statistics
    behind scores (how frequent a word is, what calibrates a language that has few documents)
    are those of the whole index: a score is the same for everybody.
    """

    def __init__(self, whole: IndexReader, bound: Filter) -> None:
        self._whole = whole
        self._bound = bound
        self.dim = whole.dim
        self.folder: Path = whole.folder

    def close(self) -> None:
        """Nothing: the whole reader is another's."""

    @property
    def settings(self) -> dict[str, str]:
        return self._whole.settings

    def missing(self) -> list[str]:
        return self._whole.missing()

    def codec_bits(self) -> dict[int, float]:
        return self._whole.codec_bits()

    def version(self) -> int:
        return self._whole.version()

    def routes(self) -> dict[str, StoredRoute]:
        own = self.info().languages
        return {lang: route for lang, route in self._whole.routes().items() if lang in own}

    def touched(self, deadline: Deadline) -> Path | None:
        return self._whole.touched(deadline)

    def size_bytes(self) -> int:
        """0: that of all files would tell how much else there is."""
        return 0

    def info(self) -> IndexInfo:
        """Of these documents; 0 for what is counted of the whole index alone."""
        languages = self._whole.languages(self._bound)
        return dataclasses.replace(
            self._whole.info(),
            documents=sum(languages.values()),
            languages=languages,
            deleted=0,
            passages=0,
            vectors=0,
            segments=0,
            vectors_bytes=0,
            routes={},
        )

    def languages(self, filter: Filter | None = None, **named: Any) -> dict[str, int]:
        return self._whole.languages(self._within(filter), **named)

    def metadata_fields(self, filter: Filter | None = None, **named: Any) -> Mapping[str, int]:
        return self._whole.metadata_fields(self._within(filter), **named)

    def document_page(
        self, n: int, *, filter: Filter | None = None, **named: Any
    ) -> list[Document]:
        return self._whole.document_page(n, filter=self._within(filter), **named)

    def documents(self, doc_ids: Sequence[str], **named: Any) -> list[Document]:
        allowed = self.doc_ids(Condition("doc_id", "in", tuple(doc_ids)), **named)
        return self._whole.documents([doc_id for doc_id in doc_ids if doc_id in allowed], **named)

    def doc_ids(self, filter: Filter | None, **named: Any) -> set[str]:
        return self._whole.doc_ids(self._within(filter), **named)

    def search(
        self,
        queries: Embeddings | None,
        k: int,
        *,
        filter: Filter | None = None,
        **named: Any,
    ) -> list[list[Hit]]:
        return self._whole.search(queries, k, filter=self._within(filter), **named)

    def find(
        self,
        queries: Embeddings | None,
        k: int,
        *,
        filter: Filter | None = None,
        **named: Any,
    ) -> Found:
        return self._whole.find(queries, k, filter=self._within(filter), **named)

    def answer(
        self,
        request: SearchRequest,
        queries: Embeddings | None,
        *,
        filter: Filter | None = None,
        **named: Any,
    ) -> Found:
        return self._whole.answer(request, queries, filter=self._within(filter), **named)

    def _within(self, wanted: Filter | None) -> Filter:
        return self._bound if wanted is None else Logic("AND", (self._bound, wanted))
