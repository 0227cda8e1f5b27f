"""Which documents of a commit are scored to rank them: all, those of a scan, or candidates.

Where languages are calibrated, documents are chosen by calibrated scores, so that no language
is left out before it is ranked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.index.search.calibration import Calibration, LanguageScale
from xret.index.search.candidates import candidate_documents, default_candidates
from xret.index.search.dense.single_vectors import dense_documents
from xret.index.search.listed import CentroidLists, listed_candidates
from xret.index.search.listed_languages import calibrated_candidates, listed_background_scores
from xret.index.search.seen_queries import SeenQueries, background_scores
from xret.index.storage.segment import Segment
from xret.types import Embeddings, FloatArray, IntArray, SearchParams

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec
    from xret.index.search.dense.dense_candidates import DenseCandidates
    from xret.index.search.scanned import CommitScan

__all__ = ["Chosen", "Masks", "QueryBlock", "Search", "at_least"]

RESCORED = 100
"""Documents beyond the k best, at least, that are scored again before the k are taken."""

Masks = tuple[npt.NDArray[np.bool_] | None, ...]
"""For each segment (n,): which of its documents may be found; None for all."""

Chosen = list[IntArray]
"""For each segment, positions of the documents to rank."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is the same for all queries of a search; see `index.search.ranking`."""

    segments: Sequence[Segment]
    keep: Masks
    k: int
    codecs: Mapping[int, ResidualCodec]
    params: SearchParams
    dense: DenseCandidates | None
    scan: CommitScan | None
    calibration: Calibration | None
    deadline: Deadline
    lists: Mapping[int, CentroidLists] | None = None

    @property
    def scans(self) -> bool:
        """Whether every document is scored by 8-bit queries, all queries of a block at once."""
        by_others = self.params.exact or self.scan is not None or self.dense is not None
        return not by_others and not any(segment.codec for segment in self.segments)

    @property
    def wanted(self) -> int:
        """Documents of a scan that are scored again."""
        return self.k + max(self.k, RESCORED)


@dataclass(frozen=True, slots=True)
class QueryBlock:
    """Queries that are searched together, with what is done for all of them in one pass.

    first: number of the first query in the whole search. coarse: (queries, documents) scores
    of a scan. scanned: of each query, the documents that a device chose, and its scale.
    """

    queries: Embeddings
    first: int
    coarse: FloatArray | None = None
    scanned: Sequence[Chosen] | None = None
    scales: Sequence[LanguageScale | None] | None = None

    @classmethod
    def of(cls, queries: Embeddings, first: int, search: Search, threads: int) -> QueryBlock:
        if search.params.exact or (search.scan is None and not search.scans):
            return cls(queries, first)
        seen = SeenQueries(queries, search.codecs, threads, search.deadline)
        if search.scan is None:
            return cls(queries, first, _coarse(seen, search))
        from xret.index.search.scanned import scanned_documents  # the module needs torch at hand

        scales = None
        if search.calibration is not None:
            background = search.calibration.background
            rows = background_scores(seen, search.segments, background)
            scales = [search.calibration.scale(first + n, row) for n, row in enumerate(rows)]
        scanned = scanned_documents(
            search.scan,
            queries,
            search.segments,
            search.keep,
            search.wanted,
            scales=scales,
            numbers=None if search.calibration is None else search.calibration.numbers(),
        )
        return cls(queries, first, None, scanned, scales)

    def scale(self, query: SeenQueries, position: int, search: Search) -> LanguageScale | None:
        """Of one query, from the block's scan where that has scored the background."""
        if search.calibration is None:
            return None
        if self.scales is not None:
            return self.scales[position]
        background, number = search.calibration.background, self.first + position
        if self.coarse is not None:
            starts = _starts(search.segments)
            there = [at + start for at, start in zip(background, starts, strict=False)]
            scores = self.coarse[position][np.concatenate(there)]
            if np.isfinite(scores).all():
                return search.calibration.scale(number, scores)
        if search.lists is not None and not search.params.exact and len(search.calibration.owners):
            return search.calibration.scale(
                number,
                *listed_background_scores(
                    query, search.segments, background, search.calibration.owners, search.lists
                ),
            )
        (scores,) = background_scores(query, search.segments, background)
        return search.calibration.scale(number, scores)

    def chosen(
        self, query: SeenQueries, position: int, scale: LanguageScale | None, search: Search
    ) -> Chosen:
        """The documents to rank.

        A scan of everything serves all queries of a block in one pass. Candidates are chosen
        query by query: what is looked up for one stays in the processor's cache, for eight it
        does not.
        """
        if search.params.exact:
            return [
                np.arange(segment.n_documents) if mask is None else np.flatnonzero(mask)
                for segment, mask in zip(search.segments, search.keep, strict=True)
            ]
        if self.scanned is not None:
            return self.scanned[position]
        if search.dense is not None:
            return _by_dense(query, search)
        if self.coarse is None:
            return _candidates(query, search, self.first + position)
        row: npt.NDArray[np.floating] = self.coarse[position]
        if scale is not None and search.calibration is not None:
            row = scale.of(row, search.calibration.numbers())
        best, ends = at_least(row, search.wanted), _starts(search.segments)
        cuts = np.searchsorted(best, ends)
        return [best[a:b] - c for (a, b), c in zip(pairwise(cuts), ends, strict=False)]


