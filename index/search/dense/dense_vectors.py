"""Vectors of passages that have one each, as float32 a few rows at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from xret.index.scoring.maxsim_numpy import from_bfloat16
from xret.types import FloatArray, IntArray

__all__ = ["Int8Vectors", "VectorRows"]


class VectorRows(Protocol):
    """Vectors, one a passage, that can be had as float32 a few rows at a time."""

    def __len__(self) -> int: ...

    def rows(self, which: slice | IntArray) -> FloatArray: ...


@dataclass(frozen=True, slots=True)
class Int8Vectors:
    """A segment of the 8-bit codec: codes (n, d) int8; scales (n,) uint16, bits of bfloat16."""

    codes: npt.NDArray[np.int8]
    scales: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.scales)

    def rows(self, which: slice | IntArray) -> FloatArray:
        return self.codes[which].astype(np.float32) * from_bfloat16(self.scales[which])[:, None]
