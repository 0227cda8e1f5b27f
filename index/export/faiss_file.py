"""A FAISS index of the vectors, written and never read here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xret.index.export.formats import ExportedIndex
from xret.index.export.passage_lines import PassageLines
from xret.index.export.passages import PassageBlock
from xret.index.search.dense.ann import faiss_library
from xret.types import IntArray

__all__ = ["FaissFile"]


class FaissFile:
    """`vectors.faiss`, an IndexFlatIP of every vector in memory till the end, and `passages.npy`:
    (t,) int64, the passage of each, as its line in `passages.jsonl`."""

    def __init__(self, folder: Path, index: ExportedIndex) -> None:
        self._faiss = faiss_library()
        self._folder = folder
        self._lines = PassageLines(folder, index)
        self._index = self._faiss.IndexFlatIP(index.dim)
        self._passages: list[IntArray] = [np.empty(0, np.int64)]

    def add(self, block: PassageBlock) -> None:
        counts = np.diff(block.embeddings.offsets)
        self._passages.append(self._lines.n_passages + np.repeat(np.arange(len(counts)), counts))
        self._index.add(block.embeddings.values)
        self._lines.add(block)

    def finish(self) -> None:
        self._faiss.write_index(self._index, str(self._folder / "vectors.faiss"))
        np.save(self._folder / "passages.npy", np.concatenate(self._passages))
        self._lines.finish()

    def close(self) -> None:
        self._lines.close()
