"""The best documents of one commit for each query, before anyone asks what they are called.

An index of 8-bit codes has every passage scored with queries of 8 bits, and the documents
that come out best are scored again with queries of 15 bits: those scores rank, and are within
1e-4 of what exact queries would get. One with a trained codec is asked for candidates by
their centroids, and they are scored and ranked with queries of 8 bits, whose rounding is a
tenth of what such codes round themselves. A document scores what its best passage does.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.index.search.calibration import Calibration, LanguageScale
from xret.index.search.choice import Chosen, Masks, QueryBlock, Search, at_least
from xret.index.search.seen_queries import KeptTables, SeenQueries
from xret.index.storage.segment import Segment
from xret.index.storage.stored import place
from xret.types import Embeddings, FloatArray, IntArray, SearchParams

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec
    from xret.index.search.dense.dense_candidates import DenseCandidates
    from xret.index.search.listed import CentroidLists
    from xret.index.search.scanned import CommitScan

__all__ = ["Best", "Masks", "best_documents"]

QUERY_BLOCK = 64
"""Queries whose scores of all documents are in memory at once."""

SHARED_ROWS = 1 << 22
"""Vectors of an index with a codec from which the threads share one query: below, two cores
took 1.4 times as long as one, measured at 690,000."""


@dataclass(frozen=True, slots=True)
class Best:
    """The k best documents of a query and all that tie with the last of them, in no order.

    scores: (m,), float64 where they are calibrated; numbers: (m,) row numbers in the catalog;
    spans: (m, 2) of each one's best passage, -1 where the document is one passage. raw: (m,)
    scores before they were calibrated, None where they were not. total: of a search by words, how
    many documents have one; matching: which, where that was asked for.
    """

    scores: FloatArray | npt.NDArray[np.float64]
    numbers: IntArray
    spans: npt.NDArray[np.int32]
    raw: FloatArray | None = None
    total: int = 0
    matching: Masks = ()


def best_documents(
    queries: Embeddings,
    segments: Sequence[Segment],
    keep: Masks,
    k: int,
    *,
    codecs: Mapping[int, ResidualCodec],
    params: SearchParams,
    dense: DenseCandidates | None = None,
    scan: CommitScan | None = None,
    calibration: Calibration | None = None,
    deadline: Deadline | None = None,
    kept: KeptTables | None = None,
    lists: Mapping[int, CentroidLists] | None = None,
) -> list[Best]:
    """One `Best` a query, the same whatever the threads and the other queries are.

    codecs: those of the segments, by number; 0 is that of 8 bits. dense: of these segments,
    where every passage is one vector. scan: of these segments, on a device, in the place of
    both. Neither is asked where `params.exact`. calibration: of these segments, masks and
    queries; candidates are chosen, and documents ordered, by calibrated scores. deadline: when
    scoring is stopped, which raises DeadlineError. kept: tables of these queries from searches
    before. lists: of these segments, where candidates come from lists and not from a scan.
    """
    threads = params.threads or _usable_cpus()
    until = deadline or Deadline()
    search = Search(segments, keep, k, codecs, params, dense, scan, calibration, until, lists)
    short = not params.exact and _is_short(segments)
    found: list[Best] = []
    for first in range(0, len(queries), QUERY_BLOCK):
        block = QueryBlock.of(_part(queries, first, first + QUERY_BLOCK), first, search, threads)

        def ranked(position: int, threads: int, *, block: QueryBlock = block) -> Best:
            own = _part(block.queries, position, position + 1)
            query = SeenQueries(own, codecs, threads, until, kept)
            scale = block.scale(query, position, search)
            return _ranked(query, search, block.chosen(query, position, scale, search), scale)

        alone = short and len(block.queries) == 1
        found += _each(ranked, len(block.queries), 1 if alone else threads)
    return found


def _is_short(segments: Sequence[Segment]) -> bool:
    """Whether a query by candidates is done before other threads have woken."""
    rows = itertools.accumulate(len(segment.coded) for segment in segments)
    return any(segment.codec for segment in segments) and all(n < SHARED_ROWS for n in rows)


def _part(queries: Embeddings, first: int, last: int) -> Embeddings:
    offsets = queries.offsets[first : last + 1]
    return Embeddings(queries.values[offsets[0] : offsets[-1]], offsets - offsets[0])


def _each(work: Callable[[int, int], Best], n: int, threads: int) -> list[Best]:
    """work(position, threads) for n queries: side by side where there are several."""
    if n == 1 or threads == 1:
        return [work(position, threads) for position in range(n)]
    with ThreadPoolExecutor(min(n, threads)) as pool:
        return list(pool.map(lambda position: work(position, 1), range(n)))


@dataclass(frozen=True, slots=True)
class _Scored:
    """Documents with their scores, as in `Best`; langs: (m,), empty where nothing is calibrated."""

    scores: FloatArray
    numbers: IntArray
    spans: npt.NDArray[np.int32]
    langs: npt.NDArray[np.uint16]

    @classmethod
    def together(cls, parts: Sequence[_Scored]) -> _Scored:
        nothing = cls(
            np.empty(0, np.float32),
            np.empty(0, np.int64),
            np.empty((0, 2), np.int32),
            np.empty(0, np.uint16),
        )
        every = [nothing, *parts]
        return cls(
            np.concatenate([part.scores for part in every]),
            np.concatenate([part.numbers for part in every]),
            np.concatenate([part.spans for part in every]),
            np.concatenate([part.langs for part in every]),
        )


def _ranked(
    query: SeenQueries, search: Search, chosen: Chosen, scale: LanguageScale | None
) -> Best:
    """The best of some documents."""
    lists = {} if search.params.exact or search.lists is None else search.lists
    gathered = {at for own in lists.values() for at in own.numbers}
    parts = [
        _scored(query, search, at, documents)
        for at, documents in enumerate(chosen)
        if len(documents) and at not in gathered
    ]
    parts += [_gathered(query, search, own, chosen) for own in lists.values()]
    found = _Scored.together(parts)
    if scale is None:
        kept = at_least(found.scores, search.k)
        return Best(found.scores[kept], found.numbers[kept], found.spans[kept])
    calibrated = scale.of(found.scores, found.langs)
    kept = at_least(calibrated, search.k)
    return Best(calibrated[kept], found.numbers[kept], found.spans[kept], found.scores[kept])


def _scored(query: SeenQueries, search: Search, at: int, documents: IntArray) -> _Scored:
    """Some documents of a segment."""
    segment = search.segments[at]
    passages, starts = segment.passages(documents)
    best = found = query.final(segment, passages)[0]
    if segment.documents is not None:
        best = np.maximum.reduceat(found, starts)
    spans = _best_spans(segment, documents, passages, starts, found, best)
    numbers = place(segment.segment, 0) + documents
    return _Scored(best, numbers, spans, _langs(search, at, documents))


def _gathered(query: SeenQueries, search: Search, lists: CentroidLists, chosen: Chosen) -> _Scored:
    """Some documents of many segments of one codec, read as those of one."""
    rows = lists.rows
    own = [chosen[at] for at in lists.numbers]
    starts = rows.ends.tolist()
    positions = np.concatenate([some + start for some, start in zip(own, starts, strict=False)])
    if not len(positions):
        return _Scored.together(())
    passages = rows.passages(positions)
    coded, offsets = rows.coded(passages)
    segment = Segment(0, rows.segments[0].codec, coded, offsets)
    best = found = query.final(segment, np.arange(len(passages)))[0]
    winning = np.arange(len(passages))
    if rows.documents is not None:
        best = np.maximum.reduceat(found, passages.starts)
        lengths = np.diff([*passages.starts, len(passages)])
        winning = np.flatnonzero(found == np.repeat(best, lengths))
        winning = winning[np.searchsorted(winning, passages.starts)]
    which, numbers = passages.which[winning], passages.numbers[winning]
    of_segments, documents = rows.placed(positions)
    langs = np.empty(0, np.uint16)
    if search.calibration is not None:
        langs = np.concatenate([_langs(search, at, chosen[at]) for at in lists.numbers])
    spans = rows.spans(which, numbers)
    return _Scored(best, rows.numbers[of_segments] + documents, spans, langs)


def _langs(search: Search, at: int, documents: IntArray) -> npt.NDArray[np.uint16]:
    """Languages of a segment's documents, none where nothing is calibrated."""
    if search.calibration is None:
        return np.empty(0, np.uint16)
    return search.calibration.groups.numbers[at][documents]


def _best_spans(
    segment: Segment,
    documents: IntArray,
    passages: IntArray,
    starts: IntArray,
    scores: FloatArray,
    best: FloatArray,
) -> npt.NDArray[np.int32]:
    """(documents, 2): of each document's best passage, the earliest of equal ones."""
    if segment.spans is None:
        return np.full((len(documents), 2), -1, np.int32)
    lengths = np.diff([*starts, len(passages)])
    winning = np.flatnonzero(scores == np.repeat(best, lengths))
    spans: npt.NDArray[np.int32] = segment.spans[
        passages[winning[np.searchsorted(winning, starts)]]
    ]
    return spans


def _usable_cpus() -> int:
    """CPUs that this process may run on, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
