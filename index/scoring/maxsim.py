"""Late-interaction scores of coded passages, by the compiled kernels or by NumPy.

The score is MaxSim (Khattab and Zaharia 2020, equation 3): the sum over query vectors of the
largest dot product with any vector of the passage. A bi-encoder is the case of one vector a
text. Products are exact integers and everything after them is one float operation at a time
in a fixed order, so that scores do not depend on the machine, the number of threads, the
other queries, or where a passage lies, and equal passages tie.

Arrays come from files that a stranger may have written: lengths are compared here, offsets
and centroid numbers where they are read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.errors import DimensionMismatchError
from xret.index.scoring import maxsim_numpy
from xret.index.scoring.centroids import (
    centroid_scan,
    centroid_tables,
    check_table,
    nearest_centroids,
    scan_tables,
)
from xret.index.scoring.coded_passages import (
    CodedPassages,
    check_passage,
    passage_numbers,
    run_shares,
    spread_columns,
)
from xret.index.scoring.kernel_path import NUMPY, kernel_path
from xret.index.scoring.query_codes import QueryCodes, query_codes
from xret.types import FloatArray, IntArray

__all__ = [
    "QueryCodes",
    "centroid_scan",
    "centroid_tables",
    "fine_scores",
    "kernel_path",
    "maxsim_scores",
    "nearest_centroids",
    "query_codes",
    "scan_tables",
    "score_passages",
]


def maxsim_scores(query: FloatArray, values: FloatArray, offsets: IntArray) -> FloatArray:
    """MaxSim of one query with n packed texts, in plain float32: the oracle of the others.

    query: (q, d); values: (t, d); offsets: (n + 1,), rising from 0 to t, every text owning at
    least one row. Returns (n,) float32, higher is better.
    Raises DimensionMismatchError when the last axes differ.

    >>> eye = np.eye(2, dtype="f4")
    >>> maxsim_scores(eye, eye, np.array([0, 1, 2]))
    array([1., 1.], dtype=float32)
    """
    if query.shape[1] != values.shape[1]:
        raise DimensionMismatchError(
            f"the query has {query.shape[1]} dimensions, the documents {values.shape[1]}"
        )
    best = np.maximum.reduceat(query @ values.T, offsets[:-1], axis=1)
    total = np.zeros(best.shape[1], dtype=np.float32)
    for row in best:  # numpy's own sum picks its order by the shape of the array
        total += row
    return total


def score_passages(
    queries: QueryCodes,
    codes: npt.NDArray[Any],
    scales: npt.NDArray[np.uint16],
    offsets: IntArray,
    *,
    bits: int = 8,
    levels: npt.NDArray[np.int8] | None = None,
    centroids: npt.NDArray[np.uint16] | None = None,
    tables: FloatArray | None = None,
    which: IntArray | None = None,
    keep: npt.NDArray[np.bool_] | None = None,
    threads: int = 1,
    deadline: Deadline | None = None,
) -> FloatArray:
    """Scores of every query with passages of a segment, all queries in one pass over them.

    codes: (t, d * bits / 8) uint8, or int8 for 8 bits; scales: (t,) bfloat16 bits; offsets:
    (n + 1,); levels: (2**bits,) below 8 bits. d: a multiple of 4, of 8 below 8 bits. bits: 0
    for a trellis (`xret.index.coding.trellis`), with its levels; d: a multiple of 16.
    centroids: (t,) together with `tables` from `centroid_tables`, or neither.

    which: passage numbers; returns (n_queries, len(which)) float32 in their order. deadline:
    looked at between blocks of passages, and raises DeadlineError.
    keep: (n,) mask; returns (n_queries, n), -inf for passages not kept, which are not read.
    Neither: all of them. Raises DimensionMismatchError, and DamagedIndexError for arrays that
    do not belong together and offsets or centroids that point outside.
    """
    if queries.low is not None or (centroids is None) != (tables is None):
        raise TypeError("plain query codes, and centroids together with tables")
    passages = CodedPassages.checked(
        codes,
        scales,
        offsets,
        dim=queries.codes.shape[1],
        bits=bits,
        levels=levels,
        centroids=centroids,
    )
    if tables is not None:
        check_table(queries, tables, np.float32)
    numbers = passage_numbers(which, keep, n_passages=len(passages))
    found = _scores(queries, passages, numbers, threads=threads, deadline=deadline, table=tables)
    return spread_columns(found, keep, missing=-np.inf)


def fine_scores(
    queries: QueryCodes,
    codes: npt.NDArray[Any],
    scales: npt.NDArray[np.uint16],
    offsets: IntArray,
    *,
    bits: int = 8,
    levels: npt.NDArray[np.int8] | None = None,
    which: IntArray | None = None,
    keep: npt.NDArray[np.bool_] | None = None,
    threads: int = 1,
    deadline: Deadline | None = None,
) -> FloatArray:
    """`score_passages` without the query's rounding, for the few best: queries of 15 bits.

    queries: from `query_codes(..., fine=True)`.
    """
    if queries.low is None:
        raise TypeError("the query codes are plain; fine ones are of query_codes(..., fine=True)")
    passages = CodedPassages.checked(
        codes,
        scales,
        offsets,
        dim=queries.codes.shape[1],
        bits=bits,
        levels=levels,
        centroids=None,
    )
    numbers = passage_numbers(which, keep, n_passages=len(passages))
    found = _scores(queries, passages, numbers, threads=threads, deadline=deadline)
    return spread_columns(found, keep, missing=-np.inf)


def _scores(
    queries: QueryCodes,
    passages: CodedPassages,
    which: IntArray | None,
    *,
    threads: int,
    deadline: Deadline | None,
    table: FloatArray | None = None,
) -> FloatArray:
    """(n_queries, passages of `which`) by whichever path this machine runs."""
    n_columns = len(passages) if which is None else len(which)
    path = kernel_path()
    n_centroids = 0 if table is None else len(table)
    if path == NUMPY:
        return maxsim_numpy.score(
            queries,
            passages,
            np.arange(n_columns) if which is None else which,
            table=table,
        )
    from xret.index import _kernels

    out = np.empty((len(queries), n_columns), dtype=np.float32)
    if not out.size:
        return out
    looked_up = None if table is None else np.ascontiguousarray(table)

    def work(first: int, last: int) -> int:
        return _kernels.score(
            path,
            queries.codes,
            queries.low,
            queries.scales,
            queries.offsets,
            passages.codes,
            passages.scales,
            passages.centroids,
            passages.offsets,
            passages.levels,
            looked_up,
            None,
            None,
            which,
            out,
            len(queries),
            len(passages),
            len(passages.codes),
            n_centroids,
            queries.codes.shape[1],
            passages.bits,
            n_columns,
            first,
            last,
        )

    check_passage(
        run_shares(
            work,
            passages.offsets,
            which,
            n_vectors=len(queries.codes),
            threads=threads,
            deadline=deadline,
        )
    )
    return out
