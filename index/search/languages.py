"""Which language each document of a commit is in, and the documents that stand for a language.

Those are its background: the `BACKGROUND` living documents with the smallest content hashes. A
hash is as good as a lot drawn, so that they are a fair sample; it is the document's own, so that
they stay the same whatever is added, deleted, compacted or split over several indices, but for
the few that a change puts in another's place.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.storage.documents import DocumentTable
from xret.index.storage.segment import Segment
from xret.types import IntArray

__all__ = ["BACKGROUND", "CommitLanguages", "LanguageGroups", "owners_of"]

BACKGROUND = 256
"""Documents that stand for a language; with 64 its statistics are noisy, more gain nothing."""

MOST = np.iinfo(np.uint16).max
PAGE_DOCUMENTS = 1 << 14

Numbers = npt.NDArray[np.uint16]
Masks = Sequence[npt.NDArray[np.bool_] | None]


@dataclass(frozen=True, slots=True)
class LanguageGroups:
    """The documents of one commit by language.

    langs: codes, in order. numbers: for each segment (n,), the language of each document as its
    place in `langs`, any for deleted ones. background: for each segment, rising positions;
    ranks: for each of those, how many documents of its language have a smaller hash; hashes:
    those hashes.
    """

    langs: tuple[str, ...]
    numbers: tuple[Numbers, ...]
    background: tuple[IntArray, ...]
    ranks: tuple[IntArray, ...]
    hashes: tuple[npt.NDArray[np.uint64], ...] = ()

    def found(self, keep: Masks) -> IntArray:
        """Rising numbers of the languages of the documents that the masks let through."""
        seen = np.zeros(len(self.langs) + 1, np.bool_)
        for numbers, mask in zip(self.numbers, keep, strict=True):
            seen[numbers if mask is None else numbers[mask]] = True
        return np.flatnonzero(seen[:-1])

    def some(self, langs: IntArray, each: int) -> list[IntArray]:
        """Of the backgrounds of these languages, by number, the first documents of each."""
        wanted = np.zeros(len(self.langs) + 1, np.bool_)
        wanted[langs] = True
        return [
            at[wanted[numbers[at]] & (ranks < each)]
            for at, ranks, numbers in zip(self.background, self.ranks, self.numbers, strict=True)
        ]


def owners_of(groups: LanguageGroups, background: Sequence[IntArray]) -> IntArray:
    """(b,) the languages of the documents at these positions, segment by segment."""
    parts = [numbers[where] for numbers, where in zip(groups.numbers, background, strict=True)]
    return np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _SegmentLanguages:
    """langs: codes in no order; numbers: (n,) places in them; hashes: (n,) uint64."""

    segment: Segment
    langs: tuple[str, ...]
    numbers: Numbers
    hashes: npt.NDArray[np.uint64]


class CommitLanguages:
    """Groups of the commit that was asked for last. One thread at a time.

    What a segment's documents are in is read once: it never changes, nor do their hashes.
    """

    def __init__(self, documents: DocumentTable) -> None:
        self._documents = documents
        self._segments: dict[int, _SegmentLanguages] = {}
        self._last: tuple[int, LanguageGroups] | None = None

    def of(self, version: int, segments: Sequence[Segment], alive: Masks) -> LanguageGroups:
        """The groups of these segments, those of that commit."""
        if self._last is None or self._last[0] != version:
            known = self._segments
            self._segments = {}
            for segment in segments:
                read = known.get(segment.segment)
                if read is None or read.segment is not segment:
                    read = self._read(segment)
                self._segments[segment.segment] = read
            self._last = version, _grouped([*self._segments.values()], alive)
        return self._last[1]

    def _read(self, segment: Segment) -> _SegmentLanguages:
        langs: dict[str, int] = {}
        numbers = np.full(segment.n_documents, MOST, np.uint16)
        hashes = np.zeros(segment.n_documents, np.uint64)
        rows = self._documents.languages_in(segment.segment)
        while page := list(itertools.islice(rows, PAGE_DOCUMENTS)):
            positions, names, contents = zip(*page, strict=True)
            where = np.array(positions, np.int64)
            firsts = b"".join([content[:8] for content in contents])
            if where.max() >= segment.n_documents or len(firsts) != 8 * len(page):
                raise DamagedIndexError(
                    f"{self._documents.path}: segment {segment.segment} has documents that are "
                    "not its own; restore it from a copy or build the index again"
                )
            numbers[where] = [langs.setdefault(name, len(langs)) for name in names]
            hashes[where] = np.frombuffer(firsts, ">u8")
        return _SegmentLanguages(segment, tuple(langs), numbers, hashes)


def _grouped(read: Sequence[_SegmentLanguages], alive: Masks) -> LanguageGroups:
    """Languages that some living document is in, numbered in the order of their codes."""
    living = [
        one.numbers if mask is None else np.where(mask, one.numbers, MOST)
        for one, mask in zip(read, alive, strict=True)
    ]
    used = {
        one.langs[number]
        for one, numbers in zip(read, living, strict=True)
        for number in np.unique(numbers).tolist()
        if number < len(one.langs)
    }
    place = {lang: number for number, lang in enumerate(sorted(used))}
    renumbered = []
    for one, numbers in zip(read, living, strict=True):
        table = np.full(MOST + 1, len(place), np.uint16)
        table[: len(one.langs)] = [place.get(lang, len(place)) for lang in one.langs]
        renumbered.append(table[numbers])
    hashes = [one.hashes for one in read]
    positions, ranks = _backgrounds(renumbered, hashes, place)
    own = tuple(every[at] for every, at in zip(hashes, positions, strict=True))
    return LanguageGroups(tuple(place), tuple(renumbered), positions, ranks, own)


def _backgrounds(
    numbers: Sequence[Numbers], hashes: Sequence[npt.NDArray[np.uint64]], langs: dict[str, int]
) -> tuple[tuple[IntArray, ...], tuple[IntArray, ...]]:
    """Positions and ranks, segment by segment."""
    if not numbers:
        return (), ()
    of, all_hashes = np.concatenate(numbers), np.concatenate(hashes)
    chosen, ranks = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for number in langs.values():
        own = np.flatnonzero(of == number)
        chosen.append(own[np.argsort(all_hashes[own], kind="stable")[:BACKGROUND]])
        ranks.append(np.arange(len(chosen[-1])))
    every, ranked = np.concatenate(chosen), np.concatenate(ranks)
    order = np.argsort(every)
    every, ranked = every[order], ranked[order]
    ends = np.cumsum([0, *map(len, numbers)])
    cuts = [*itertools.pairwise(np.searchsorted(every, ends))]
    positions = (every[a:b] - start for (a, b), start in zip(cuts, ends, strict=False))
    return tuple(positions), tuple(ranked[a:b] for a, b in cuts)
