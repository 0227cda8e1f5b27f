"""NumPy archives, readable without pickle: vectors and offsets of passages, in parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xret.index.export.formats import ExportedIndex
from xret.index.export.passage_lines import PassageLines
from xret.index.export.passages import PassageBlock

__all__ = ["NpzParts"]

PART_ROWS = 1 << 18
"""Vectors of a part, at least, but of the last."""


class NpzParts:
    """`vectors-00000.npz` and on: `values` (t, d) float32, `offsets` (p + 1,) int64, passages in
    the order of `passages.jsonl` through all parts."""

    def __init__(self, folder: Path, index: ExportedIndex) -> None:
        self._folder = folder
        self._lines = PassageLines(folder, index)
        self._blocks: list[PassageBlock] = []
        self._rows = self._parts = 0

    def add(self, block: PassageBlock) -> None:
        self._lines.add(block)
        self._blocks.append(block)
        self._rows += len(block.embeddings.values)
        if self._rows >= PART_ROWS:
            self._write()

    def finish(self) -> None:
        if self._blocks:
            self._write()
        self._lines.finish()

    def close(self) -> None:
        self._lines.close()

    def _write(self) -> None:
        lengths = [np.diff(block.embeddings.offsets) for block in self._blocks]
        np.savez(
            self._folder / f"vectors-{self._parts:05}.npz",
            values=np.concatenate([block.embeddings.values for block in self._blocks]),
            offsets=np.cumsum([0, *np.concatenate(lengths)], dtype=np.int64),
        )
        self._parts += 1
        self._rows = 0
        self._blocks.clear()
