"""A random rotation of vectors that is exact in integers and stored in a few numbers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.scoring.query_codes import rounded
from xret.types import FloatArray

__all__ = ["EXACT", "MAX_DIM", "Rotation", "hadamard"]

UNIT = 8
"""Rotated vectors have a multiple of this many dimensions: whole bytes at 1 bit each."""

MAX_DIM = 32_768
MOST_MIXED = 256
EXACT = 2**24


@dataclass(frozen=True, slots=True)
class Rotation:
    """Dimensions are shuffled, some change sign, and blocks of them meet a Hadamard matrix.

    dim: of the vectors; width: dim up to a multiple of `UNIT`, by zeros. order: (width,)
    int32, the dimension that goes to each place; signs: (width,) int8, each 1 or -1. A block
    is the largest power of two that divides the width, at most `MOST_MIXED`.

    Vectors are rounded to integers whose sums float32 holds exactly, so that what comes out
    does not depend on the machine or on the other vectors.
    """

    dim: int
    order: npt.NDArray[np.int32]
    signs: npt.NDArray[np.int8]

    @classmethod
    def drawn(cls, dim: int, rng: np.random.Generator) -> Rotation:
        width = -(-dim // UNIT) * UNIT
        order = rng.permutation(width).astype(np.int32)
        return cls(dim, order, (rng.integers(0, 2, width) * 2 - 1).astype(np.int8))

    @property
    def width(self) -> int:
        return len(self.order)

    def forward(self, values: FloatArray) -> FloatArray:
        """(t, dim) float32 → (t, width) float32, of the same lengths and inner products."""
        padded = np.zeros((len(values), self.width), np.float32)
        padded[:, : self.dim] = values
        integers, units = self._integers(padded[:, self.order] * self.signs)
        return self._mixed(integers) * units

    def query(self, values: FloatArray) -> FloatArray:
        """(q, dim) of queries → (q, width): what `forward` does to documents."""
        return self.forward(values)

    def shift(self, queries: FloatArray) -> FloatArray | None:  # noqa: ARG002
        """None: products of rotated vectors are the same."""
        return None

    def backward(self, values: FloatArray) -> FloatArray:
        """(t, width) float32 → (t, dim) float32: what `forward` made these from."""
        integers, units = self._integers(values)
        found = np.empty((len(values), self.width), np.float32)
        found[:, self.order] = self._mixed(integers) * units * self.signs
        return np.ascontiguousarray(found[:, : self.dim])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"dim": np.array([self.dim], np.int64), "order": self.order, "signs": self.signs}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Rotation:
        """Raises DamagedIndexError for arrays that are no rotation's."""
        dim, order, signs = (arrays.get(name) for name in ("dim", "order", "signs"))
        if dim is None or order is None or signs is None:
            raise DamagedIndexError("a codec's dim, order or signs are missing")
        if dim.dtype != np.int64 or dim.shape != (1,) or not 1 <= dim[0] <= MAX_DIM:
            raise DamagedIndexError("a codec's dim is no number of dimensions")
        width = -(-int(dim[0]) // UNIT) * UNIT
        if order.dtype != np.int32 or not np.array_equal(np.sort(order, axis=None), range(width)):
            raise DamagedIndexError(f"a codec's order does not name {width} dimensions once each")
        if signs.dtype != np.int8 or order.shape != (width,) or signs.shape != (width,):
            raise DamagedIndexError(f"a codec's signs are {signs.dtype} of shape {signs.shape}")
        if not (np.abs(signs.astype(np.int16)) == 1).all():
            raise DamagedIndexError("a codec's signs are not all 1 or -1")
        return cls(int(dim[0]), np.ascontiguousarray(order), np.ascontiguousarray(signs))

    @property
    def _block(self) -> int:
        return min(MOST_MIXED, self.width & -self.width)

    def _integers(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        levels = min(32_767, EXACT // self._block - 1)
        integers, units = rounded(values, levels=levels)
        return integers.astype(np.float32), (units / np.float32(self._block**0.5))[:, None]

    def _mixed(self, values: FloatArray) -> FloatArray:
        mixed: FloatArray = values.reshape(-1, self._block) @ hadamard(self._block)
        return mixed.reshape(values.shape)


@functools.lru_cache(maxsize=8)
def hadamard(n: int) -> FloatArray:
    """(n, n) of 1 and -1, n a power of two: its own transpose, n times its own inverse."""
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < n:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    matrix.flags.writeable = False
    return matrix
