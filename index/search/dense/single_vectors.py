"""Commits whose passages are one vector of 8 bits each: candidates in the place of a scan.

That is an index of a bi-encoder. A passage's score is then the product of its vector with the
sum of the query's vectors, so that one product quantiser finds candidates for it. They are
ranked by the index's own codes, as those of a scan are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from xret.errors import MissingLibraryError
from xret.index.search.dense.dense_candidates import (
    DENSE_CANDIDATES,
    EXACT_PASSAGES,
    DenseCandidates,
)
from xret.index.search.dense.dense_vectors import Int8Vectors
from xret.index.search.dense.pending_candidates import PendingCandidates
from xret.index.storage.segment import Segment
from xret.types import FloatArray, IntArray

__all__ = ["DenseIndex", "dense_documents", "has_single_vectors"]

A_HIT = 8
"""Candidates for each hit, where that is more than `DENSE_CANDIDATES`."""


class DenseIndex:
    """Candidates of the commit that was asked for last; those of an earlier one are extended.

    Threads may share it, as long as one at a time calls `of`.
    """

    def __init__(self) -> None:
        self._segments: tuple[Segment, ...] = ()
        self._pending: PendingCandidates | None = None

    def of(self, segments: Sequence[Segment]) -> DenseCandidates | None:
        """Candidates over these segments; None while there are none, where a scan is as fast,
        and without faiss.

        The first question builds nothing; the second starts a thread that does. A commit
        that only adds segments costs what the new ones do.
        """
        if not has_single_vectors(segments):
            self.close()
            return None
        if not _same(self._segments, segments):
            known = len(self._segments)
            added = [_vectors(segment) for segment in segments[known:]]
            if self._pending is not None and _same(self._segments, segments[:known]):
                self._pending = self._pending.extended(added)
            else:
                self.close()
                self._pending = PendingCandidates([_vectors(segment) for segment in segments])
            self._segments = tuple(segments)
        try:
            return None if self._pending is None else self._pending.ready()
        except MissingLibraryError:
            return None

    def close(self) -> None:
        """Let go of the segments, and stop the thread that builds."""
        if self._pending is not None:
            self._pending.stop()
        self._segments, self._pending = (), None


def has_single_vectors(segments: Sequence[Segment]) -> bool:
    """Whether all passages are one vector of 8 bits, and so many that candidates pay."""
    return sum(segment.n_passages for segment in segments) > EXACT_PASSAGES and all(
        segment.codec == 0 and segment.n_passages == len(segment.coded) for segment in segments
    )


def dense_documents(
    candidates: DenseCandidates,
    query: FloatArray,
    segments: Sequence[Segment],
    masks: Sequence[np.ndarray[tuple[int], np.dtype[np.bool_]] | None],
    k: int,
    n: int | None,
) -> list[IntArray]:
    """For each segment, rising positions of the documents of the n best passages or more.

    query: (q, d); masks: for each segment (documents,), None for all. n: None is
    `DENSE_CANDIDATES`, or `A_HIT` for each of the k hits.
    """
    wanted = max(k, n or max(DENSE_CANDIDATES, A_HIT * k))
    keep = None
    if any(mask is not None for mask in masks):
        keep = np.concatenate(
            [
                np.ones(segment.n_passages, np.bool_) if mask is None else segment.by_passage(mask)
                for segment, mask in zip(segments, masks, strict=True)
            ]
        )
    dim = candidates.dim
    total = np.zeros((1, dim), np.float32)
    total[0, : query.shape[1]] = query[0] if len(query) == 1 else query.sum(axis=0)
    (passages,) = candidates.search(total, wanted, keep=keep)
    ends = np.cumsum([0, *(segment.n_passages for segment in segments)])
    cuts = np.searchsorted(passages, ends)
    return [
        _documents(segment, passages[first:last] - start)
        for segment, (first, last), start in zip(segments, pairwise(cuts), ends, strict=False)
    ]


def _documents(segment: Segment, passages: IntArray) -> IntArray:
    """The documents of rising passage numbers."""
    if segment.documents is None:
        return passages
    return np.unique(np.searchsorted(segment.documents, passages, side="right") - 1)


def _vectors(segment: Segment) -> Int8Vectors:
    return Int8Vectors(segment.coded.codes.view(np.int8), segment.coded.scales)


def _same(left: Sequence[Segment], right: Sequence[Segment]) -> bool:
    """Whether these are the very same open segments, which never change."""
    return len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))
