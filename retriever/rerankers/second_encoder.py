"""An encoder as a reranker: the first documents scored by its vectors, of tokens or of texts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import xxhash

from xret.errors import DimensionMismatchError, RerankError
from xret.index.scoring.maxsim import fine_scores
from xret.index.scoring.query_codes import query_codes
from xret.index.storage.segment import Coded, padded, quantize
from xret.retriever.encoder import Encoder, passages_of
from xret.retriever.rerankers.reranker import is_late
from xret.retriever.rerankers.vector_cache import CodedText, VectorCache
from xret.types import Document, Embeddings, FloatArray, Query

__all__ = ["SecondEncoder"]

CACHE_BYTES = 512 << 20
BATCH = 16
"""Texts that are encoded between two looks at the clock."""


class SecondEncoder:
    """Late interaction, or a bi-encoder, over candidates alone.

    Each document goes through the adapter of its own language, in as many parts as the encoder
    needs to read all of it, and scores what its best part does. Vectors are kept by content in 8
    bits, which is how an index keeps them, so that a document is encoded once.
    """

    weight = 0.85

    def __init__(self, encoder: Encoder, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.encoder = encoder
        self.cache = VectorCache(cache_bytes)

    @property
    def name(self) -> str:
        return self.encoder.spec.name

    @property
    def fingerprint(self) -> str:
        return self.encoder.spec.fingerprint

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        """MaxSim of the query with each passage's best part; see `Reranker.scores`."""
        asked = self.encoder.encode_queries([query]).values
        texts = self._coded(passages, until)
        if not texts:
            return np.empty(0, np.float32)
        width = padded(asked.shape[1])
        if any(text.coded.codes.shape[1] != width for text in texts):
            raise DimensionMismatchError(f"{self.name} gives texts and queries other dimensions")
        codes = query_codes(np.pad(asked, ((0, 0), (0, width - asked.shape[1]))), fine=True)
        lengths = [length for text in texts for length in text.lengths]
        scores = fine_scores(
            codes,
            np.concatenate([text.coded.codes for text in texts]),
            np.concatenate([text.coded.scales for text in texts]),
            np.cumsum([0, *lengths], dtype=np.int64),
        )[0]
        starts = np.cumsum([0, *(len(text.lengths) for text in texts[:-1])])
        best: FloatArray = np.maximum.reduceat(scores, starts)
        return best

    def _coded(self, passages: Sequence[Document], until: float) -> list[CodedText]:
        """The vectors of the first passages, as many as are ready in time."""
        keys = [_content(passage) for passage in passages]
        known = {key: self.cache.get(key) for key in keys}
        missing = [n for n, key in enumerate(keys) if known[key] is None]
        for start in range(0, len(missing), BATCH):
            if is_late(until):
                return [text for key in keys[: missing[start]] if (text := known[key]) is not None]
            batch = missing[start : start + BATCH]
            for n, text in zip(batch, self._encoded([passages[n] for n in batch]), strict=True):
                known[keys[n]] = text
                self.cache.put(keys[n], text)
        return [text for key in keys if (text := known[key]) is not None]

    def _encoded(self, passages: Sequence[Document]) -> list[CodedText]:
        cuts = [passages_of(self.encoder, passage) for passage in passages]
        parts = [
            dataclasses.replace(passage, text=passage.text[start:end])
            for passage, spans in zip(passages, cuts, strict=True)
            for start, end in spans
        ]
        vectors = self.encoder.encode_documents(parts)
        lengths = np.diff(vectors.offsets)
        if (lengths < 1).any():
            raise RerankError(f"{self.name} gives some text no vector")
        texts, first = [], 0
        for spans in cuts:
            texts.append(
                CodedText(
                    self._quantized(vectors, first, first + len(spans)),
                    tuple(lengths[first : first + len(spans)].tolist()),
                )
            )
            first += len(spans)
        return texts

    def _quantized(self, vectors: Embeddings, first: int, last: int) -> Coded:
        rows = slice(int(vectors.offsets[first]), int(vectors.offsets[last]))
        try:
            return quantize(vectors.values[rows])
        except ValueError as error:
            raise RerankError(f"{self.name}: {error}") from error


def _content(passage: Document) -> bytes:
    """A hash of all that shapes a text's vectors."""
    shaped = "\0".join((passage.lang, passage.title, passage.text))
    return xxhash.xxh3_128_digest(shaped.encode("utf-8", "surrogatepass"))
