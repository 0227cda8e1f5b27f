"""Exact late-interaction search: every document is scored, nothing is approximated.

The score is MaxSim (Khattab and Zaharia 2020, equation 3): the sum over query vectors of
the largest dot product with any document vector. A bi-encoder is the case of one vector a
text. Documents are their stored int8 codes; a query is rounded to integers so coarse that
no sum of products leaves the integers that its float type holds exactly. So a dot product
has no rounding at all, and the sum over query vectors has one order: scores do not
depend on the machine, the number of threads, or where a document lies, and equal
documents tie.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from xret.errors import DimensionMismatchError
from xret.index.segment import Segment
from xret.types import Embeddings, FloatArray, IntArray

__all__ = ["maxsim_scores", "query_codes", "segment_scores"]

BLOCK_ROWS = 16_384
MAX_CODE = 127
MAX_LEVELS = 32_767


def maxsim_scores(query: FloatArray, values: FloatArray, offsets: IntArray) -> FloatArray:
    """MaxSim of one query with n packed documents, in plain float32.

    query: (q, d); values: (t, d); offsets: (n + 1,), rising from 0 to t, every document
    owning at least one row. Returns (n,) float32, higher is better.
    Raises DimensionMismatchError when the last axes differ.

    >>> eye = np.eye(2, dtype="f4")
    >>> maxsim_scores(eye, eye, np.array([0, 1, 2]))
    array([1., 1.], dtype=float32)
    """
    if query.shape[1] != values.shape[1]:
        raise DimensionMismatchError(
            f"the query has {query.shape[1]} dimensions, the documents {values.shape[1]}"
        )
    return _sum(np.maximum.reduceat(query @ values.T, offsets[:-1], axis=1))


def query_codes(query: FloatArray) -> tuple[npt.NDArray[np.floating], FloatArray]:
    """(q, d) float32 → integers in a float array, and (q, 1) scales; query ≈ codes × scales.

    The integers are as fine as exact sums over d products with int8 codes allow: 9 bits at
    256 dimensions, 7 at 1,024; wider vectors are summed in float64, at 15 bits.
    """
    dim = query.shape[1]
    exact, dtype = (2**24, np.float32) if dim <= 1024 else (2**53, np.float64)
    levels = min(MAX_LEVELS, exact // (MAX_CODE * dim))
    largest = np.abs(query).max(axis=1, keepdims=True)
    scales = np.where(largest > 0, largest / levels, 1).astype(np.float32)
    return np.rint(query / scales).astype(dtype), scales


def segment_scores(
    queries: Embeddings, segment: Segment, *, keep: npt.NDArray[np.bool_] | None = None
) -> FloatArray:
    """MaxSim of every query with every document of a segment, in blocks of whole documents.

    keep: (n,) bool; documents that are not kept score -inf and are not read. Returns
    (len(queries), n) float32. Memory is one block of `BLOCK_ROWS` rows, or the longest
    document where that is more.
    """
    n_documents = len(segment.offsets) - 1
    scores = np.full((len(queries), n_documents), -np.inf, dtype=np.float32)
    coded = [query_codes(query) for query in queries]
    for documents in _blocks(segment.offsets, keep):
        first, last = segment.offsets[documents], segment.offsets[documents + 1]
        ends = np.cumsum(last - first)
        starts = ends - (last - first)
        rows: slice | IntArray = slice(int(first[0]), int(last[-1]))
        if last[-1] - first[0] != ends[-1]:  # some between them are not kept
            rows = np.repeat(first - starts, last - first) + np.arange(ends[-1])
        values = segment.codes[rows].astype(coded[0][0].dtype).T
        row_scales = segment.scales[rows]
        for position, (codes, scales) in enumerate(coded):
            similarities = (codes @ values).astype(np.float32) * row_scales
            best = np.maximum.reduceat(similarities, starts, axis=1)
            scores[position, documents] = _sum(best * scales)
    return scores


def _sum(best: FloatArray) -> FloatArray:
    """(q, n) float32 → (n,), every column added from its first row to its last.

    numpy's own sum picks its order by the shape and layout of the array, so that one
    document's score would hang on how many others are scored beside it.
    """
    total = np.zeros(best.shape[1], dtype=np.float32)
    for row in best:
        total += row
    return total


def _blocks(offsets: IntArray, keep: npt.NDArray[np.bool_] | None) -> Iterator[IntArray]:
    """Numbers of the kept documents, cut where a block would pass `BLOCK_ROWS` rows."""
    kept = np.arange(len(offsets) - 1) if keep is None else np.flatnonzero(keep)
    ends = np.cumsum(offsets[kept + 1] - offsets[kept])
    first = 0
    while first < len(kept):
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + BLOCK_ROWS, side="right"))
        last = max(last, first + 1)
        yield kept[first:last]
        first = last
