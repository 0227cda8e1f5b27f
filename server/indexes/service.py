"""Searches in threads, bounded; and whether the server can be relied on to answer them."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from xret.errors import IndexNotFoundError, LanguageError, QueryError, ServerError, XretError
from xret.retriever.explaining import ExplainedDocument
from xret.retriever.rerankers.opened import OFF
from xret.retriever.searcher import SearchAnswer, Searcher
from xret.server.errors import HttpError
from xret.server.indexes.documents import (
    IndexSummary,
    index_summary,
)
from xret.server.settings import ServerSettings
from xret.types import Mode, SearchRequest

__all__ = ["SearchService"]

T = TypeVar("T")

log = logging.getLogger("xret.server")

PROBE = SearchRequest("ready to search")


@dataclass(frozen=True, slots=True)
class _Fault:
    """The last search of an index failed: the error's code, and when (monotonic seconds)."""

    code: str
    since: float


class SearchService:
    """The open indices by name. Used from one event loop; the work is done in threads."""

    def __init__(self, searchers: Mapping[str, Searcher], settings: ServerSettings) -> None:
        if not searchers:
            raise ServerError("there is nothing to serve; name at least one index")
        self.stopping = False
        self._searchers = dict(searchers)
        self.settings = self._settings = settings
        self._threads = anyio.CapacityLimiter(settings.threads)
        self._inside = 0
        self._answered: set[str] = set()
        self._faults: dict[str, _Fault] = {}

    async def search(self, request: SearchRequest, *, index: str | None = None) -> SearchAnswer:
        """Search the index of that name, the first one when None.

        A request that names no reranker has the server's, and can name no other: rerankers are
        folders and addresses, which are not for clients to choose.
        Raises HttpError when too many searches are waiting, IndexNotFoundError, and what
        `Searcher.answer` raises; a failure that is not the query's own fault makes the
        index unready until a search succeeds.
        """
        asked = self._with_reranker(request)
        return await self._asked(index, lambda searcher: searcher.answer(asked))

    async def explain(
        self,
        doc_id: str,
        text: str,
        *,
        lang: str | None = None,
        mode: Mode | None = None,
        index: str | None = None,
    ) -> ExplainedDocument:
        """As `search`, of one document; raises UnknownDocumentError as well."""
        return await self._asked(
            index, lambda searcher: searcher.explain(doc_id, text, lang=lang, mode=mode)
        )

    async def apply(self, work: Callable[[Searcher], T], *, index: str | None = None) -> T:
        """Anything else that is asked of an index, as `search` is."""
        return await self._asked(index, work)

    def encoders(self) -> dict[str, str]:
        """The name of each index's encoder, by the index's; the first index is the default."""
        return {name: one.encoder.spec.name for name, one in self._searchers.items()}

    async def _asked(self, index: str | None, work: Callable[[Searcher], T]) -> T:
        name = next(iter(self._searchers)) if index is None else index
        if name not in self._searchers:
            raise IndexNotFoundError(f"no index called {name!r} is served")
        try:
            answer = await self._in_thread(partial(work, self._searchers[name]))
        except (QueryError, LanguageError, HttpError):
            raise
        except Exception as error:
            code = error.code if isinstance(error, XretError) else "internal"
            self._faults[name] = _Fault(code, time.monotonic())
            raise
        if self._searchers[name].fault is None:  # else only a search by words was answered
            self._faults.pop(name, None)
            self._answered.add(name)
        return answer

    def _with_reranker(self, request: SearchRequest) -> SearchRequest:
        own = self._settings.rerank
        if request.rerank not in (None, own, OFF):
            raise QueryError('this server has no such reranker; leave it out, or say "off"')
        if own is None or request.rerank == OFF:
            return dataclasses.replace(request, rerank=None)
        deadline_ms = request.deadline_ms or self._settings.deadline_ms
        return dataclasses.replace(request, rerank=own, deadline_ms=deadline_ms)

    @property
    def load(self) -> int:
        """Searches that are computed or waiting for a thread."""
        return self._inside

    async def indexes(self) -> list[IndexSummary]:
        return await self._in_thread(
            lambda: [index_summary(name, searcher) for name, searcher in self._searchers.items()]
        )

    def unready(self) -> list[str]:
        """Why no traffic should be sent here, one reason an index; empty when ready."""
        if self.stopping:
            return ["the server is stopping"]
        reasons = [f"{name}: {fault.code}" for name, fault in self._faults.items()]
        return reasons + [
            f"{name}: starting"
            for name in self._searchers
            if name not in self._answered and name not in self._faults
        ]

    async def watch(self) -> None:
        """Ask every index one query, and failed ones again and again until they answer.

        Without it an index whose only failure was a passing one would stay unready for
        ever: nobody sends searches to a server that says it is not ready.
        """
        for name in self._searchers:
            await self._probe(name)
        while True:
            await anyio.sleep(self._settings.probe_every_s)
            latest = time.monotonic() - self._settings.probe_every_s
            for name in [name for name, fault in self._faults.items() if fault.since <= latest]:
                await self._probe(name)

    async def _probe(self, name: str) -> None:
        try:
            await self.search(PROBE, index=name)
        except Exception as error:
            log.error("index %s does not answer: %s", name, type(error).__name__)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._inside >= self._settings.threads + self._settings.max_waiting:
            raise HttpError(
                503, "overloaded", "too many searches are waiting; try again", {"Retry-After": "1"}
            )
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(_contained, work, limiter=self._threads)
        finally:
            self._inside -= 1


def _contained(work: Callable[[], T]) -> T:
    """Run it; a panic in native code, which is no Exception, becomes one."""
    try:
        return work()
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"native code gave up: {type(error).__name__}") from error
