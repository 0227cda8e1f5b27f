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

from xret.deadline import Deadline
from xret.index.coding.passage_means import mean_scores
from xret.index.scoring.centroids import table_bytes, table_extremes
from xret.index.scoring.maxsim import centroid_scan
from xret.index.scoring.query_codes import QueryCodes
from xret.index.search.calibration import Calibration
from xret.index.storage.segment import Coded, Segment
from xret.types import FloatArray, IntArray

__all__ = [
    "CodedQueries",
    "Mask",
    "byte_tables",
    "candidate_documents",
    "default_candidates",
    "kept_documents",
    "with_means",
]

LEAST = 256
A_HIT = 3

Mask = npt.NDArray[np.bool_] | None

MASKED = int(np.iinfo(np.int32).min)
LOWEST = float(np.finfo(np.float64).min)
LARGEST = 2**30
"""Of a passage's term in steps; no sound index comes near it."""

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
    sums: Mapping[int, QueryCodes] | None = None,
    threads: int = 1,
    deadline: Deadline | None = None,
    calibration: Calibration | None = None,
    first: int = 0,
) -> list[list[IntArray]]:
    """For every query and segment, the rising positions of the documents to score in full.

    queries: one entry for each codec that a segment is coded with. masks: for each segment
    (documents,), None for all. n: documents wanted of all segments together; as many are
    found where there are so many, and more where several tie with the last. sums: from
    `query_sums`, for the codecs that keep passages' means. Documents of segments of 8 bits,
    which have no centroids, come on top, all of them. The answer is the same for every
    number of threads and whatever the other queries are. calibration: chooses by calibrated
    scores; first: the number in it of the first query.
    """
    pairs = list(zip(segments, masks, strict=True))
    coded = [pair for pair in pairs if pair[0].coded.centroids is not None]
    n_queries = len(next(iter(queries.values()))[0])
    if sum(_count(*pair) for pair in coded) <= n:
        return [[kept_documents(*pair) for pair in pairs] for _ in range(n_queries)]
    scans, units = byte_tables(queries)
    scores = [
        _document_scores(
            queries,
            scans,
            units,
            (sums or {}).get(pair[0].codec),
            *pair,
            threads=threads,
            deadline=deadline,
        )
        for pair in coded
    ]
    found = []
    for query in range(n_queries):
        row = np.concatenate([part[query] for part in scores])
        if calibration is None:
            rows = [part[query] for part in scores]
            least: float = max(MASKED + 1, int(np.partition(row, -n)[-n]))
        else:
            which = [at for at, pair in enumerate(pairs) if pair[0].coded.centroids is not None]
            calibrated = calibration.of_row(first + query, row, which, MASKED + 1)
            rows = np.split(calibrated, np.cumsum([part.shape[1] for part in scores])[:-1])
            least = max(float(np.partition(calibrated, -n)[-n]), LOWEST)
        parts = iter(rows)
        found.append(
            [
                kept_documents(segment, mask)
                if segment.coded.centroids is None
                else np.flatnonzero(next(parts) >= least)
                for segment, mask in pairs
            ]
        )
    return found


def byte_tables(
    queries: CodedQueries,
) -> tuple[dict[int, npt.NDArray[np.uint8]], FloatArray]:
    """Tables in bytes whose sums compare across codecs: one step a query, one zero a lane.

    Leaving out what a lane's least entry is changes all sums of a query by the same.
    Also (n_queries,): how many steps a similarity of 1 is.
    """
    ends = [np.array(table_extremes(table)) * codes.scales for codes, table in queries.values()]
    least = np.min([lowest for lowest, _ in ends], axis=0)
    spread = np.max([highest for _, highest in ends], axis=0) - least
    steps = np.zeros_like(spread)
    offsets = next(iter(queries.values()))[0].offsets
    for first, last in itertools.pairwise(offsets.tolist()):
        largest = spread[first:last].max()
        steps[first:last] = np.float32(255) / largest if largest > 0 else np.float32(0)
    scans = {
        codec: table_bytes(table, codes.scales * steps, np.float32(0.5) - least * steps)
        for codec, (codes, table) in queries.items()
    }
    return scans, steps[offsets[:-1]]


def _document_scores(
    queries: CodedQueries,
    scans: Mapping[int, npt.NDArray[np.uint8]],
    units: FloatArray,
    sums: QueryCodes | None,
    segment: Segment,
    mask: Mask,
    *,
    threads: int,
    deadline: Deadline | None,
) -> npt.NDArray[np.int32]:
    """(n_queries, documents) int32, each its best passage's; MASKED where it is masked out."""
    codes, near = queries[segment.codec][0], segment.coded.centroids
    assert near is not None  # noqa: S101 (the caller's choice)
    kept = None if mask is None else np.flatnonzero(segment.by_passage(mask))
    found = centroid_scan(
        codes,
        scans[segment.codec],
        near,
        segment.offsets,
        which=kept,
        threads=threads,
        deadline=deadline,
    )
    means = segment.coded.means
    scores = found = with_means(
        found, sums, means, units, which=kept, threads=threads, deadline=deadline
    )
    if kept is not None:
        scores = np.full((len(codes), segment.n_passages), MASKED, np.int32)
        scores[:, kept] = found
    if segment.documents is None or not segment.n_documents:
        return scores
    best: npt.NDArray[np.int32] = np.maximum.reduceat(scores, segment.documents[:-1], axis=1)
    return best


def with_means(
    scores: npt.NDArray[np.int32],
    sums: QueryCodes | None,
    means: Coded | None,
    units: FloatArray,
    *,
    which: IntArray | None = None,
    threads: int = 1,
    deadline: Deadline | None = None,
) -> npt.NDArray[np.int32]:
    """(n_queries, passages) sums of table entries, with what the passages' means add to them.

    units: (n_queries,) from `byte_tables`; which: the passages, None for all.
    """
    if means is None or sums is None:
        return scores
    terms = mean_scores(sums, means, which=which, threads=threads, deadline=deadline)
    terms *= units[:, None]
    steps: npt.NDArray[np.int32] = np.rint(np.clip(terms, -LARGEST, LARGEST)).astype(np.int32)
    return scores + steps


def _count(segment: Segment, mask: Mask) -> int:
    return segment.n_documents if mask is None else int(np.count_nonzero(mask))


def kept_documents(segment: Segment, mask: Mask) -> IntArray:
    """Positions of the documents that may be found, rising."""
    return np.arange(segment.n_documents) if mask is None else np.flatnonzero(mask)
