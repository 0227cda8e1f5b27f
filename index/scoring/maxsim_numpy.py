"""The kernels' work in NumPy, bit for bit: the path of an install without a compiler.

It is also how the compiled paths are to be read. Codes are small integers, whose products a
float matrix product adds without rounding as long as the sums stay below 2**24 (float32) or
2**53 (float64).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.index.scoring.coded_passages import CodedPassages, check_passage
from xret.index.scoring.query_codes import LANES, PLANE, QueryCodes
from xret.index.scoring.trellis_values import window_values
from xret.types import FloatArray, IntArray

__all__ = ["byte_table", "extreme", "from_bfloat16", "nearest_coded", "scan", "score", "tables"]

BLOCK_ROWS = 8_192
CACHED = 2**16
GROUP = 16
EXACT_DIM = 1_024
"""Products of two int8 codes add up to at most 2**14 a dimension."""


def from_bfloat16(scales: npt.NDArray[np.uint16]) -> FloatArray:
    """The upper halves of float32 numbers as float32."""
    return (scales.astype(np.uint32) << 16).view(np.float32)


def score(
    queries: QueryCodes,
    passages: CodedPassages,
    which: IntArray,
    *,
    table: FloatArray | None = None,
) -> FloatArray:
    """Late-interaction scores of these passages: (n_queries, len(which)) float32."""
    _check(
        passages.offsets,
        which,
        n_rows=len(passages.codes),
        centroids=passages.centroids,
        n_centroids=0 if table is None else len(table),
    )
    scores = np.empty((len(queries), len(which)), dtype=np.float32)
    lengths = passages.offsets[which + 1] - passages.offsets[which]
    for columns, rows in _blocks(passages.offsets, which):
        values = _decoded(passages, rows)
        similarities = _dots(queries, values) * from_bfloat16(passages.scales[rows])
        if passages.centroids is not None and table is not None:
            similarities += table[passages.centroids[rows]].T
        starts = np.cumsum(lengths[columns]) - lengths[columns]
        best = np.maximum.reduceat(similarities, starts, axis=1)
        scores[:, columns] = _sums(best * queries.scales[:, None], queries.offsets)
    return scores


def tables(
    queries: QueryCodes,
    centroid_codes: npt.NDArray[np.int8],
    centroid_scales: npt.NDArray[np.uint16],
) -> FloatArray:
    """(K, lanes) float32: similarities in units of each query vector's scale."""
    similarities = _dots(queries, centroid_codes) * from_bfloat16(centroid_scales)
    return np.ascontiguousarray(similarities.T)


def extreme(pick: np.ufunc, table: FloatArray) -> FloatArray:
    """(K, lanes) → (lanes,) smallest or largest entries; long rows are what NumPy is fast at."""
    group = GROUP if len(table) % GROUP == 0 else 1
    wide = pick.reduce(table.reshape(-1, group * table.shape[1]), axis=0)
    found: FloatArray = pick.reduce(wide.reshape(group, -1), axis=0)
    return found


