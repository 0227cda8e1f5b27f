"""Lists of the passages that have each centroid, and the documents that they find.

A scan of all centroid numbers takes as long as an index is large. Most of what it reads
decides nothing: a query vector is near to few centroids, and the passages that have one of
them are listed (the inverted lists of PLAID, Santhanam et al. 2022, and WARP, Scheerer et al.
2025). With the lists of the centroids whose similarity reaches a floor, a passage's sum over
query vectors of the largest similarity is exact, as long as what lies below a floor counts as
the floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.scoring.coded_passages import array_of, check_passage
from xret.index.scoring.kernel_path import NUMPY, kernel_path
from xret.types import IntArray

__all__ = [
    "BLOCK_PASSAGES",
    "MOST_LEVEL",
    "LanguageLevels",
    "ListedDocuments",
    "PassageLists",
    "chosen_lists",
    "gathered_rows",
    "list_documents",
]

BLOCK_PASSAGES = 2**14
"""Passages whose lists lie together; the kernels' `kListBlock`."""

MOST_LEVEL = 0xFFFF
_MOST_GAIN, _MOST_TERM = 1 << 31, 1 << 61

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PassageLists:
    """The lists of a segment's passages, by centroid, in blocks of `BLOCK_PASSAGES`.

    starts: (blocks * K + 1,) uint32; members: uint16, rising in each list. Of centroid c in
    block b they are members[starts[b * K + c]:starts[b * K + c + 1]], counted from the block's
    first passage. A passage is listed once for each centroid that it has.
    """

    starts: npt.NDArray[np.uint32]
    members: npt.NDArray[np.uint16]

    @classmethod
    def of(
        cls, centroids: npt.NDArray[np.uint16], offsets: IntArray, n_centroids: int
    ) -> PassageLists:
        """centroids: (t,) numbers below n_centroids; offsets: (p + 1,) of the passages.

        Raises DamagedIndexError for offsets or centroids that point outside.
        """
        near, rows = array_of(centroids, np.uint16, "ids"), array_of(offsets, np.int64, "offsets")
        if kernel_path() == NUMPY:
            return cls(*_lists(near, rows, n_centroids))
        from xret.index import _kernels

        n_blocks = -(-(len(rows) - 1) // BLOCK_PASSAGES)
        starts = np.empty(n_blocks * n_centroids + 1, np.uint32)
        sizes = n_centroids, len(rows) - 1
        check_passage(_kernels.make_lists(near, rows, *sizes, starts, None))
        members = np.empty(int(starts[-1]), np.uint16)
        if len(members):
            check_passage(_kernels.make_lists(near, rows, *sizes, starts, members))
        return cls(starts, members)


@dataclass(frozen=True, slots=True)
class ListedDocuments:
    """A segment's lists and its documents: (n + 1,) offsets into passages, None where each is
    one; keep: (n,) which of them may be found, None for all; langs: (n,) the numbers of their
    languages, None where scores do not have to compare across them."""

    lists: PassageLists
    n_passages: int
    documents: IntArray | None = None
    keep: Bools | None = None
    langs: npt.NDArray[np.uint16] | None = None

    @property
    def n_documents(self) -> int:
        return self.n_passages if self.documents is None else len(self.documents) - 1


@dataclass(frozen=True, slots=True)
class LanguageLevels:
    """Scores that compare across languages, in whole steps from 0 to `MOST_LEVEL`.

    gains, terms: (L,) int64. Score s in language l has the level (s * gains[l] + terms[l]) >> 16.
    """

    gains: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, means: npt.NDArray[np.float64], spreads: npt.NDArray[np.float64], most: int
    ) -> LanguageLevels:
        """Levels of scores from 0 to `most` by their distance from the mean in spreads, which are
        above 0: (L,) each, of one language or more."""
        lowest, highest = np.min(-means / spreads), np.max((most - means) / spreads)
        step = (1 << 16) * MOST_LEVEL / max(highest - lowest, np.finfo(np.float64).tiny)
        gains = np.clip(step / spreads, 0, _MOST_GAIN)
        terms = np.clip(-gains * means - step * lowest, -_MOST_TERM, _MOST_TERM)
        return cls(np.rint(gains).astype(np.int64), np.rint(terms).astype(np.int64))

    def levels(
        self, scores: npt.NDArray[np.int32], langs: npt.NDArray[np.uint16]
    ) -> npt.NDArray[np.int32]:
        """(n,) of (n,) scores in these languages; numbers beyond the last count as the last."""
        own = np.minimum(langs, len(self.gains) - 1)
        levels = (scores * self.gains[own] + self.terms[own]) >> 16
        whole: npt.NDArray[np.int32] = np.clip(levels, 0, MOST_LEVEL).astype(np.int32)
        return whole


