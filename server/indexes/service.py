"""Searches of the served indices by name, in threads, within bounds."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from xret.deadline import Deadline
from xret.errors import IndexNotFoundError, QueryError, ServerError
from xret.retriever.explaining import ExplainedDocument
from xret.retriever.rerankers.opened import OFF
from xret.retriever.searcher import SearchAnswer, Searcher
from xret.server.border.keys import GRANT
from xret.server.border.leaving import LEFT
from xret.server.errors import HttpError
from xret.server.indexes.aliases import ALIASES_FILE, Aliases
from xret.server.indexes.documents import IndexSummary, index_summary
from xret.server.indexes.metrics import Metrics
from xret.server.indexes.queue import WorkQueue, contained
from xret.server.indexes.readiness import Readiness
from xret.server.indexes.served import ServedIndex
from xret.server.settings import ServerSettings
from xret.types import Mode, SearchRequest

__all__ = ["SearchService"]

T = TypeVar("T")

log = logging.getLogger("xret.server")

SEARCHING = frozenset(("/v1/search", "/v1/search/batch", "/v1/explain"))
"""Addresses whose requests wait for a thread of the searches."""


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
        tasks = settings.tasks
        self.known_aliases = Aliases(
            self._served.keys(), None if tasks is None else Path(tasks) / ALIASES_FILE
        )
        self.readiness = Readiness(self._served, settings, light=self.light)

    async def search(
        self, request: SearchRequest, *, index: str | None = None, within: Deadline | None = None
    ) -> SearchAnswer:
        """Search the index of that name, the first one when None. within: the end of a larger
        whole that the search is part of.

        A request that names no reranker has the server's, and can name no other: rerankers are
        folders and addresses, which are not for clients to choose.
        It is stopped when its time is over, or its client has left. Raises HttpError when too
        many searches are waiting, IndexNotFoundError, and what `Searcher.answer` raises,
        DeadlineError among it; a failure that is not the query's own fault makes the
        index unready until a search succeeds.
        """
        asked, until = self._with_reranker(request), self.deadline(request.timeout_ms)
        if within is not None and within.until < until.until:
            until = within
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
        as_written: bool = False,
    ) -> ExplainedDocument:
        """As `search`, of one document; raises UnknownDocumentError as well."""
        until = self.deadline()
        asked = self._with_reranker(SearchRequest(text, lang, mode=mode, rerank=rerank))
        return await self._asked(
            index,
            lambda searcher: searcher.explain(
                doc_id,
                text,
                lang=lang,
                mode=mode,
                rerank=asked.rerank,
                deadline=until,
                as_written=as_written,
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
        job = partial(served.asked, _bounded(work))
        return await self.readiness.noted(served.name, lambda: self.light(job))

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
        job, turns = partial(served.asked, _bounded(work)), queue or self.queue
        return await self.readiness.noted(served.name, lambda: turns.run(job, deadline))

    def _by_name(self, index: str | None) -> ServedIndex:
        """The index of that name, the first one when None, if the request in hand may know it."""
        visible = self.visible()
        if index is None:
            served = next(iter(visible.values()), None)
        else:
            served = visible.get(index) or self._by_alias(index)
        if served is None:
            raise IndexNotFoundError(f"no index called {index!r} is served")
        return served

    def _by_alias(self, alias: str) -> ServedIndex | None:
        """The index of an alias that the request in hand may know, or its index."""
        target = self.known_aliases.current.get(alias)
        grant = GRANT.get()
        known = grant is None or grant.sees(alias) or (target is not None and grant.sees(target))
        return self._served[target] if target is not None and known else None

    def aliases(self) -> Mapping[str, str]:
        """Indices by the aliases that the request in hand may know."""
        current = self.known_aliases.current
        return {alias: index for alias, index in current.items() if self._by_alias(alias)}

    def check_alias(self, alias: str) -> None:
        """Raises HttpError for an alias of an index that the request in hand may not know."""
        if alias in self.known_aliases.current and self._by_alias(alias) is None:
            raise HttpError(403, "forbidden", "the alias means an index that the key is not for")

    async def reload(self, index: str) -> IndexSummary:
        """Open what lies at the index's path now; searches go on in what was open till then.

        Raises IndexNotFoundError, and HttpError where it cannot be opened.
        """
        served = self._by_name(index)
        await self.light(served.reload)
        self.readiness.forget(served.name)
        return await self.light(lambda: index_summary(served.name, served.searcher))

    async def reload_all(self) -> None:
        """`reload` of every index; one that cannot be opened is told of in the log."""
        for name in self._served:
            try:
                await self.reload(name)
            except HttpError as error:
                log.error("index %s was not opened again: %s", name, error.detail)

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

    def unready(self) -> list[str]:
        """Why no traffic should be sent here, each reason for people; empty when ready."""
        return ["the server is stopping"] if self.stopping else self.readiness.reasons()

    @property
    def load(self) -> int:
        """Searches that are computed or waiting for a thread."""
        return self.queue.load

    async def indexes(self) -> list[IndexSummary]:
        asked = [
            (one, _bounded(partial(index_summary, name))) for name, one in self.visible().items()
        ]
        return await self.light(lambda: [summary(one.searcher) for one, summary in asked])


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