def _by_dense(query: SeenQueries, search: Search) -> Chosen:
    """Candidates of single vectors, where languages are calibrated some of every language."""
    assert search.dense is not None  # noqa: S101 (the caller's choice)
    segments, values, n = search.segments, query.queries.values, search.params.n_candidates
    if search.calibration is None:
        return dense_documents(search.dense, values, segments, search.keep, search.k, n)
    together: list[list[IntArray]] = [[] for _ in segments]
    for masks in search.calibration.by_language:
        own = dense_documents(search.dense, values, segments, masks, search.k, n)
        for parts, part in zip(together, own, strict=True):
            parts.append(part)
    return [np.sort(np.concatenate(parts)) for parts in together]


def _candidates(query: SeenQueries, search: Search, number: int) -> Chosen:
    """The documents whose centroids score best."""
    segments, params = search.segments, search.params
    if search.lists is None:
        n_documents = sum(segment.n_documents for segment in segments)
    else:
        n_documents = sum(own.n_documents for own in search.lists.values())
    wanted = max(search.k, params.n_candidates or default_candidates(search.k, n_documents))
    seen = {}
    for codec in {segment.codec for segment in segments}:
        codes, tables = query.tables(codec)
        if tables is not None:
            seen[codec] = codes, tables
    if search.lists is not None:
        search.deadline.check()
        if search.calibration is None:
            return listed_candidates(
                seen,
                segments,
                search.keep,
                wanted,
                lists=search.lists,
                sums=query.sums,
                threads=query.threads,
            )
        return calibrated_candidates(
            seen,
            segments,
            search.keep,
            wanted,
            lists=search.lists,
            sums=query.sums,
            calibration=search.calibration.of_candidates,
            number=number,
            threads=query.threads,
        )
    return candidate_documents(
        seen,
        segments,
        search.keep,
        wanted,
        sums=query.sums,
        threads=query.threads,
        deadline=search.deadline,
        calibration=search.calibration,
        first=number,
    )[0]


def _coarse(queries: SeenQueries, search: Search) -> FloatArray:
    """(queries, documents) scores by 8-bit queries, -inf for documents that are not kept."""
    parts = [np.empty((len(queries.queries), 0), np.float32)]
    for segment, mask in zip(search.segments, search.keep, strict=True):
        allowed = None if mask is None else segment.by_passage(mask)
        parts.append(segment.by_document(queries.coarse(segment, keep=allowed)))
    return np.concatenate(parts, axis=1)


def at_least(scores: npt.NDArray[np.floating], k: int) -> IntArray:
    """Where the k best scores stand and all that equal the last of them, in rising order."""
    k = min(k, int(np.count_nonzero(scores > -np.inf)))
    if k == 0:
        return np.empty(0, np.int64)
    return np.flatnonzero(scores >= np.partition(scores, -k)[-k])


def _starts(segments: Sequence[Segment]) -> npt.NDArray[np.int64]:
    """Where each segment's documents start among all, and the end of the last."""
    return np.cumsum([0, *(segment.n_documents for segment in segments)])
