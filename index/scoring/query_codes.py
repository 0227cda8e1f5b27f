"""Queries as the kernels read them: int8 codes with one scale a vector, in groups of 16.

Products of int8 codes are exact integers whatever computes them, so that scores are the same
on every machine. What the rounding of the query costs (about half a percent of a similarity)
is taken away from the few best by `fine` codes: 15 bits in two int8 planes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.errors import QueryError
from xret.types import FloatArray, IntArray

__all__ = ["LANES", "QueryCodes", "query_codes", "rounded"]

LANES = 16
"""Queries are padded to a multiple of this many vectors, with code 0 and scale 0."""

MAX_CODE = 127
PLANE_BITS = 7
PLANE = 1 << PLANE_BITS
"""A fine code is PLANE * codes + low."""

TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True)
class QueryCodes:
    """n queries, packed: query i owns rows offsets[i]:offsets[i + 1], multiples of `LANES`.

    codes: (lanes, d) int8; low: (lanes, d) int8, the second plane of fine codes, or None;
    scales: (lanes,) float32, what one unit of a code is worth; offsets: (n + 1,) int64.
    """

    codes: npt.NDArray[np.int8]
    low: npt.NDArray[np.int8] | None
    scales: FloatArray
    offsets: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1


def query_codes(
    values: FloatArray, offsets: IntArray | None = None, *, fine: bool = False
) -> QueryCodes:
    """Round the vectors of one query, or of several packed as in `Embeddings`.

    values: (q, d) float32; offsets: (n + 1,) rising from 0 to q, one query when None.
    fine: two planes, for `fine_scores`.
    Raises QueryError for a query without vectors or with one that is not finite.

    >>> query_codes(np.array([[0.5, -1.0, 0.0, 0.25]], dtype="f4")).codes[0]
    array([  64, -127,    0,   32], dtype=int8)
    """
    alone = offsets is None or [*offsets] == [0, len(values)]
    if alone and values.ndim == 2 and len(values):
        return _one_query(values, fine=fine)
    starts = np.array([0, len(values)]) if offsets is None else np.asarray(offsets)
    lengths = np.diff(starts)
    if values.ndim != 2 or starts[0] != 0 or starts[-1] != len(values) or (lengths < 1).any():
        raise QueryError(
            f"queries of {lengths.tolist()} vectors in an array of shape {values.shape}; "
            "every query needs at least one"
        )
    integers, units = _finite(values, fine=fine)
    padded = -(-lengths // LANES) * LANES
    ends = np.concatenate([[0], np.cumsum(padded)]).astype(np.int64)
    rows = np.arange(len(values)) + np.repeat(ends[:-1] - starts[:-1], lengths)
    scales = np.zeros(ends[-1], dtype=np.float32)
    scales[rows] = units
    high = (integers + PLANE // 2) // PLANE if fine else integers
    codes = np.zeros((int(ends[-1]), values.shape[1]), dtype=np.int8)
    codes[rows] = high
    if not fine:
        return QueryCodes(codes, None, scales, ends)
    low = np.zeros_like(codes)
    low[rows] = integers - PLANE * high
    return QueryCodes(codes, low, scales, ends)


def _one_query(values: FloatArray, *, fine: bool) -> QueryCodes:
    """`query_codes` of (q, d), q > 0, where nothing has to be moved to another row."""
    n, width = values.shape
    lanes = -(-n // LANES) * LANES
    integers, units = _finite(values, fine=fine)
    scales = np.zeros(lanes, np.float32)
    scales[:n] = units
    codes = np.zeros((lanes, width), np.int8)
    low = None
    if fine:
        high = (integers + PLANE // 2) >> PLANE_BITS
        low = np.zeros((lanes, width), np.int8)
        low[:n] = integers - (high << PLANE_BITS)
        integers = high
    codes[:n] = integers
    return QueryCodes(codes, low, scales, np.array([0, lanes], np.int64))


def _finite(values: FloatArray, *, fine: bool) -> tuple[npt.NDArray[np.int32], FloatArray]:
    """`rounded`, to 8 bits or to 15. Raises QueryError for a vector that is not finite."""
    if not np.isfinite(values).all():
        raise QueryError("the encoder returned a query vector that is not finite")
    return rounded(values, levels=MAX_CODE * PLANE if fine else MAX_CODE)


def rounded(values: FloatArray, *, levels: int) -> tuple[npt.NDArray[np.int32], FloatArray]:
    """(t, d) float32 → (t, d) integers within ±levels, (t,) scales; values ≈ integers × scales."""
    largest = np.maximum(values.max(axis=1, initial=0.0), -values.min(axis=1, initial=0.0))
    scales = (largest / np.float32(levels)).astype(np.float32, copy=False)
    scales[scales < TINY] = 1.0  # all zeros, or as good as
    integers = values / scales[:, None]
    np.rint(integers, out=integers)
    np.minimum(integers, levels, out=integers)
    np.maximum(integers, -levels, out=integers)
    return integers.astype(np.int32), scales
