"""The documents that stand for languages in a large index, read once for all questions.

They lie in every segment of it, and every calibrated question is scored with all of them: segment
by segment that takes longer than a search by lists does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.index.search.candidates import Mask
from xret.index.search.commit_rows import CommitRows
from xret.index.storage.segment import Segment
from xret.types import IntArray

__all__ = ["KeptBackground", "ListedBackground"]

CODES_BYTES = 1 << 26
"""Of vectors that are copied out of their segments; more are scored where they lie."""


@dataclass(frozen=True, slots=True)
class ListedBackground:
    """Those in the segments of one codec.

    by_segment: of each of these segments, rising positions. segment: their passages, as those of
    one segment; its codes are empty where with_codes is False.
    """

    by_segment: tuple[IntArray, ...]
    segment: Segment
    with_codes: bool

    @classmethod
    def of(cls, rows: CommitRows, by_segment: Sequence[IntArray]) -> ListedBackground:
        starts = rows.ends.tolist()
        positions = np.concatenate([at + n for at, n in zip(by_segment, starts, strict=False)])
        passages = rows.passages(positions)
        codec, (first, *_) = rows.segments[0].codec, rows.columns["codes"]
        n_vectors = len(rows.coded(passages, codes=False)[0])
        with_codes = n_vectors * first.shape[1] <= CODES_BYTES
        coded, offsets = rows.coded(passages, codes=with_codes)
        documents = np.concatenate([passages.starts, [len(passages)]]).astype(np.int64)
        segment = Segment(0, codec, coded, offsets, documents)
        return cls(tuple(by_segment), segment, with_codes)

    def kept(self, masks: Sequence[Mask]) -> npt.NDArray[np.bool_]:
        """(b,) which of them the masks of these segments let through."""
        parts = [
            np.ones(len(at), np.bool_) if mask is None else mask[at]
            for at, mask in zip(self.by_segment, masks, strict=True)
        ]
        return np.concatenate([np.empty(0, np.bool_), *parts])


class KeptBackground:
    """That of the last search of a commit: questions without a filter all have the same."""

    def __init__(self) -> None:
        self._last: ListedBackground | None = None

    def of(self, rows: CommitRows, by_segment: Sequence[IntArray]) -> ListedBackground:
        """by_segment: of each segment of the rows, rising positions."""
        last = self._last
        if last is None or not _same(last.by_segment, by_segment):
            self._last = last = ListedBackground.of(rows, by_segment)
        return last


def _same(before: Sequence[IntArray], now: Sequence[IntArray]) -> bool:
    return all(
        a is b or (len(a) == len(b) and np.array_equal(a, b))
        for a, b in zip(before, now, strict=True)
    )
