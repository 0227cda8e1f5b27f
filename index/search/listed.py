"""Candidates of a large index from lists of passages by centroid, in the place of a scan.

Documents are chosen twice: by the lists of the centroids nearest to each query vector, some
times as many as are wanted, and among these by all their centroids and their passages' means,
as a scan chooses among all documents. With all centroids' lists both come to the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.index.scoring.centroids import centroid_scan
from xret.index.scoring.passage_lists import (
    LanguageLevels,
    ListedDocuments,
    PassageLists,
    chosen_lists,
    list_documents,
)
from xret.index.scoring.query_codes import QueryCodes
from xret.index.search.candidates import (
    CodedQueries,
    Mask,
    byte_tables,
    kept_documents,
    with_means,
)
from xret.index.search.commit_rows import CommitRows
from xret.index.search.listed_background import KeptBackground, ListedBackground
from xret.index.storage.segment import Coded, Segment
from xret.types import FloatArray, IntArray

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = [
    "LISTED_ROWS",
    "PRESELECTED",
    "CentroidLists",
    "ListIndex",
    "ListedQuery",
    "listed_candidates",
    "listed_queries",
    "placed_documents",
]

LISTED_ROWS = 1 << 21
"""Vectors of an index from which lists pay: of fewer a scan takes a millisecond or two."""

NEAR = 16
"""Centroids for each query vector whose lists are read, where a list has `LISTED` passages.

As many documents are then found as by a scan, but for one in a hundred of the best hundred:
measured with 100,000 documents and 15,360 centroids. Where lists are longer fewer are read, as
the square root has it, so that a query reads twice as much of an index four times as large.
"""

LISTED = 256
FEWEST = 4

PRESELECTED = 8
"""Documents that the lists choose, for each that is wanted in the end."""


@dataclass(frozen=True, slots=True)
class ListedQuery:
    """One query: in a codec's codes, its table in bytes, (1,) how many steps a similarity of 1
    is, and its sum for the codec's means, None where there are none."""

    codes: QueryCodes
    table: npt.NDArray[np.uint8]
    units: FloatArray
    sums: QueryCodes | None


@dataclass(frozen=True, slots=True)
class CentroidLists:
    """The lists of all segments of one codec. numbers: which of the commit's segments they are."""

    numbers: tuple[int, ...]
    rows: CommitRows
    lists: tuple[ListedDocuments, ...]
    n_centroids: int
    n_members: int
    _background: KeptBackground = field(default_factory=KeptBackground, compare=False)

    @property
    def n_documents(self) -> int:
        return int(self.rows.ends[-1])

    @property
    def n_near(self) -> int:
        """Centroids for each query vector whose lists are read."""
        longer = max(self.n_members, 1) / (LISTED * self.n_centroids)
        return max(FEWEST, round(NEAR / math.sqrt(longer)))

    def documents(
        self, query: ListedQuery, masks: Sequence[Mask], n: int, *, threads: int = 1
    ) -> tuple[IntArray, npt.NDArray[np.int32]]:
        """Rising positions of the n best documents, and of all that tie with the last, counted
        through these segments; and their scores, which compare across codecs.

        masks: of each of these segments, which documents may be found; None for all.
        """
        positions = self.preselected(query, masks, PRESELECTED * n)
        scores = self.scores(query, positions, threads=threads)
        if len(scores) > n:
            best = np.flatnonzero(scores >= np.partition(scores, -n)[-n])
            return positions[best], scores[best]
        return positions, scores

    def scores(
        self, query: ListedQuery, positions: IntArray, *, threads: int = 1
    ) -> npt.NDArray[np.int32]:
        """(n,) of documents at rising positions, as a scan scores them."""
        passages = self.rows.passages(positions)
        coded, offsets = self.rows.coded(passages, codes=False)
        scores = _scanned(query, query.table, coded, offsets, threads=threads)
        if self.rows.documents is not None and len(positions):
            scores = np.maximum.reduceat(scores, passages.starts)
        return scores

    def background(self, background: Sequence[IntArray]) -> ListedBackground:
        """Of documents that stand for languages, of all segments of the commit, these
        segments'."""
        return self._background.of(self.rows, [background[at] for at in self.numbers])

    def background_scores(
        self,
        query: ListedQuery,
        background: ListedBackground,
        table: npt.NDArray[np.uint8] | None = None,
        *,
        threads: int = 1,
    ) -> npt.NDArray[np.int32]:
        """(b,) as `scores`; by another table without the passages' means."""
        segment = background.segment
        coded = segment.coded if table is None else replace(segment.coded, means=None)
        by = query.table if table is None else table
        scores = _scanned(query, by, coded, segment.offsets, threads=threads)
        if segment.documents is not None and len(scores):
            scores = np.maximum.reduceat(scores, segment.documents[:-1])
        return scores

    def preselected(
        self,
        query: ListedQuery,
        masks: Sequence[Mask],
        n: int,
        *,
        langs: Sequence[npt.NDArray[np.uint16]] | None = None,
        levels: LanguageLevels | None = None,
    ) -> IntArray:
        """Rising positions of the n best documents by their lists, or of all where there are
        fewer that may be found; by levels of the documents' languages, where there are some."""
        segments = self.rows.segments
        if any(mask is not None for mask in masks):
            counts = [
                segment.n_documents if mask is None else int(np.count_nonzero(mask))
                for segment, mask in zip(segments, masks, strict=True)
            ]
        else:
            counts = [self.n_documents]
        if sum(counts) <= n:
            starts = self.rows.ends.tolist()
            return np.concatenate(
                [
                    kept_documents(segment, mask) + start
                    for segment, mask, start in zip(segments, masks, starts, strict=False)
                ]
            )
        floors, chosen = chosen_lists(query.table, self.n_near)
        listed = [
            segment if mask is None else replace(segment, keep=mask)
            for segment, mask in zip(self.lists, masks, strict=True)
        ]
        if langs is not None:
            listed = [replace(one, langs=own) for one, own in zip(listed, langs, strict=True)]
        return list_documents(query.table, floors, chosen, listed, n, levels=levels)[0]


