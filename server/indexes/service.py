"""Searches in threads, bounded; and whether the server can be relied on to answer them."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from xret.deadline import Deadline
from xret.errors import (
    DeadlineError,
    IndexNotFoundError,
    LanguageError,
    QueryError,
    ReplacedIndexError,
    ServerError,
    UnusableIndexError,
    XretError,
)
from xret.retriever.explaining import ExplainedDocument
from xret.retriever.rerankers.opened import OFF
from xret.retriever.searcher import SearchAnswer, Searcher
from xret.server.border.keys import GRANT
from xret.server.border.leaving import LEFT
from xret.server.errors import HttpError
from xret.server.indexes.documents import (
    IndexSummary,
    index_summary,
)
from xret.server.indexes.metrics import Metrics
from xret.server.indexes.queue import GRACE_S, WorkQueue, contained
from xret.server.indexes.served import ServedIndex
from xret.server.settings import ServerSettings
from xret.types import Mode, SearchRequest

__all__ = ["SearchService"]

T = TypeVar("T")

log = logging.getLogger("xret.server")

SEARCHING = frozenset(("/v1/search", "/v1/search/batch", "/v1/explain"))
"""Addresses whose requests wait for a thread of the searches."""

PROBE = SearchRequest("ready to search")
PROBE_S = 2.0
"""How long it may take; an encoder that takes longer cannot serve people."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """The last search of an index failed: the error's code, and when (monotonic seconds)."""

    code: str
    since: float


