"""Searches in a few threads, in the order in which they came, and none that would wait too long."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import anyio
import anyio.to_thread

from xret.deadline import Deadline
from xret.server.errors import HttpError

__all__ = ["WorkQueue", "contained"]

T = TypeVar("T")

GRACE_S = 0.05
"""How long after its deadline a search may take to notice it, before its client is told."""

BURST_S = 0.1
"""How long requests may wait that come all at once; those that go on coming may not."""

CALM_S = 0.5
"""Without a request that waits, after which the next are a burst again."""

NEWEST = 0.1
"""Weight of the last search in the mean of what searches take."""


class WorkQueue:
    """A few threads and those who wait for one. Used from one event loop.

    A request is taken where it is expected to wait no longer than a search takes, so that under
    any load an answer comes in twice the usual time; all others are refused at once.
    max_wait_s: allowed in the place of that. max_waiting: never more than so many.
    """

    def __init__(self, *, threads: int, max_waiting: int, max_wait_s: float | None = None) -> None:
        self.threads = threads
        self.max_waiting = max_waiting
        self.max_wait_s = max_wait_s
        self.mean_s = 0.0
        self.refused = 0
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._unlimited = anyio.CapacityLimiter(math.inf)
        self._busy_since = self._last_wait = -math.inf

    @property
    def load(self) -> int:
        """Searches that are computed or waiting for a thread."""
        return self._running + len(self._waiting)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def expected_wait_s(self) -> float:
        """Of a request that came now."""
        before = self.load - self.threads + 1
        return max(before, 0) * self.mean_s / self.threads

    def check(self) -> None:
        """Raises HttpError where a request would wait too long."""
        if self.load < self.threads:
            return
        now, wait_s = time.monotonic(), self.expected_wait_s
        if now - self._last_wait > CALM_S:
            self._busy_since = now
        self._last_wait = now
        allowed_s = self.max_wait_s
        if allowed_s is None:
            burst = now - self._busy_since < BURST_S
            allowed_s = max(self.mean_s, BURST_S) if burst else self.mean_s
        if wait_s > allowed_s or len(self._waiting) >= self.max_waiting:
            self.refused += 1
            raise HttpError(
                503,
                "overloaded",
                "too many searches are waiting; try again",
                {"Retry-After": str(max(1, math.ceil(wait_s)))},
            )

    async def run(self, work: Callable[[], T], deadline: Deadline) -> T:
        """The result of the work, done in a thread once one is free.

        Work that has not ended soon after its deadline keeps its thread, and its client is told.
        Raises HttpError as `check`, DeadlineError, and what the work raises.
        """
        self.check()
        await self._turn(deadline)
        loop = asyncio.get_running_loop()

        def timed() -> T:
            took_s: float | None = None
            try:
                deadline.check()
                began = time.monotonic()
                try:
                    return contained(work)
                finally:
                    took_s = time.monotonic() - began
            finally:
                with suppress(RuntimeError):  # the loop has ended before the work
                    loop.call_soon_threadsafe(self._freed, took_s)

        seconds = None if math.isinf(deadline.until) else max(deadline.left_s, 0.0) + GRACE_S
        with anyio.move_on_after(seconds):
            return await anyio.to_thread.run_sync(
                timed, limiter=self._unlimited, abandon_on_cancel=True
            )
        raise deadline.error()

    async def _turn(self, deadline: Deadline) -> None:
        """Wait until one of the threads is this request's."""
        if self._running < self.threads:
            self._running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        seconds = None if math.isinf(deadline.until) else max(deadline.left_s, 0.0)
        try:
            await asyncio.wait_for(turn, seconds)
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._next()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise deadline.error() from None
            raise

    def _freed(self, took_s: float | None) -> None:
        if took_s is not None:
            self.mean_s += NEWEST * (took_s - self.mean_s) if self.mean_s else took_s
        self._next()

    def _next(self) -> None:
        """Give a thread that is free to the first who waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1


def contained(work: Callable[[], T]) -> T:
    """Run it; a panic in native code, which is no Exception, becomes one."""
    try:
        return work()
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"native code gave up: {type(error).__name__}") from error
