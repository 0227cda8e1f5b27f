"""What all vectors of a passage share, apart from their centroids: one coded mean a passage.

The vectors of a passage lean the same way, since each was encoded in the same context. A
trained codec takes the mean of what they differ from their centroids by, keeps it once a
passage at 4 bits a dimension, and codes the vectors without it. In MaxSim the mean is a term
of the passage, the same whichever vectors match: sum_q max_t q·(v_t + m) is
sum_q max_t q·v_t + (sum_q q)·m, so that the kernels score a mean as a passage of one vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.index.coding.levels import integer_levels, nearest_levels, unpacked
from xret.index.scoring.maxsim import fine_scores
from xret.index.scoring.query_codes import QueryCodes, query_codes
from xret.index.storage.segment import Coded, widened
from xret.types import FloatArray, IntArray

__all__ = [
    "MEAN_BITS",
    "coded_means",
    "decoded_means",
    "mean_scores",
    "means_of",
    "passage_blocks",
    "query_sums",
]

MEAN_BITS = 4
LEVELS = integer_levels(MEAN_BITS)


def passage_blocks(offsets: IntArray, n_rows: int) -> Iterator[tuple[slice, slice]]:
    """Passages and their rows, whole passages of together at most `n_rows`, or a longer one.

    >>> list(passage_blocks(np.array([0, 2, 4, 9]), 4))
    [(slice(0, 2, None), slice(0, 4, None)), (slice(2, 3, None), slice(4, 9, None))]
    """
    first = 0
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, offsets[first] + n_rows, side="right")) - 1
        last = max(last, first + 1)
        yield slice(first, last), slice(int(offsets[first]), int(offsets[last]))
        first = last


def means_of(values: FloatArray, offsets: IntArray) -> FloatArray:
    """(t, width) of p passages of at least one vector → (p, width) means.

    A sum's order depends on its number of vectors alone, not on the passages around it.
    """
    sums: FloatArray = np.add.reduceat(values, offsets[:-1], axis=0)
    lengths: FloatArray = np.diff(offsets).astype(np.float32)
    means: FloatArray = sums / lengths[:, None]
    return means


def coded_means(means: FloatArray) -> Coded:
    """(p, width) float32, width a multiple of 8 → codes of 4 bits."""
    return Coded(*nearest_levels(means, LEVELS))


def decoded_means(means: Coded) -> FloatArray:
    """(p, width) float32."""
    values: FloatArray = LEVELS[unpacked(means.codes, MEAN_BITS)] * widened(means.scales)[:, None]
    return values


def query_sums(values: FloatArray, offsets: IntArray) -> QueryCodes:
    """Rotated vectors of packed queries → the sum of each one's, as a query of one vector."""
    sums = np.concatenate(
        [np.add.reduce(values[a:b], axis=0, keepdims=True) for a, b in pairwise(offsets.tolist())]
    )
    return query_codes(sums, np.arange(len(sums) + 1), fine=True)


def mean_scores(
    sums: QueryCodes,
    means: Coded,
    *,
    which: IntArray | None = None,
    keep: npt.NDArray[np.bool_] | None = None,
    threads: int = 1,
    deadline: Deadline | None = None,
) -> FloatArray:
    """What passages' means add to their scores; `which` and `keep` as in `score_passages`.

    sums: from `query_sums`. Passages that are not kept get -inf.
    """
    return fine_scores(
        sums,
        means.codes,
        means.scales,
        np.arange(len(means) + 1),
        bits=MEAN_BITS,
        levels=LEVELS,
        which=which,
        keep=keep,
        threads=threads,
        deadline=deadline,
    )
