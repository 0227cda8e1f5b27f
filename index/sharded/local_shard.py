"""A shard that is an index in a folder of this machine."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.errors import QueryError
from xret.index.search.commit import Asked, Commit, Matches
from xret.index.search.filters import Filter
from xret.index.search.languages import LanguageGroups, owners_of
from xret.index.search.lexical_ranking import Words, numbers_within, open_lexical
from xret.index.search.matches import matches_of
from xret.index.search.pseudo_questions import pseudo_vectors
from xret.index.search.ranking import Best, Masks
from xret.index.search.reader import IndexReader
from xret.index.search.seen_queries import SeenQueries, background_scores
from xret.index.search.stages import SearchStages
from xret.index.sharded.messages import (
    Fetched,
    RankRequest,
    ShardHits,
    ShardRanking,
    ShardState,
    Survey,
    SurveyRequest,
    WordSurveyRequest,
)
from xret.index.sharded.shared_calibration import SharedCalibration
from xret.index.sharded.shared_words import SharedBm25, having_by_term
from xret.index.storage.stored import IndexInfo, StoredRoute
from xret.index.words.bm25 import WordTotals
from xret.types import Document, FloatArray, Hit, IntArray, SearchRequest

__all__ = ["LocalShard"]


class LocalShard:
    """See `messages.Shard`. Safe to share by threads, as its reader is.

    open_reader: called where the reader is asked for, until it has opened once.
    """

    def __init__(self, name: str, open_reader: Callable[[], IndexReader]) -> None:
        self.name = name
        self._open_reader = open_reader
        self._opening = threading.Lock()
        self._reader: IndexReader | None = None
        self._words: tuple[str, WordTotals, SharedBm25] | None = None

    @property
    def reader(self) -> IndexReader:
        """Raises as `IndexReader.open`."""
        if self._reader is None:
            with self._opening:
                self._reader = self._reader or self._open_reader()
        return self._reader

    @property
    def _stages(self) -> SearchStages:
        return SearchStages(self.reader)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def settings(self) -> dict[str, str]:
        return self.reader.settings

    def state(self, deadline: Deadline) -> ShardState:
        with self._stages.snapshot(deadline) as (commit, _):
            groups = self._stages.language_groups(commit, deadline)
        totals = None
        if all("lexical_lengths" in segment.arrays for segment in commit.segments):
            bm25 = self._stages.bm25(commit)
            totals = WordTotals(bm25.n_documents, bm25.n_terms)
        return ShardState(_identity(commit), totals, _backgrounds(groups))

    def found_languages(
        self, identity: str, wanted: Filter, deadline: Deadline
    ) -> list[str] | None:
        asked = Asked(SearchRequest(""), None, None, wanted, deadline=deadline)
        ready = self._stages.prepared(asked)
        if ready is None or _identity(ready.commit) != identity:
            return None
        groups = self._stages.language_groups(ready.commit, deadline)
        return [groups.langs[number] for number in groups.found(ready.speaking).tolist()]

    def survey(self, identity: str, asked: SurveyRequest, deadline: Deadline) -> Survey | None:
        at = self._at(identity, deadline)
        if at is None:
            return None
        commit, groups = at
        where, owners = _positions(groups, asked.background)
        n_queries = 0 if asked.queries is None else len(asked.queries)
        scores = np.empty((n_queries, len(owners)), np.float32)
        if asked.queries is not None and len(owners):
            self._stages.check(asked.queries)
            seen = SeenQueries(asked.queries, commit.codecs, 1, deadline)
            scores = background_scores(seen, commit.segments, where)
        having = []
        if asked.terms:
            bm25 = self._stages.bm25(commit)
            having = [
                bm25.document_frequencies(list(dict.fromkeys(terms)), deadline=deadline)
                for terms in asked.terms
            ]
        return Survey(scores, owners, having)

    def word_survey(
        self, identity: str, asked: WordSurveyRequest, deadline: Deadline
    ) -> FloatArray | None:
        at = self._at(identity, deadline)
        if at is None:
            return None
        commit, groups = at
        where, _ = _positions(groups, asked.background)
        starts = np.cumsum([0, *(segment.n_documents for segment in commit.segments)])
        there = [at + start for at, start in zip(where, starts, strict=False)]
        places = np.concatenate([np.empty(0, np.int64), *there])
        bm25 = self._shared(commit, asked.totals).asked(having_by_term(asked.terms, asked.having))
        rows = [bm25.scores(terms, deadline=deadline)[places] for terms in asked.terms]
        return np.stack(rows)

    def pseudo_questions(
        self, identity: str, wanted: Mapping[str, int], deadline: Deadline
    ) -> list[FloatArray] | None:
        at = self._at(identity, deadline)
        if at is None:
            return None
        commit, groups = at
        chosen = []
        for number, (langs, where, ranks) in enumerate(
            zip(groups.numbers, groups.background, groups.ranks, strict=True)
        ):
            for at, rank in zip(where.tolist(), ranks.tolist(), strict=True):
                lang = groups.langs[langs[at]]
                if rank < wanted.get(lang, 0):
                    chosen.append((list(wanted).index(lang), rank, number, at))
        return [
            pseudo_vectors(commit.segments[number], commit.codecs, at)
            for _, _, number, at in sorted(chosen)
        ]

    def ranked(
        self, identity: str, asked: RankRequest, deadline: Deadline
    ) -> list[ShardRanking] | None:
        own = _asked(asked, deadline)
        ready, at = self._stages.prepared(own), self._at(identity, deadline)
        if ready is None or at is None or _identity(ready.commit) != identity:
            return None
        commit, groups = at
        if not commit.segments:
            nothing = ShardRanking(*_nothing(asked), Matches(0, {}))
            return [nothing] * _n_queries(asked)
        ready = dataclasses.replace(
            ready,
            calibration=self._calibration(asked, commit, groups, ready.speaking),
            bm25=self._bm25(asked, commit),
        )
        self._stages.check(asked.queries)
        found = self._stages.scored(ready, own)
        with self._stages.snapshot(deadline) as (now, table):
            if _identity(now) != identity:
                return None
            lists = [
                (
                    _hits(one.dense, table.doc_ids, commit, one.within if asked.joined else None),
                    _hits(one.lexical, table.doc_ids, commit, None),
                )
                for one in found
            ]
        masks = ready.speaking if own.words is None else ready.masks[0]
        matches = matches_of(found, masks, commit.segments, groups if asked.counted else None)
        return [ShardRanking(*both, one) for both, one in zip(lists, matches, strict=True)]

    def fetched(self, identity: str, doc_ids: Sequence[str], deadline: Deadline) -> Fetched | None:
        with self._stages.snapshot(deadline) as (commit, table):
            if _identity(commit) != identity:
                return None
            return Fetched(table.of(doc_ids), self.reader.routes())

    def documents(self, doc_ids: Sequence[str], deadline: Deadline) -> list[Document]:
        return self.reader.documents(doc_ids, deadline=deadline)

    def routes(self) -> dict[str, StoredRoute]:
        return self.reader.routes()

    def info(self) -> IndexInfo:
        return self.reader.info()

    def size_bytes(self) -> int:
        return self.reader.size_bytes()

    def languages(self, wanted: Filter | None, deadline: Deadline) -> dict[str, int]:
        return self.reader.languages(wanted, deadline=deadline)

    def doc_ids(self, wanted: Filter | None, deadline: Deadline) -> set[str]:
        return self.reader.doc_ids(wanted, deadline=deadline)

    def metadata_fields(self, wanted: Filter | None, deadline: Deadline) -> Mapping[str, int]:
        return self.reader.metadata_fields(wanted, deadline=deadline)

    def document_page(
        self, n: int, after: str, wanted: Filter | None, deadline: Deadline
    ) -> list[Document]:
        return self.reader.document_page(n, after=after, filter=wanted, deadline=deadline)

    def _at(self, identity: str, deadline: Deadline) -> tuple[Commit, LanguageGroups] | None:
        """The newest commit, where it is that one, and its documents by language."""
        with self._stages.snapshot(deadline) as (commit, _):
            if _identity(commit) != identity:
                return None
            return commit, self._stages.language_groups(commit, deadline)

    def _shared(self, commit: Commit, totals: WordTotals) -> SharedBm25:
        identity, kept = _identity(commit), self._words
        if kept is None or kept[:2] != (identity, totals):
            opened = open_lexical(commit.segments)
            bm25 = SharedBm25(opened, commit.alive, parts=self._stages.word_parts, totals=totals)
            kept = self._words = identity, totals, bm25
        return kept[2]

    def _bm25(self, asked: RankRequest, commit: Commit) -> SharedBm25 | None:
        if asked.totals is None:
            return None
        return self._shared(commit, asked.totals).asked(having_by_term(asked.terms, asked.having))

    def _calibration(
        self, asked: RankRequest, commit: Commit, groups: LanguageGroups, keep: Masks
    ) -> SharedCalibration | None:
        if asked.scales is None and asked.word_scales is None:
            return None
        return SharedCalibration.by(asked.scales, asked.word_scales, commit, groups, keep)


def _identity(commit: Commit) -> str:
    return f"{commit.version}-{commit.seal.hex()}"


def _backgrounds(groups: LanguageGroups) -> dict[str, npt.NDArray[np.uint64]]:
    """By language, the hashes of its background, rising."""
    numbers = owners_of(groups, groups.background)
    hashes = np.concatenate([np.empty(0, np.uint64), *groups.hashes])
    return {lang: np.sort(hashes[numbers == n]) for n, lang in enumerate(groups.langs)}


def _positions(
    groups: LanguageGroups, background: Mapping[str, int]
) -> tuple[list[IntArray], IntArray]:
    """For each segment the positions of a part of the background, and of all of those the
    languages, as places in what was asked for."""
    counts = np.array([background.get(lang, 0) for lang in groups.langs], np.int64)
    where = [
        at[ranks < counts[numbers[at]]]
        for at, ranks, numbers in zip(groups.background, groups.ranks, groups.numbers, strict=True)
    ]
    places = {lang: place for place, lang in enumerate(background)}
    named = np.array([places.get(lang, -1) for lang in groups.langs], np.int64)
    return where, named[owners_of(groups, where)]


def _asked(asked: RankRequest, deadline: Deadline) -> Asked:
    """As a reader is asked; nothing is calibrated by the reader itself."""
    request = SearchRequest(
        "", k=asked.depth, params=asked.params, facets=("lang",) if asked.counted else ()
    )
    words = None
    if asked.totals is not None:
        join = _never_joined if asked.joined else None
        words = Words(asked.terms, join, asked.langs, asked.word_scales is not None)
    return Asked(request, asked.queries, words, asked.filter, deadline=deadline)


def _never_joined(*_: object) -> list[Hit]:
    raise QueryError("a shard ranks its documents and joins no lists")


def _n_queries(asked: RankRequest) -> int:
    return len(asked.terms) if asked.queries is None else len(asked.queries)


def _nothing(asked: RankRequest) -> tuple[ShardHits | None, ShardHits | None]:
    none = ShardHits((), np.empty(0), np.empty((0, 2), np.int32))
    return None if asked.queries is None else none, None if asked.totals is None else none


def _hits(
    best: Best | None,
    doc_ids: Callable[[Collection[int]], Sequence[str]],
    commit: Commit,
    within: Masks | None,
) -> ShardHits | None:
    """within: the documents that the words speak for, None where nothing is joined."""
    if best is None:
        return None
    spoken = None
    if within is not None:
        numbers = numbers_within(best.numbers, commit.segments, within)
        spoken = np.isin(best.numbers, np.array(numbers, np.int64))
    return ShardHits(
        tuple(doc_ids(best.numbers.tolist())),
        best.scores.astype(np.float64),
        best.spans,
        None if best.raw is None else best.raw.astype(np.float64),
        spoken,
    )
