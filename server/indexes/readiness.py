"""Whether the served indices answer, and who may ask is known: what `/readyz` says."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from xret.deadline import Deadline
from xret.errors import (
    ConfigError,
    DeadlineError,
    LanguageError,
    QueryError,
    UnusableIndexError,
    XretError,
)
from xret.retriever.searcher import SearchAnswer
from xret.server.border.keyring import Keyring
from xret.server.errors import HttpError
from xret.server.indexes.queue import GRACE_S, contained
from xret.server.indexes.served import ServedIndex
from xret.server.settings import ServerSettings
from xret.types import SearchRequest

__all__ = ["Readiness"]

T = TypeVar("T")

log = logging.getLogger("xret.server")

PROBE = SearchRequest("ready to search")
PROBE_S = 2.0
"""How long it may take; an encoder that takes longer cannot serve people."""

MAX_PROBES = 16
"""Indices that are asked at the same time by the server itself."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """The last search of an index failed: the error's code, and when (monotonic seconds)."""

    code: str
    since: float


class Readiness:
    """Of the served indices by name, and of the keys, if there are any. Used from one event loop.

    light: does in a thread what takes no time.
    """

    def __init__(
        self,
        served: Mapping[str, ServedIndex],
        settings: ServerSettings,
        *,
        light: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        self.keyring: Keyring | None = None
        self._served = served
        self._settings = settings
        self._light = light
        self._answered: dict[str, float] = {}
        self._faults: dict[str, _Fault] = {}
        self.keys_fault = ""
        """Why nobody may ask; it names no index."""
        # A thread that does not end is not followed by others.
        self._probing: set[str] = set()
        self._probes = anyio.CapacityLimiter(MAX_PROBES)

    async def noted(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
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

    def forget(self, name: str) -> None:
        """That an index has failed."""
        self._faults.pop(name, None)

    def reasons(self) -> list[str]:
        """Why no traffic should be sent here, one reason an index; empty when ready."""
        reasons = [self.keys_fault] if self.keys_fault else []
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
            await self._light(self._look_at_keys)
            for name, served in self._served.items():
                before = served.searcher, served.fault
                await self._light(served.look)
                if served.fault is not None and before[1] is None:
                    log.error("index %s: %s", name, served.fault)
                elif served.fault is None and before != (served.searcher, None):
                    self.forget(name)
                    log.warning("index %s was opened again", name)

    def _look_at_keys(self) -> None:
        if self.keyring is None:
            return
        fault = ""
        try:
            if not self.keyring.current():
                fault = "keys: there are none, and nobody may ask"
        except ConfigError as error:
            fault = "keys: their file cannot be read, and nobody may ask; see the server's log"
            if not self.keys_fault:
                log.error("%s", error)
        self.keys_fault = fault

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
        """One query, in no search's turn: those may be what does not end. None is asked while
        the last one has not ended."""
        if name in self._probing:
            return
        warm = name in self._answered  # the first query may still load something
        timeout_s = PROBE_S if warm else max(PROBE_S, self._settings.max_timeout_ms / 1000)
        deadline = Deadline(timeout_s)

        def answered() -> SearchAnswer:
            try:
                return contained(
                    lambda: self._served[name].asked(lambda s: s.answer(PROBE, deadline=deadline))
                )
            finally:
                self._probing.discard(name)

        async def ask() -> SearchAnswer:
            self._probing.add(name)
            with anyio.move_on_after(timeout_s + GRACE_S):
                return await anyio.to_thread.run_sync(
                    answered, limiter=self._probes, abandon_on_cancel=True
                )
            raise deadline.error()

        try:
            await self.noted(name, ask)
        except Exception as error:
            if isinstance(error, DeadlineError):
                self._faults[name] = _Fault(error.code, time.monotonic())
            log.error("index %s does not answer: %s", name, type(error).__name__)