class SearchService:
    """The open indices by name. Used from one event loop; the work is done in threads."""

    def __init__(
        self, searchers: Mapping[str, Searcher | ServedIndex], settings: ServerSettings
    ) -> None:
        if not searchers:
            raise ServerError("there is nothing to serve; name at least one index")
        self.stopping = False
        self._served = {name: _served(name, one) for name, one in searchers.items()}
        self.settings = self._settings = settings
        self.queue = WorkQueue(
            threads=settings.threads,
            max_waiting=settings.max_waiting,
            max_wait_s=None if settings.max_wait_ms is None else settings.max_wait_ms / 1000,
        )
        self._light = anyio.CapacityLimiter(settings.light_threads)
        self.metrics = Metrics()
        self._answered: dict[str, float] = {}
        self._faults: dict[str, _Fault] = {}

    async def search(self, request: SearchRequest, *, index: str | None = None) -> SearchAnswer:
        """Search the index of that name, the first one when None.

        A request that names no reranker has the server's, and can name no other: rerankers are
        folders and addresses, which are not for clients to choose.
        It is stopped when its time is over, or its client has left. Raises HttpError when too
        many searches are waiting, IndexNotFoundError, and what `Searcher.answer` raises,
        DeadlineError among it; a failure that is not the query's own fault makes the
        index unready until a search succeeds.
        """
        asked, until = self._with_reranker(request), self.deadline(request.timeout_ms)
        answer = await self._asked(
            index, lambda searcher: searcher.answer(asked, deadline=until), until=until
        )
        self.metrics.count_search(answer, index=answer.index)
        return answer

    async def explain(
        self,
        doc_id: str,
        text: str,
        *,
        lang: str | None = None,
        mode: Mode | None = None,
        rerank: str | None = None,
        index: str | None = None,
    ) -> ExplainedDocument:
        """As `search`, of one document; raises UnknownDocumentError as well."""
        until = self.deadline()
        asked = self._with_reranker(SearchRequest(text, lang, mode=mode, rerank=rerank))
        return await self._asked(
            index,
            lambda searcher: searcher.explain(
                doc_id, text, lang=lang, mode=mode, rerank=asked.rerank, deadline=until
            ),
            until=until,
        )

    async def apply(
        self,
        work: Callable[[Searcher], T],
        *,
        index: str | None = None,
        light: bool = False,
        until: Deadline | None = None,
        queue: WorkQueue | None = None,
    ) -> T:
        """Anything else that is asked of an index, as `search` is. light: what takes no time is
        done in threads of its own, which no search holds up. queue: other threads than those of
        searches, for what takes long."""
        if not light:
            return await self._asked(index, work, until=until, queue=queue)
        served = self._by_name(index)
        job = partial(_asked, served, _bounded(work))
        return await self._noted(served.name, lambda: self.light(job))

    def encoders(self) -> dict[str, str]:
        """The name of each index's encoder, by the index's; the first index is the default."""
        return {name: one.searcher.encoder.spec.name for name, one in self.visible().items()}

    def visible(self) -> Mapping[str, ServedIndex]:
        """The indices that the request in hand may know, by name."""
        grant = GRANT.get()
        return {
            name: served
            for name, served in self._served.items()
            if grant is None or grant.sees(name)
        }

    def named(self, index: str) -> str:
        """The name of an index that the request in hand may know; raises IndexNotFoundError."""
        return self._by_name(index).name

    def deadline(self, timeout_ms: float | None = None) -> Deadline:
        """When the request in hand is stopped: after its own time, as far as the settings allow,
        or once its client has left."""
        wanted = self._settings.timeout_ms if timeout_ms is None else timeout_ms
        return Deadline(min(wanted, self._settings.max_timeout_ms) / 1000, gone=LEFT.get())

    async def light(self, work: Callable[[], T]) -> T:
        """What takes no time, in threads that no search holds up."""
        return await anyio.to_thread.run_sync(contained, work, limiter=self._light)

    async def _asked(
        self,
        index: str | None,
        work: Callable[[Searcher], T],
        *,
        until: Deadline | None = None,
        queue: WorkQueue | None = None,
    ) -> T:
        """Work on an index in its turn; until: when it is over, that of the settings where None."""
        served, deadline = self._by_name(index), until or self.deadline()
        job, turns = partial(_asked, served, _bounded(work)), queue or self.queue
        return await self._noted(served.name, lambda: turns.run(job, deadline))

    def _by_name(self, index: str | None) -> ServedIndex:
        """The index of that name, the first one when None, if the request in hand may know it."""
        visible = self.visible()
        served = next(iter(visible.values()), None) if index is None else visible.get(index)
        if served is None:
            raise IndexNotFoundError(f"no index called {index!r} is served")
        return served

    async def reload(self, index: str) -> IndexSummary:
        """Open what lies at the index's path now; searches go on in what was open till then.

        Raises IndexNotFoundError, and HttpError where it cannot be opened.
        """
        served = self._by_name(index)
        await self.light(served.reload)
        self._faults.pop(index, None)
        return await self.light(lambda: index_summary(index, served.searcher))

    async def reload_all(self) -> None:
        """`reload` of every index; one that cannot be opened is told of in the log."""
        for name in self._served:
            try:
                await self.reload(name)
            except HttpError as error:
                log.error("index %s was not opened again: %s", name, error.detail)

    async def _noted(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """The result of work on an index, by which its readiness falls or returns."""
        try:
            answer = await work()
        except (QueryError, LanguageError, HttpError, DeadlineError):
            raise
        except Exception as error:
            code = error.code if isinstance(error, XretError) else "internal"
            self._faults[name] = _Fault(code, time.monotonic())
            if isinstance(error, UnusableIndexError):
                log.error("index %s: %s", name, error)
                raise self._served[name].refusal(error) from error
            raise
        if self._served[name].searcher.fault is None:  # else only a search by words was answered
            self._faults.pop(name, None)
            self._answered[name] = time.monotonic()
        return answer

    def _with_reranker(self, request: SearchRequest) -> SearchRequest:
        own = self._settings.rerank
        if request.rerank not in (None, own, OFF):
            raise QueryError('this server has no such reranker; leave it out, or say "off"')
        if own is None or request.rerank == OFF:
            return dataclasses.replace(request, rerank=None)
        deadline_ms = request.deadline_ms or self._settings.deadline_ms
        return dataclasses.replace(request, rerank=own, deadline_ms=deadline_ms)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        self.metrics.count_request(method, route, status, seconds)

    def refusal(self, path: str, *, coming: int = 0) -> HttpError | None:
        """What the address of a search is told while no more are taken: to refuse is to cost
        nearly nothing, or the refused would slow down the others. coming: as in `WorkQueue`."""
        return self.queue.refusal(coming=coming) if path in SEARCHING else None

    @property
    def load(self) -> int:
        """Searches that are computed or waiting for a thread."""
        return self.queue.load

    async def indexes(self) -> list[IndexSummary]:
        asked = [
            (one, _bounded(partial(index_summary, name))) for name, one in self.visible().items()
        ]
        return await self.light(lambda: [summary(one.searcher) for one, summary in asked])

    def unready(self) -> list[str]:
        """Why no traffic should be sent here, one reason an index; empty when ready."""
        if self.stopping:
            return ["the server is stopping"]
        reasons = []
        for name, served in self._served.items():
            if served.fault is not None:
                refusal = served.refusal(served.fault)
                reasons.append(f"{name}: {refusal.code} ({refusal.detail})")
            elif name in self._faults:
                reasons.append(f"{name}: {self._faults[name].code}")
            elif name not in self._answered:
                reasons.append(f"{name}: starting")
        return reasons

    async def look_after(self) -> None:
        """See again and again whether the indices are still there, whole, and the same."""
        while True:
            await anyio.sleep(self._settings.watch_every_s)
            for name, served in self._served.items():
                before = served.searcher, served.fault
                await self.light(served.look)
                if served.fault is not None and before[1] is None:
                    log.error("index %s: %s", name, served.fault)
                elif served.fault is None and before != (served.searcher, None):
                    self._faults.pop(name, None)
                    log.warning("index %s was opened again", name)

    async def watch(self) -> None:
        """Ask every index one query, and again and again those that nobody asks or that failed.

        Without it an index whose only failure was a passing one would stay unready for
        ever, since nobody sends searches to a server that says it is not ready; and a failure
        that no search has met would be told to nobody.
        """
        every_s = self._settings.probe_every_s
        latest = math.inf
        while True:
            for name in self._served:
                fault = self._faults.get(name)
                if max(self._answered.get(name, -1.0), fault.since if fault else -1.0) <= latest:
                    await self._probe(name)
            await anyio.sleep(every_s)
            latest = time.monotonic() - every_s

    async def _probe(self, name: str) -> None:
        """One query, in no search's turn: those may be what does not end."""
        warm = name in self._answered  # the first query may still load something
        timeout_s = PROBE_S if warm else max(PROBE_S, self._settings.max_timeout_ms / 1000)
        deadline = Deadline(timeout_s)

        async def ask() -> SearchAnswer:
            with anyio.move_on_after(timeout_s + GRACE_S):
                return await anyio.to_thread.run_sync(
                    contained,
                    lambda: _asked(
                        self._served[name], lambda s: s.answer(PROBE, deadline=deadline)
                    ),
                    limiter=self._light,
                    abandon_on_cancel=True,
                )
            raise deadline.error()

        try:
            await self._noted(name, ask)
        except Exception as error:
            if isinstance(error, DeadlineError):
                self._faults[name] = _Fault(error.code, time.monotonic())
            log.error("index %s does not answer: %s", name, type(error).__name__)


def _served(name: str, opened: Searcher | ServedIndex) -> ServedIndex:
    if isinstance(opened, ServedIndex):
        return opened
    own = copy.copy(opened)  # one searcher may be served under several names
    return ServedIndex(name, own.reader.folder, own, in_memory=False)


def _bounded(work: Callable[[Searcher], T]) -> Callable[[Searcher], T]:
    """Work on what the request in hand may know of an index."""
    grant = GRANT.get()
    bound = None if grant is None else grant.bound
    return work if bound is None else lambda searcher: work(searcher.within(bound))


def _asked(served: ServedIndex, work: Callable[[Searcher], T]) -> T:
    """Work on what is open; where that has been replaced at its place, on what is there now."""
    try:
        with served.borrowed() as searcher:
            return work(searcher)
    except ReplacedIndexError:
        served.look()
    with served.borrowed() as searcher:
        return work(searcher)
