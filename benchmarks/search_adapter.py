"""Our index behind the adapter interface of the side-by-side search bench.

The bench is a folder of its own (see `search.py`); its `adapters` package must be importable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from adapters.base import Engine

from xret.index.search.reader import IndexReader
from xret.index.writing.writer import IndexWriter
from xret.types import Document, Embeddings, EncoderSpec, SearchParams

__all__ = ["Balanced", "Compact", "Exact"]

BATCH = 500


class Balanced(Engine):
    """xret with its default preset."""

    name = "xret-balanced"
    preset = "balanced"

    def build(self, corpus: Any, path: str) -> None:
        add_documents(corpus, Path(path), 0, corpus.n, preset=self.preset)

    def load(self, corpus: Any, path: str) -> None:  # noqa: ARG002
        self.reader = IndexReader.open(Path(path))
        self.asked = SearchParams(threads=self.threads, **self.params)

    def search(self, q: np.ndarray, q_types: Any, k: int) -> list[int]:  # noqa: ARG002
        return self.batch(q[None], k)[0]

    def batch(self, Q: np.ndarray, k: int) -> list[list[int]]:  # noqa: N803
        n, length, dim = Q.shape
        queries = Embeddings(Q.reshape(-1, dim), np.arange(n + 1) * length)
        rankings = self.reader.search(queries, k, params=self.asked)
        return [[int(hit.doc_id) for hit in hits] for hits in rankings]


class Compact(Balanced):
    """xret with its smallest preset."""

    name = "xret-compact"
    preset = "compact"


class Exact(Balanced):
    """xret scoring every document, 8 bits a dimension."""

    name = "xret-exact"
    preset = "exact"


def add_documents(
    corpus: Any, folder: Path, first: int, last: int, *, preset: str | None = None
) -> None:
    """Index documents first to last of a corpus of the bench, in one commit."""
    dim = corpus.vecs.shape[1]
    spec = EncoderSpec(
        name="bench", fingerprint="0" * 32, dim=dim, languages=("en",), language_adapters=False
    )
    with IndexWriter.open(folder, spec, preset=preset) as writer:
        for start in range(first, last, BATCH):
            end = min(start + BATCH, last)
            rows = slice(int(corpus.offs[start]), int(corpus.offs[end]))
            values = np.asarray(corpus.vecs[rows], np.float32)
            offsets = np.asarray(corpus.offs[start : end + 1] - corpus.offs[start], np.int64)
            documents = [Document(str(i), f"document {i}", "en") for i in range(start, end)]
            writer.add(documents, Embeddings(values, offsets))
