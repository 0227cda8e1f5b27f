"""Which documents are worth scoring in full: a scan of every passage's centroid numbers.

A passage is scored as if each of its vectors were its centroid: the sum over query vectors
of the largest similarity with any centroid that the passage has (the bag of centroids of
PLAID, Santhanam et al. 2022). Similarities are bytes, looked up in a table of the query that
stays in the processor's cache, so that a vector costs about a nanosecond and none of its
codes are read. A document counts as its best passage.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from xret.index.maxsim import centroid_scan
from xret.index.query_codes import QueryCodes
from xret.index.segment import Segment
from xret.types import FloatArray, IntArray

__all__ = ["CodedQueries", "byte_tables", "candidate_documents", "default_candidates"]

LEAST = 256
A_HIT = 3
CACHED = 2**16
GROUP = 16

Mask = npt.NDArray[np.bool_] | None

CodedQueries = Mapping[int, tuple[QueryCodes, FloatArray]]
"""By number of codec: the queries in its codes, and their `centroid_tables`."""


def default_candidates(k: int, n_documents: int) -> int:
    """How many documents are scored in full for the k best of that many.

    Three for every hit and at least 256, once more as many for every four times that an
    index has grown beyond 2**14 documents: with 16,384 centroids 300 candidates hold .98 of
    the exact best 100 among 10,000 documents, and .999 of the best 10.
    """
    growth = max(0, (max(n_documents, 1) - 1).bit_length() - 14) / 2
    return int(max(LEAST, A_HIT * k) * (1 + growth))


def candidate_documents(
    queries: CodedQueries,
    segments: Sequence[Segment],
    masks: Sequence[Mask],
    n: int,
    *,
    threads: int = 1,
) -> list[list[IntArray]]:
    """For every query and segment, the rising positions of the documents to score in full.

    queries: one entry for each codec that a segment is coded with. masks: for each segment
    (documents,), None for all. n: documents wanted of all segments together; as many are
    found where there are so many, and more where several tie with the last. Documents of
    segments of 8 bits, which have no centroids, come on top, all of them. The answer is the
    same for every number of threads and whatever the other queries are.
    """
    pairs = list(zip(segments, masks, strict=True))
    coded = [pair for pair in pairs if pair[0].coded.centroids is not None]
    n_queries = len(next(iter(queries.values()))[0])
    if sum(_count(*pair) for pair in coded) <= n:
        return [[_kept(*pair) for pair in pairs] for _ in range(n_queries)]
    scans = byte_tables(queries)
    scores = [_document_scores(queries, scans, *pair, threads) for pair in coded]
    found = []
    for query in range(n_queries):
        row = np.concatenate([part[query] for part in scores])
        least = max(0, int(np.partition(row, -n)[-n]))
        parts = iter(scores)
        found.append(
            [
                _kept(segment, mask)
                if segment.coded.centroids is None
                else np.flatnonzero(next(parts)[query] >= least)
                for segment, mask in pairs
            ]
        )
    return found


def byte_tables(queries: CodedQueries) -> dict[int, npt.NDArray[np.uint8]]:
    """Tables in bytes whose sums compare across codecs: one step a query, one zero a lane.

    Leaving out what a lane's least entry is changes all sums of a query by the same.
    """
    lowest = [_extreme(np.minimum, table) * codes.scales for codes, table in queries.values()]
    highest = [_extreme(np.maximum, table) * codes.scales for codes, table in queries.values()]
    least = np.min(lowest, axis=0)
    spread = np.max(highest, axis=0) - least
    steps = np.zeros_like(spread)
    for first, last in itertools.pairwise(next(iter(queries.values()))[0].offsets.tolist()):
        largest = spread[first:last].max()
        steps[first:last] = np.float32(255) / largest if largest > 0 else np.float32(0)
    return {
        codec: _bytes(table, codes.scales * steps, np.float32(0.5) - least * steps)
        for codec, (codes, table) in queries.items()
    }


def _extreme(pick: np.ufunc, table: FloatArray) -> FloatArray:
    """(K, lanes) → (lanes,) smallest or largest entries; long rows are what NumPy is fast at."""
    group = GROUP if len(table) % GROUP == 0 else 1
    wide = pick.reduce(table.reshape(-1, group * table.shape[1]), axis=0)
    found: FloatArray = pick.reduce(wide.reshape(group, -1), axis=0)
    return found


def _bytes(table: FloatArray, factors: FloatArray, terms: FloatArray) -> npt.NDArray[np.uint8]:
    """table * factors + terms, between 0 and 256, in bytes; a few rows at a time stay cached."""
    group = GROUP if len(table) % GROUP == 0 else 1
    wide = table.reshape(-1, group * table.shape[1])
    factors, terms = np.tile(factors, group), np.tile(terms, group)
    made = np.empty(wide.shape, np.uint8)
    rows = max(1, CACHED // wide.shape[1])
    for first in range(0, len(wide), rows):
        block = wide[first : first + rows] * factors
        block += terms
        made[first : first + rows] = block.astype(np.int32)
    return made.reshape(table.shape)


def _document_scores(
    queries: CodedQueries,
    scans: Mapping[int, npt.NDArray[np.uint8]],
    segment: Segment,
    mask: Mask,
    threads: int,
) -> npt.NDArray[np.int32]:
    """(n_queries, documents) int32, each its best passage's; -1 where it is masked out."""
    codes, near = queries[segment.codec][0], segment.coded.centroids
    assert near is not None  # noqa: S101 (the caller's choice)
    scores = centroid_scan(
        codes, scans[segment.codec], near, segment.offsets,
        keep=None if mask is None else segment.by_passage(mask), threads=threads,
    )  # fmt: skip
    if segment.documents is None or not segment.n_documents:
        return scores
    best: npt.NDArray[np.int32] = np.maximum.reduceat(scores, segment.documents[:-1], axis=1)
    return best


def _count(segment: Segment, mask: Mask) -> int:
    return segment.n_documents if mask is None else int(np.count_nonzero(mask))


def _kept(segment: Segment, mask: Mask) -> IntArray:
    """Positions of the documents that may be found, rising."""
    return np.arange(segment.n_documents) if mask is None else np.flatnonzero(mask)
