"""The passages of many segments, read as those of one.

A search of a large index scores some documents of every segment. Segment by segment that is a
call for each, of which few read much; gathered, it is one call for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.index.scoring.passage_lists import gathered_rows
from xret.index.storage.segment import Coded, Segment
from xret.index.storage.stored import place
from xret.types import IntArray

__all__ = ["CommitRows", "PlacedPassages"]

_NONE = np.full((1, 2), -1, np.int32)


@dataclass(frozen=True, slots=True)
class PlacedPassages:
    """Passages of some documents. which: (p,) int32, their segments; numbers: (p,) their
    numbers there; starts: (n,) where each document's begin among them."""

    which: npt.NDArray[np.int32]
    numbers: IntArray
    starts: IntArray

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class CommitRows:
    """Segments of one codec. ends: (s + 1,) where the documents of each begin, and the last end.

    documents: of each segment its documents' passages, None where every document of all
    segments is one passage. The others are the arrays of all segments, one after the other:
    looking them up anew for each query would take longer than reading them.
    """

    segments: tuple[Segment, ...]
    ends: IntArray
    numbers: IntArray
    documents: tuple[IntArray, ...] | None
    offsets: tuple[IntArray, ...]
    columns: Mapping[str, tuple[npt.NDArray[Any], ...]]
    whole: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> CommitRows:
        """Of these segments, one or more, which have centroids."""
        documents = None
        if any(segment.documents is not None for segment in segments):
            documents = tuple(map(_documents, segments))
        ends = np.cumsum([0, *(segment.n_documents for segment in segments)])
        coding = tuple(segment.coded for segment in segments)
        means = [coded.means for coded in coding if coded.means is not None]
        columns: dict[str, tuple[npt.NDArray[Any], ...]] = {
            "codes": tuple(coded.codes for coded in coding),
            "scales": tuple(coded.scales for coded in coding),
            "near": tuple(c.centroids for c in coding if c.centroids is not None),
            "mean_codes": tuple(mean.codes for mean in means),
            "mean_scales": tuple(mean.scales for mean in means),
            "spans": tuple(_NONE if one.spans is None else one.spans for one in segments),
        }
        return cls(
            tuple(segments),
            ends,
            np.array([place(segment.segment, 0) for segment in segments]),
            documents,
            tuple(segment.offsets for segment in segments),
            columns,
            np.array([segment.spans is None for segment in segments]),
        )

    def placed(self, positions: IntArray) -> tuple[npt.NDArray[np.int32], IntArray]:
        """(n,) positions counted through all segments → segments, and positions in them."""
        which = np.searchsorted(self.ends, positions, side="right") - 1
        return which.astype(np.int32), positions - self.ends[which]

    def passages(self, positions: IntArray) -> PlacedPassages:
        """The passages of documents, at positions counted through all segments."""
        which, own = self.placed(positions)
        if self.documents is None:
            return PlacedPassages(which, own, np.arange(len(own)))
        bounds = _bounds(self.documents, which, own)
        counts = bounds[:, 1] - bounds[:, 0]
        starts = np.cumsum(counts) - counts
        numbers = np.repeat(bounds[:, 0] - starts, counts) + np.arange(counts.sum())
        return PlacedPassages(np.repeat(which, counts), numbers, starts)

    def coded(self, passages: PlacedPassages, *, codes: bool = True) -> tuple[Coded, IntArray]:
        """The vectors of passages, with their means, and their offsets; without codes where
        centroids and means are enough."""
        which, numbers = passages.which, passages.numbers
        bounds = _bounds(self.offsets, which, numbers)
        begins, ends = np.ascontiguousarray(bounds[:, 0]), np.ascontiguousarray(bounds[:, 1])
        offsets = np.concatenate([[0], np.cumsum(ends - begins)])
        near = gathered_rows(self.columns["near"], which, begins, ends)
        means = None
        if self.columns["mean_codes"]:
            after = numbers + 1
            mean_codes = gathered_rows(self.columns["mean_codes"], which, numbers, after)
            mean_scales = gathered_rows(self.columns["mean_scales"], which, numbers, after)
            means = Coded(mean_codes, mean_scales)
        if not codes:
            nothing = np.empty((len(near), 0), np.uint8)
            return Coded(nothing, np.empty(len(near), np.uint16), near, means), offsets
        made = gathered_rows(self.columns["codes"], which, begins, ends)
        scales = gathered_rows(self.columns["scales"], which, begins, ends)
        return Coded(made, scales, near, means), offsets

    def spans(self, which: npt.NDArray[np.int32], numbers: IntArray) -> npt.NDArray[np.int32]:
        """(p, 2) of passages: where they start and end in their texts, -1 for whole texts."""
        if self.whole.all():
            return np.full((len(which), 2), -1, np.int32)
        begins = np.where(self.whole[which], 0, numbers)
        return gathered_rows(self.columns["spans"], which, begins, begins + 1)


def _documents(segment: Segment) -> IntArray:
    """(n + 1,) where the passages of each document begin."""
    one = np.arange(segment.n_passages + 1)
    return one if segment.documents is None else segment.documents


def _bounds(
    sources: Sequence[IntArray], which: npt.NDArray[np.int32], numbers: IntArray
) -> IntArray:
    """(n, 2): entries numbers[i] and numbers[i] + 1 of sources[which[i]]."""
    return gathered_rows(sources, which, numbers, numbers + 2).reshape(-1, 2)