def chosen_lists(
    table: npt.NDArray[np.uint8], n_near: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """What `list_documents` is asked for: the n_near centroids nearest to each query vector.

    table: (K, lanes) of one query. Returns (lanes,) floors, each the n_near-th largest entry of
    its lane, and the rising numbers of the centroids that are above the floor of some lane.
    """
    n_near = min(n_near, len(table))
    if kernel_path() == NUMPY:
        floors = np.partition(table, len(table) - n_near, axis=0)[len(table) - n_near]
        return floors, np.flatnonzero((table > floors).any(axis=1)).astype(np.int32)
    from xret.index import _kernels

    floors, chosen = np.empty(table.shape[1], np.uint8), np.empty(len(table), np.int32)
    n = _kernels.choose(np.ascontiguousarray(table), len(table), n_near, floors, chosen)
    return floors, chosen[:n]


def list_documents(
    table: npt.NDArray[np.uint8],
    floors: npt.NDArray[np.uint8],
    chosen: npt.NDArray[np.int32],
    segments: Sequence[ListedDocuments],
    n: int,
    *,
    levels: LanguageLevels | None = None,
) -> tuple[IntArray, npt.NDArray[np.int32]]:
    """The n best documents by the lists of the chosen centroids, and all that tie with the last.

    table: (K, lanes) of one query, as for `centroid_scan`; floors: (lanes,) what counts where a
    passage has no chosen centroid that is better; chosen: rising numbers of centroids. A
    document scores what its best passage does. levels: choose by these and not by scores; the
    segments then have languages. Returns positions, counted through all segments, and scores or
    levels, in rising order of position.
    Raises DamagedIndexError for lists that point outside.
    """
    if kernel_path() == NUMPY:
        return _listed(table, floors, chosen, segments, n, levels)
    from xret.index import _kernels

    parts = tuple(
        (
            one.lists.starts,
            one.lists.members,
            one.documents,
            one.keep,
            None if one.langs is None else np.ascontiguousarray(one.langs),
            one.n_passages,
            one.n_documents,
        )
        for one in segments
    )
    total = sum(part[-1] for part in parts)
    gains, terms = (None, None) if levels is None else (levels.gains, levels.terms)
    positions, scores = np.empty(total, np.int64), np.empty(total, np.int32)
    found = np.zeros(1, np.int64)
    damaged = _kernels.lists(
        np.ascontiguousarray(table),
        len(table),
        floors,
        chosen,
        parts,
        n,
        positions,
        scores,
        found,
        gains,
        terms,
    )
    if damaged >= 0:
        raise _damaged(damaged)
    return positions[: found[0]], scores[: found[0]]


def gathered_rows(
    sources: Sequence[npt.NDArray[Any]],
    which: npt.NDArray[np.int32],
    begins: IntArray,
    ends: IntArray,
) -> npt.NDArray[Any]:
    """Rows begins[i] to ends[i] of sources[which[i]], one after the other.

    The sources have the same type and width. Raises DamagedIndexError for rows that are not
    there.
    """
    first = sources[0]
    there = np.array([len(source) for source in sources])[which]
    outside = (begins < 0) | (begins > ends) | (ends > there)
    if outside.any():  # before there is room made for so many
        raise _damaged(int(which[np.argmax(outside)]))
    out = np.empty((int((ends - begins).sum()), *first.shape[1:]), first.dtype)
    if kernel_path() == NUMPY:
        rows = [
            sources[source][begin:end]
            for source, begin, end in zip(which.tolist(), begins, ends, strict=True)
        ]
        return np.concatenate([first[:0], *rows])
    from xret.index import _kernels

    width = first.itemsize * int(np.prod(first.shape[1:], dtype=np.int64))
    if out.size:
        damaged = _kernels.gather(tuple(sources), which, begins, ends, width, out)
        if damaged >= 0:
            raise _damaged(int(which[min(damaged, len(which) - 1)]))
    return out


def _lists(
    centroids: npt.NDArray[np.uint16], offsets: IntArray, n_centroids: int
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint16]]:
    """`PassageLists.of` in NumPy."""
    n_passages = len(offsets) - 1
    n_blocks = -(-n_passages // BLOCK_PASSAGES)
    outside = np.flatnonzero(np.diff(offsets) < 0)
    if len(outside) or offsets[0] < 0 or offsets[-1] > len(centroids):
        check_passage(int(outside[0]) if len(outside) else 0)
    passages = np.repeat(np.arange(n_passages), np.diff(offsets))
    near = centroids[offsets[0] : offsets[-1]]
    if len(near) and near.max() >= n_centroids:
        check_passage(int(passages[np.argmax(near >= n_centroids)]))
    block, member = np.divmod(passages, BLOCK_PASSAGES)
    keys = np.unique((block * n_centroids + near) * BLOCK_PASSAGES + member)
    lists, members = np.divmod(keys, BLOCK_PASSAGES)
    starts = np.searchsorted(lists, np.arange(n_blocks * n_centroids + 1))
    return starts.astype(np.uint32), members.astype(np.uint16)


def _listed(
    table: npt.NDArray[np.uint8],
    floors: npt.NDArray[np.uint8],
    chosen: npt.NDArray[np.int32],
    segments: Sequence[ListedDocuments],
    n: int,
    levels: LanguageLevels | None,
) -> tuple[IntArray, npt.NDArray[np.int32]]:
    """`list_documents` in NumPy: the numbers that the kernel returns."""
    scores, allowed = [np.empty(0, np.int32)], [np.empty(0, np.bool_)]
    for number, segment in enumerate(segments):
        cells = np.tile(floors, (segment.n_passages, 1))
        starts = segment.lists.starts
        for first in range(0, segment.n_passages, BLOCK_PASSAGES):
            block = first // BLOCK_PASSAGES * len(table)
            for centroid in chosen.tolist():
                begin, end = starts[block + centroid : block + centroid + 2].tolist()
                members = segment.lists.members[begin:end].astype(np.int64) + first
                if not begin <= end <= len(segment.lists.members) or (
                    len(members) and members.max() >= segment.n_passages
                ):
                    raise _damaged(number)
                cells[members] = np.maximum(cells[members], table[centroid])
        sums = cells.sum(axis=1, dtype=np.int32)
        if segment.documents is not None and segment.n_documents:
            sums = np.maximum.reduceat(sums, segment.documents[:-1])
        if levels is not None:
            assert segment.langs is not None  # noqa: S101 (the caller's choice)
            sums = levels.levels(sums, segment.langs)
        scores.append(sums)
        every = np.ones(segment.n_documents, np.bool_)
        allowed.append(every if segment.keep is None else segment.keep)
    row, mask = np.concatenate(scores), np.concatenate(allowed)
    kept = np.flatnonzero(mask)
    if len(kept) > n:
        kept = np.flatnonzero(mask & (row >= np.partition(row[kept], -n)[-n]))
    return kept, row[kept]


def _damaged(number: int) -> DamagedIndexError:
    return DamagedIndexError(
        f"the lists of segment {number} of this search point outside its passages; the index is "
        "damaged: restore it from a copy or build it again"
    )
