"""Centroids of coded vectors: their tables for a query, the candidate scan, the nearest one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.errors import DamagedIndexError, DimensionMismatchError
from xret.index.scoring import maxsim_numpy
from xret.index.scoring.coded_passages import (
    array_of,
    check_passage,
    passage_numbers,
    run_shares,
    spread_columns,
)
from xret.index.scoring.kernel_path import NUMPY, kernel_path
from xret.index.scoring.query_codes import MAX_CODE, QueryCodes, rounded
from xret.types import FloatArray, IntArray

__all__ = [
    "centroid_scan",
    "centroid_tables",
    "check_centroids",
    "check_table",
    "nearest_centroids",
    "scan_tables",
    "table_bytes",
    "table_extremes",
]

MAX_CENTROIDS = 2**16
NEAREST_ROWS = 2**15
"""Vectors rounded at a time."""


def centroid_tables(
    queries: QueryCodes,
    centroid_codes: npt.NDArray[np.int8],
    centroid_scales: npt.NDArray[np.uint16],
    *,
    added: FloatArray | None = None,
) -> FloatArray:
    """Similarity of every centroid and query vector, in units of the query vector's scale.

    centroid_codes: (K, d) int8; centroid_scales: (K,) bfloat16 bits. Returns (K, lanes)
    float32, 0 in the lanes of the padding; times `queries.scales` it is the dot product.
    added: (lanes,) float32, what each lane's entries are raised by.
    """
    if queries.low is not None:
        raise TypeError("tables are made of plain query codes")
    n, dim = check_centroids(centroid_codes, centroid_scales, dim=queries.codes.shape[1])
    path = kernel_path()
    if path == NUMPY:
        tables = maxsim_numpy.tables(queries, centroid_codes, centroid_scales)
        return tables if added is None else tables + added
    from xret.index import _kernels

    lanes = len(queries.codes)
    out = np.empty((n, lanes), dtype=np.float32)
    codes, scales = np.ascontiguousarray(centroid_codes), np.ascontiguousarray(centroid_scales)
    _kernels.tables(path, queries.codes, lanes, codes, scales, n, dim, added, out)
    return out


def scan_tables(queries: QueryCodes, tables: FloatArray) -> npt.NDArray[np.uint8]:
    """`centroid_tables` in bytes, for `centroid_scan`: one step a query, from each lane's least.

    Leaving out what a lane's least is changes every passage's sum by the same.
    """
    check_table(queries, tables, np.float32)
    weighted = tables * queries.scales
    if not weighted.size:
        return weighted.astype(np.uint8)
    weighted -= weighted.min(axis=0)
    for first, last in itertools.pairwise(queries.offsets.tolist()):
        largest = weighted[:, first:last].max()
        weighted[:, first:last] *= np.float32(255) / largest if largest > 0 else np.float32(0)
    return np.asarray(np.rint(weighted), dtype=np.uint8)


def table_extremes(table: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(K, lanes) float32, K > 0 → the smallest and the largest entries, (lanes,) each."""
    table = array_of(table, np.float32, "table")
    if kernel_path() == NUMPY:
        return maxsim_numpy.extreme(np.minimum, table), maxsim_numpy.extreme(np.maximum, table)
    from xret.index import _kernels

    n, lanes = table.shape
    lowest, highest = np.empty(lanes, np.float32), np.empty(lanes, np.float32)
    _kernels.extremes(table, n, lanes, lowest, highest)
    return lowest, highest


def table_bytes(table: FloatArray, factors: FloatArray, terms: FloatArray) -> npt.NDArray[np.uint8]:
    """(K, lanes) table * factors + terms, between 0 and 256, cut to bytes; (lanes,) of each."""
    table = array_of(table, np.float32, "table")
    factors, terms = (array_of(array, np.float32, "factors") for array in (factors, terms))
    if kernel_path() == NUMPY:
        return maxsim_numpy.byte_table(table, factors, terms)
    from xret.index import _kernels

    n, lanes = table.shape
    out = np.empty((n, lanes), np.uint8)
    _kernels.bytes(table, n, lanes, factors, terms, out)
    return out


def centroid_scan(
    queries: QueryCodes,
    table: npt.NDArray[np.uint8],
    centroids: npt.NDArray[np.uint16],
    offsets: IntArray,
    *,
    which: IntArray | None = None,
    keep: npt.NDArray[np.bool_] | None = None,
    threads: int = 1,
    deadline: Deadline | None = None,
) -> npt.NDArray[np.int32]:
    """The candidate stage: sums over query vectors of the passages' largest table entries.

    table: (K, lanes) from `scan_tables`; centroids: (t,) uint16; offsets: (n + 1,) int64.
    Returns (n_queries, n) int32, -1 for passages not kept; or (n_queries, len(which)).
    Raises DamagedIndexError for offsets or centroids that point outside.
    """
    check_table(queries, table, np.uint8)
    offsets, near = array_of(offsets, np.int64, "offsets"), array_of(centroids, np.uint16, "ids")
    n_passages = len(offsets) - 1
    numbers = passage_numbers(which, keep, n_passages=n_passages)
    n_columns = n_passages if numbers is None else len(numbers)
    if kernel_path() == NUMPY:
        columns = np.arange(n_columns) if numbers is None else numbers
        found = maxsim_numpy.scan(queries, table, near, offsets, columns)
        return spread_columns(found, keep, missing=-1)
    from xret.index import _kernels

    out = np.empty((len(queries), n_columns), dtype=np.int32)
    contiguous = np.ascontiguousarray(table)

    def work(first: int, last: int) -> int:
        return _kernels.scan(
            contiguous,
            len(table),
            queries.offsets,
            len(queries),
            near,
            offsets,
            numbers,
            out,
            n_passages,
            len(near),
            n_columns,
            first,
            last,
        )

    if len(queries) and n_columns:
        n_vectors = len(queries.codes) // 8  # looked up, not multiplied
        check_passage(
            run_shares(
                work,
                offsets,
                numbers,
                n_vectors=n_vectors,
                threads=threads,
                deadline=deadline,
            )
        )
    return spread_columns(out, keep, missing=-1)