def byte_table(table: FloatArray, factors: FloatArray, terms: FloatArray) -> npt.NDArray[np.uint8]:
    """table * factors + terms in bytes; a few rows at a time stay cached."""
    made = np.empty(table.shape, np.uint8)
    rows = max(1, CACHED // max(1, table.shape[1]))
    for first in range(0, len(table), rows):
        block = table[first : first + rows] * factors
        block += terms
        made[first : first + rows] = np.clip(block, 0, 255).astype(np.int32)
    return made


def scan(
    queries: QueryCodes,
    table: npt.NDArray[np.uint8],
    centroids: npt.NDArray[np.uint16],
    offsets: IntArray,
    which: IntArray,
) -> npt.NDArray[np.int32]:
    """(n_queries, len(which)) int32: sums over lanes of the passages' largest table entries."""
    _check(offsets, which, n_rows=len(centroids), centroids=centroids, n_centroids=len(table))
    scores = np.empty((len(queries), len(which)), dtype=np.int32)
    lengths = offsets[which + 1] - offsets[which]
    for columns, rows in _blocks(offsets, which):
        starts = np.cumsum(lengths[columns]) - lengths[columns]
        best = np.maximum.reduceat(table[centroids[rows]], starts, axis=0)
        for query, (first, last) in enumerate(itertools.pairwise(queries.offsets.tolist())):
            scores[query, columns] = best[:, first:last].sum(axis=1, dtype=np.int32)
    return scores


def nearest_coded(
    codes: npt.NDArray[np.int8],
    inverses: FloatArray,
    centroid_codes: npt.NDArray[np.int8],
    centroid_scales: npt.NDArray[np.uint16],
    biases: FloatArray,
) -> npt.NDArray[np.uint16]:
    """(t,) uint16: the centroid of the largest dot - bias; the lowest number of equal ones."""
    found = np.empty(len(codes), dtype=np.uint16)
    block = max(1, 2**22 // len(centroid_codes))
    scales = from_bfloat16(centroid_scales)
    dtype = _exact_type(codes.shape[1])
    transposed = centroid_codes.astype(dtype).T
    for first in range(0, len(codes), block):
        rows = slice(first, first + block)
        values = (codes[rows].astype(dtype) @ transposed).astype(np.float32) * scales
        values -= biases * inverses[rows, None]
        found[rows] = values.argmax(axis=1)
    return found


def _check(
    offsets: IntArray,
    which: IntArray,
    *,
    n_rows: int,
    centroids: npt.NDArray[np.uint16] | None = None,
    n_centroids: int = 0,
) -> None:
    """Raise DamagedIndexError for the first passage that reaches outside the arrays."""
    first, last = offsets[which], offsets[which + 1]
    outside = np.flatnonzero((first < 0) | (first >= last) | (last > n_rows))
    sound = which[: outside[0]] if len(outside) else which
    if centroids is not None:
        for columns, rows in _blocks(offsets, sound):
            wrong = np.flatnonzero(centroids[rows] >= n_centroids)
            if len(wrong):
                ends = np.cumsum(last[columns] - first[columns])
                check_passage(int(sound[columns][np.searchsorted(ends, wrong[0], side="right")]))
    if len(outside):
        check_passage(int(which[outside[0]]))


def _dots(queries: QueryCodes, values: npt.NDArray[np.int8]) -> FloatArray:
    """(lanes, t) float32 of the exact products, rounded once."""
    dtype = _exact_type(values.shape[1])
    wide = values.astype(dtype).T
    products: npt.NDArray[Any] = queries.codes.astype(dtype) @ wide
    if queries.low is not None:
        products = products.astype(np.float64) * PLANE + queries.low.astype(dtype) @ wide
    return np.asarray(products, dtype=np.float32)


def _exact_type(dim: int) -> Any:
    return np.float32 if dim <= EXACT_DIM else np.float64


def _decoded(passages: CodedPassages, rows: IntArray) -> npt.NDArray[np.int8]:
    """int8 codes of these rows; plane p of packed codes holds dimensions p * width onwards."""
    codes = passages.codes[rows]
    if passages.levels is None:
        return codes.view(np.int8)
    if not passages.bits:
        return window_values(codes, passages.levels)
    mask = 2**passages.bits - 1
    planes = [codes >> shift & mask for shift in range(0, 8, passages.bits)]
    return np.asarray(passages.levels[np.concatenate(planes, axis=1)], dtype=np.int8)


def _sums(weighted: FloatArray, offsets: IntArray) -> FloatArray:
    """(lanes, n) → (n_queries, n), added in the kernels' order: groups first, then halves."""
    sums = np.zeros((len(offsets) - 1, LANES, weighted.shape[1]), dtype=np.float32)
    for query, (first, last) in enumerate(itertools.pairwise(offsets.tolist())):
        for lane in range(first, last, LANES):
            sums[query] += weighted[lane : lane + LANES]
    half = LANES
    while half > 1:
        half //= 2
        sums = sums[:, :half] + sums[:, half : 2 * half]
    return sums[:, 0]


def _blocks(offsets: IntArray, which: IntArray) -> Iterator[tuple[slice, IntArray]]:
    """Columns of whole passages and their row numbers, about `BLOCK_ROWS` at a time."""
    lengths = offsets[which + 1] - offsets[which]
    ends = np.cumsum(lengths)
    first = 0
    while first < len(which):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + BLOCK_ROWS, side="right")))
        columns = slice(first, last)
        shifts = offsets[which[columns]] - (ends[columns] - lengths[columns] - before)
        rows = np.arange(int(ends[last - 1]) - before) + np.repeat(shifts, lengths[columns])
        yield columns, rows
        first = last
