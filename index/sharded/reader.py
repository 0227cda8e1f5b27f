"""An open index in several parts, asked as one is."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from xret.deadline import Deadline
from xret.errors import DuplicateIdError, ShardError, UnusableIndexError
from xret.index.search.calibration import LanguageOffsets
from xret.index.search.commit import Asked, Found
from xret.index.search.filters import Filter
from xret.index.search.lexical_ranking import Words
from xret.index.search.matches import ranked_depth
from xret.index.search.reader import IndexReader
from xret.index.search.seen_queries import KeptTables
from xret.index.sharded.local_shard import LocalShard
from xret.index.sharded.messages import Shard, ShardState
from xret.index.sharded.search import ShardedSearch, StaleShardError
from xret.index.sharded.settings import shared_settings
from xret.index.sharded.shared_calibration import SharedBackground
from xret.index.storage.stored import IndexInfo, StoredRoute
from xret.index.words.expected import counted_parts
from xret.types import Calibrate, Document, Embeddings, Hit, SearchParams, SearchRequest

__all__ = ["ShardedReader"]

T = TypeVar("T")

TRIES = 5
"""Commits made meanwhile, after which a search gives up."""

REST_S = 5.0
"""How long a shard that did not answer is not asked again, where answers may be partial."""


class _LostShardError(Exception):
    def __init__(self, shard: Shard, error: UnusableIndexError) -> None:
        super().__init__(shard.name)
        self.shard, self.error = shard, error


@dataclasses.dataclass(slots=True)
class _Commits:
    """The commits that shards were at, by name, and what was learnt of them together."""

    states: dict[str, ShardState]
    learnt: dict[tuple[str, ...], dict[str, LanguageOffsets]] = dataclasses.field(
        default_factory=dict
    )


class ShardedReader(IndexReader):
    """Searches all shards of an index and joins what they find; safe to share by threads.

    Scores are those of one index of the same documents: frequencies of words and backgrounds of
    languages are of all shards together. Where candidates are chosen (an index with a trained
    codec, unless `exact`), each shard chooses as many as an index of its size does, so that more
    are scored than in one index. partial: a shard that does not answer is left out, and the answer
    says so (`Found.missing`); otherwise it is an error.
    """

    def __init__(self, folder: Path, shards: Sequence[Shard], *, partial: bool = False) -> None:
        self.folder = folder
        self.shards = tuple(shards)
        self.partial = partial
        self._pool = ThreadPoolExecutor(4 * len(shards), "shard")
        self._turn = threading.RLock()
        self._resting: dict[str, tuple[float, UnusableIndexError]] = {}
        self._commits = _Commits({})
        self._known_settings: dict[str, dict[str, str]] = {}
        self._settings = self.opened_with = self._read_settings()
        self.dim = int(self.opened_with["dim"])
        self._word_parts = counted_parts(self.opened_with.get("lexical", ""))

    def close(self) -> None:
        self._pool.shutdown()
        for shard in self.shards:
            shard.close()

    @property
    def settings(self) -> dict[str, str]:
        return self._settings

    def info(self) -> IndexInfo:
        """Of all shards together; settings are those that they share."""
        parts = self._gathered(lambda shard: shard.info())
        languages: Counter[str] = Counter()
        for part in parts:
            languages.update(part.languages)
        total = {
            name: sum(getattr(part, name) for part in parts)
            for name in (
                *("documents", "deleted", "passages", "vectors"),
                *("segments", "vectors_bytes", "version"),
            )
        }
        return dataclasses.replace(
            parts[0],
            **total,
            languages=dict(languages.most_common()),
            codecs=tuple(sorted({codec for part in parts for codec in part.codecs})),
            settings=self.settings,
            routes={lang: route for part in parts for lang, route in part.routes.items()},
        )

    def codec_bits(self) -> dict[int, float]:
        """None: the parts' codecs are not at hand, and each part may have its own."""
        return {}

    def version(self) -> int:
        return self.info().version

    def languages(
        self, filter: Filter | None = None, *, deadline: Deadline | None = None
    ) -> dict[str, int]:
        return self._counted(lambda shard: shard.languages(filter, deadline or Deadline()))

    def metadata_fields(
        self, filter: Filter | None = None, *, deadline: Deadline | None = None
    ) -> Mapping[str, int]:
        return self._counted(lambda shard: shard.metadata_fields(filter, deadline or Deadline()))

    def doc_ids(self, filter: Filter | None, *, deadline: Deadline | None = None) -> set[str]:
        parts = self._gathered(lambda shard: shard.doc_ids(filter, deadline or Deadline()))
        return set().union(*parts)

    def missing(self) -> list[str]:
        """The shards, by name with their faults, that an answer is without for now."""
        return [f"{name} ({error})" for name, error in self._resting_now().items()]

    def check_ids(self) -> None:
        """Raises DuplicateIdError for a document that two shards have."""
        owners: dict[str, str] = {}
        for shard in self.shards:
            for doc_id in shard.doc_ids(None, Deadline()):
                other = owners.setdefault(doc_id, shard.name)
                if other != shard.name:
                    raise DuplicateIdError(
                        f"document {doc_id!r} is in {other} and in {shard.name}; documents of one "
                        "id are in one shard alone: delete it from one of them (xret delete)"
                    )

    def document_page(
        self,
        n: int,
        *,
        after: str = "",
        filter: Filter | None = None,
        deadline: Deadline | None = None,
    ) -> list[Document]:
        until = deadline or Deadline()
        parts = self._gathered(lambda shard: shard.document_page(n, after, filter, until))
        return list(islice(merge(*parts, key=lambda one: one.doc_id.encode()), n))

    def documents(
        self, doc_ids: Sequence[str], *, deadline: Deadline | None = None
    ) -> list[Document]:
        until = deadline or Deadline()
        parts = self._gathered(lambda shard: shard.documents(doc_ids, until))
        known = {document.doc_id: document for part in parts for document in part}
        return [known[doc_id] for doc_id in doc_ids if doc_id in known]

    def touched(self, deadline: Deadline) -> Path | None:
        for shard in self.shards:
            if isinstance(shard, LocalShard) and (path := shard.reader.touched(deadline)):
                return path
        return None

    def routes(self) -> dict[str, StoredRoute]:
        parts = self._gathered(lambda shard: shard.routes())
        return {lang: route for part in parts for lang, route in part.items()}

    def size_bytes(self) -> int:
        return sum(self._gathered(lambda shard: shard.size_bytes()))

    def search(
        self,
        queries: Embeddings | None,
        k: int,
        *,
        params: SearchParams | None = None,
        filter: Filter | None = None,
        words: Words | None = None,
        calibrate: Calibrate | None = None,
        query_langs: Sequence[str] = (),
    ) -> list[list[Hit]]:
        request = SearchRequest("", k=k, params=params or SearchParams(), calibrate=calibrate)
        named: dict[str, Any] = {"filter": filter, "words": words, "query_langs": query_langs}
        return self.answer(request, queries, fetch=False, **named).rankings

    def answer(
        self,
        request: SearchRequest,
        queries: Embeddings | None,
        *,
        filter: Filter | None = None,
        words: Words | None = None,
        fetch: bool = True,
        query_langs: Sequence[str] = (),
        deadline: Deadline | None = None,
        kept: KeptTables | None = None,  # noqa: ARG002 (each shard makes its own)
    ) -> Found:
        """As `IndexReader.answer`, of all shards: one commit of each answers the whole call.

        Raises ShardError naming a shard that does not answer, where answers may not be partial.
        """
        if queries is not None:
            self._check_dim(queries)
        asked = Asked(request, queries, words, filter, query_langs, deadline or Deadline())
        missing = self._resting_now() if self.partial else {}
        while True:
            shards = [shard for shard in self.shards if shard.name not in missing]
            if not shards:
                raise next(iter(missing.values()))
            try:
                found = self._answered(shards, asked, fetch=fetch)
            except _LostShardError as lost:
                if not self.partial:
                    raise _shard_error(lost) from lost.error
                missing[lost.shard.name] = lost.error
                self._resting[lost.shard.name] = time.monotonic() + REST_S, lost.error
            else:
                told = [f"{name} ({error})" for name, error in missing.items()]
                return dataclasses.replace(found, missing=told)

    def _answered(self, shards: Sequence[Shard], asked: Asked, *, fetch: bool) -> Found:
        for _ in range(TRIES):
            commits = self._known(shards, asked.deadline)
            states = [commits.states[shard.name] for shard in shards]
            key = tuple(state.identity for state in states)
            learnt = commits.learnt.setdefault(key, {})
            background = SharedBackground.of(states)
            search = ShardedSearch(shards, states, background, asked, self._scatter, learnt)
            try:
                return _found(search, fetch=fetch)
            except StaleShardError:
                with self._turn:
                    if self._commits is commits:
                        self._commits = _Commits({})
        raise ShardError("shards are written to faster than they can be searched; search again")

    def _known(self, shards: Sequence[Shard], deadline: Deadline) -> _Commits:
        """The commits that the shards were at when they were last asked."""
        commits = self._commits
        unknown = [shard for shard in shards if shard.name not in commits.states]
        if unknown:
            parts = self._scatter(
                unknown, lambda n: (unknown[n].state(deadline), unknown[n].settings())
            )
            known = {shard.name: state for shard, (state, _) in zip(unknown, parts, strict=True)}
            commits = _Commits({**commits.states, **known})
            for shard, (_, settings) in zip(unknown, parts, strict=True):
                self._check(shard, settings)
            with self._turn:
                self._commits = commits
        return commits

    def _check(self, shard: Shard, settings: dict[str, str]) -> None:
        """That a shard that answers goes with all that have answered before; its settings are of
        the index then. Raises ShardError, or _LostShardError where it may be left out."""
        with self._turn:
            others = {name: one for name, one in self._known_settings.items() if name != shard.name}
            try:
                self._settings = shared_settings({**others, shard.name: settings})
            except ShardError as error:
                if self.partial and others:
                    raise _LostShardError(shard, error) from error
                raise
            self._known_settings[shard.name] = settings

    def _read_settings(self) -> dict[str, str]:
        named = {shard.name: shard for shard in self.shards}
        if not self.partial:
            parts = self._gathered(lambda shard: shard.settings())
            self._known_settings = dict(zip(named, parts, strict=True))
            return shared_settings(self._known_settings)
        found: dict[str, dict[str, str]] = {}
        fault: UnusableIndexError | None = None
        for name, shard in named.items():
            try:
                found[name] = shard.settings()
            except UnusableIndexError as error:
                fault = error
                self._resting[name] = time.monotonic() + REST_S, error
        if not found and fault is not None:
            raise fault
        self._known_settings = found
        return shared_settings(found)

    def _resting_now(self) -> dict[str, UnusableIndexError]:
        now = time.monotonic()
        return {name: error for name, (until, error) in self._resting.items() if until > now}

    def _scatter(self, shards: Sequence[Shard], ask: Callable[[int], T], /) -> list[T]:
        """See `search.Scatter`. Raises _LostShardError for the first that cannot answer."""
        if len(shards) == 1:
            return [self._asked(shards[0], ask, 0)]
        futures = [
            self._pool.submit(self._asked, shard, ask, number)
            for number, shard in enumerate(shards)
        ]
        faults = [future.exception() for future in futures]
        for fault in faults:
            if fault is not None:
                raise fault
        return [future.result() for future in futures]

    @staticmethod
    def _asked(shard: Shard, ask: Callable[[int], T], number: int) -> T:
        try:
            return ask(number)
        except UnusableIndexError as error:
            raise _LostShardError(shard, error) from error

    def _gathered(self, ask: Callable[[Shard], T]) -> list[T]:
        """Of all shards; of those that answer, where answers may be partial."""
        asked = list(self.shards)
        if self.partial:
            resting = self._resting_now()
            asked = [one for one in self.shards if one.name not in resting] or asked
        while True:
            try:
                return self._scatter(asked, lambda n: ask(asked[n]))
            except _LostShardError as lost:
                if not self.partial or len(asked) == 1:
                    raise _shard_error(lost) from lost.error
                asked.remove(lost.shard)
                self._resting[lost.shard.name] = time.monotonic() + REST_S, lost.error

    def _counted(self, ask: Callable[[Shard], Mapping[str, int]]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for part in self._gathered(ask):
            counts.update(part)
        return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _found(search: ShardedSearch, *, fetch: bool) -> Found:
    request = search.asked.request
    rankings = search.rankings()
    page = slice(request.offset, request.offset + request.k)
    if request.counted:
        page = slice(0, ranked_depth(search.asked))
    pages = [ranking.hits[page] for ranking in rankings]
    start = time.perf_counter()
    documents: dict[str, Document] = {}
    routes: dict[str, StoredRoute] = {}
    if fetch:
        places = {
            hit.doc_id: ranking.shards[hit.doc_id]
            for ranking, hits in zip(rankings, pages, strict=True)
            for hit, _, _ in hits
        }
        documents, routes = search.fetched(places)
    return Found(
        sum(int(state.identity.partition("-")[0]) for state in search.states),
        [[hit for hit, _, _ in hits] for hits in pages],
        [[span for _, span, _ in hits] for hits in pages],
        [[raw for _, _, raw in hits] for hits in pages],
        documents,
        routes,
        time.perf_counter() - start,
        [ranking.matches for ranking in rankings] if fetch else [],
    )


def _shard_error(lost: _LostShardError) -> ShardError:
    return ShardError(f"shard {lost.shard.name} does not answer: {lost.error}")