def nearest_centroids(
    values: FloatArray,
    centroid_codes: npt.NDArray[np.int8],
    centroid_scales: npt.NDArray[np.uint16],
    *,
    threads: int = 1,
    device: str | None = None,
) -> npt.NDArray[np.uint16]:
    """The nearest centroid of every vector, which has the largest dot - |centroid|² / 2.

    values: (t, d) float32, rounded to int8 with one scale a vector; centroid_codes: (K, d)
    int8 with bfloat16 scales, 1 <= K <= 65,536. Returns (t,) uint16; ties go to the lowest.
    device: None for the CPU's kernels, else where torch finds the same.
    """
    n_centroids, _ = check_centroids(centroid_codes, centroid_scales, dim=values.shape[1])
    if not n_centroids:
        raise ValueError("there is no centroid to be near to")
    lengths = maxsim_numpy.from_bfloat16(centroid_scales).astype(np.float64)
    squares = np.square(centroid_codes, dtype=np.int64).sum(axis=1)
    biases = (squares * lengths**2 / 2).astype(np.float32)
    codes, scales = np.ascontiguousarray(centroid_codes), np.ascontiguousarray(centroid_scales)
    found = np.empty(len(values), dtype=np.uint16)
    for first in range(0, len(values), NEAREST_ROWS):
        rows = slice(first, first + NEAREST_ROWS)
        integers, units = rounded(values[rows], levels=MAX_CODE)
        if device is not None:
            from xret.index.scoring.device_centroids import nearest_on_device

            inverses = np.float32(1) / units
            found[rows] = nearest_on_device(
                integers.astype(np.int8), inverses, codes, scales, biases, device=device
            )
            continue
        _nearest(integers.astype(np.int8), units, codes, scales, biases, found[rows], threads)
    return found


def _nearest(
    codes: npt.NDArray[np.int8],
    units: FloatArray,
    centroid_codes: npt.NDArray[np.int8],
    centroid_scales: npt.NDArray[np.uint16],
    biases: FloatArray,
    found: npt.NDArray[np.uint16],
    threads: int,
) -> None:
    """Fill `found` (t,) with the centroids nearest to codes (t, d) of these scales."""
    inverses = np.float32(1) / units
    path = kernel_path()
    if path == NUMPY:
        found[:] = maxsim_numpy.nearest_coded(
            codes, inverses, centroid_codes, centroid_scales, biases
        )
        return
    from xret.index import _kernels

    n_centroids, dim = centroid_codes.shape

    def work(first: int, last: int) -> int:
        return _kernels.nearest(
            path,
            codes,
            inverses,
            len(codes),
            centroid_codes,
            centroid_scales,
            biases,
            n_centroids,
            dim,
            first,
            last,
            found,
        )

    every = np.arange(len(codes) + 1)
    run_shares(work, every, None, n_vectors=n_centroids, threads=threads)


def check_centroids(
    codes: npt.NDArray[Any], scales: npt.NDArray[Any] | None, *, dim: int
) -> tuple[int, int]:
    """(K, d) of centroids that queries or vectors of `dim` dimensions can meet.

    Raises TypeError, DimensionMismatchError or DamagedIndexError for others.
    """
    if codes.dtype != np.int8 or scales is None or scales.dtype != np.uint16:
        raise TypeError("centroids are int8 codes with bfloat16 scales (uint16)")
    if codes.ndim != 2 or codes.shape[1] != dim or dim % 4:
        raise DimensionMismatchError(
            f"centroids of shape {codes.shape} for vectors of {dim} dimensions; they must have "
            "the same, a multiple of 4"
        )
    if scales.shape != (len(codes),) or len(codes) > MAX_CENTROIDS:
        raise DamagedIndexError(f"{len(codes)} centroids with scales of shape {scales.shape}")
    return len(codes), dim


def check_table(queries: QueryCodes, table: npt.NDArray[Any], dtype: npt.DTypeLike) -> None:
    """Raise TypeError or DimensionMismatchError for a table of other queries or numbers."""
    if table.dtype != dtype:
        raise TypeError(f"the table is {table.dtype}, not {np.dtype(dtype)}")
    if table.ndim != 2 or table.shape[1] != len(queries.codes):
        raise DimensionMismatchError(
            f"a table of shape {table.shape} for queries of {len(queries.codes)} lanes"
        )