def _scanned(
    query: ListedQuery,
    table: npt.NDArray[np.uint8],
    coded: Coded,
    offsets: IntArray,
    *,
    threads: int,
) -> npt.NDArray[np.int32]:
    """(p,) of passages by their centroids, and their means where they have some."""
    assert coded.centroids is not None  # noqa: S101 (segments with lists have centroids)
    found = centroid_scan(query.codes, table, coded.centroids, offsets, threads=threads)
    scores: npt.NDArray[np.int32] = with_means(
        found, query.sums, coded.means, query.units, threads=threads
    )[0]
    return scores


def listed_queries(
    queries: CodedQueries, lists: Mapping[int, CentroidLists], sums: Mapping[int, QueryCodes]
) -> list[ListedQuery]:
    """One query, as each codec that has lists sees it."""
    tables, units = byte_tables(queries)
    return [
        ListedQuery(queries[codec][0], tables[codec], units, sums.get(codec)) for codec in lists
    ]


def listed_candidates(
    queries: CodedQueries,
    segments: Sequence[Segment],
    masks: Sequence[Mask],
    n: int,
    *,
    lists: Mapping[int, CentroidLists],
    sums: Mapping[int, QueryCodes],
    threads: int = 1,
) -> list[IntArray]:
    """For each segment the documents to score in full, as `candidate_documents` of one query.

    lists: of these segments, by codec.
    """
    asked = listed_queries(queries, lists, sums)
    best = [
        own.documents(query, [masks[i] for i in own.numbers], n, threads=threads)
        for own, query in zip(lists.values(), asked, strict=True)
    ]
    scores = np.concatenate([scores for _, scores in best])
    least = np.partition(scores, -n)[-n] if len(scores) > n else np.iinfo(np.int32).min
    wanted = [positions[scores >= least] for positions, scores in best]
    return placed_documents(segments, masks, lists, wanted)


def placed_documents(
    segments: Sequence[Segment],
    masks: Sequence[Mask],
    lists: Mapping[int, CentroidLists],
    wanted: Sequence[IntArray],
) -> list[IntArray]:
    """For each segment the documents at these positions of each codec's, and all that may be
    found where it has no centroids."""
    nothing = np.empty(0, np.int64)
    found = [
        kept_documents(segment, mask) if segment.coded.centroids is None else nothing
        for segment, mask in zip(segments, masks, strict=True)
    ]
    for own, positions in zip(lists.values(), wanted, strict=True):
        cuts = np.searchsorted(positions, own.rows.ends).tolist()
        for at, (first, last), start in zip(
            own.numbers, pairwise(cuts), own.rows.ends.tolist(), strict=False
        ):
            found[at] = positions[first:last] - start
    return found


class ListIndex:
    """The lists of the commit that was asked for last; those of its segments stay for the next.

    Threads may share it, as long as one at a time calls `of`.
    """

    def __init__(self) -> None:
        self._segments: tuple[Segment, ...] = ()
        self._lists: dict[int, PassageLists] = {}
        self._made: dict[int, CentroidLists] | None = None

    def of(
        self, segments: Sequence[Segment], codecs: Mapping[int, ResidualCodec]
    ) -> Mapping[int, CentroidLists] | None:
        """By number of codec, the lists of the segments that it codes; None where the segments
        have fewer vectors than `LISTED_ROWS`."""
        if [*map(id, segments)] != [*map(id, self._segments)]:
            lists, made = self._of(segments, codecs)  # or all stays as it was
            self._segments, self._lists, self._made = tuple(segments), lists, made
        return self._made

    def _of(
        self, segments: Sequence[Segment], codecs: Mapping[int, ResidualCodec]
    ) -> tuple[dict[int, PassageLists], dict[int, CentroidLists] | None]:
        """The lists of each segment, by its identity, and of each codec."""
        coded = [n for n, one in enumerate(segments) if one.coded.centroids is not None]
        if sum(len(segments[n].coded) for n in coded) < LISTED_ROWS:
            return {}, None
        lists = {
            id(segment): self._lists.get(id(segment)) or _lists(segment, codecs[segment.codec])
            for segment in (segments[n] for n in coded)
        }
        made = {}
        for codec in {segments[n].codec for n in coded}:
            numbers = tuple(n for n in coded if segments[n].codec == codec)
            own = [segments[n] for n in numbers]
            documents = tuple(
                ListedDocuments(lists[id(one)], one.n_passages, one.documents) for one in own
            )
            n_members = sum(len(one.lists.members) for one in documents)
            n_centroids = codecs[codec].n_centroids
            made[codec] = CentroidLists(
                numbers, CommitRows.of(own), documents, n_centroids, n_members
            )
        return lists, made


def _lists(segment: Segment, codec: ResidualCodec) -> PassageLists:
    """Those of a segment, made of its centroids."""
    assert segment.coded.centroids is not None  # noqa: S101 (the caller's choice)
    return PassageLists.of(segment.coded.centroids, segment.offsets, codec.n_centroids)
