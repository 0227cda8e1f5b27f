"""Searches in a few threads, in the order in which they came, and none that would wait too long."""

from __future__ import annotations

import asyncio
import math
import os
import threading
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

BURST_S = 0.03
"""How long requests may wait that come all at once; those that go on coming may not."""

CALM_S = 0.5
"""Without a request that waits, after which the next are a burst again."""

SLOWER = 2.0
"""How much longer than a search takes on average its answer may take."""

FEW = 2
"""Searches that are always taken: with fewer in hand a thread would often have nothing to do."""

OVERDUE = 2.0
"""How often what a search takes one has run for, when another is begun beside it although there
is no processor for both."""

NEWEST = 0.1
"""Weight of the last search in the mean of what searches take."""


class WorkQueue:
    """A few threads and those who wait for one. Used from one event loop.

    A request is taken where its answer is expected in `SLOWER` times what a search takes: after
    those that are in hand, of which one has been done every `gap_s` of late. All others are
    refused at once. Python's share of a search has one processor however many threads there
    are, so that it is what came out that is counted, and not the threads.
    No more are computed at a time than there are processors, which end sooner one after the other;
    until one of them runs long, which is not to hold up the others.
    max_wait_s: allowed wait for a thread, in the place of that. max_waiting: never more than so
    many.
    """

    def __init__(self, *, threads: int, max_waiting: int, max_wait_s: float | None = None) -> None:
        self.threads = threads
        self._at_once = min(threads, processors())
        self._began = 0.0
        self.max_waiting = max_waiting
        self.max_wait_s = max_wait_s
        self.mean_s = 0.0
        self.gap_s = 0.0
        self.alone_s = 0.0
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._unlimited = anyio.CapacityLimiter(math.inf)
        self._n_taken = 0
        self._counted_from = 0.0
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
        refusal = self.refusal()
        if refusal is not None:
            raise refusal

    def refusal(self, *, coming: int = 0) -> HttpError | None:
        """What a request is told that came now; None where it is taken.

        coming: those before it that have not got here yet.
        """
        if self._has_room(self.load + coming):
            return None
        return HttpError(
            503,
            "overloaded",
            "too many searches are waiting; try again",
            {"Retry-After": str(max(1, math.ceil(self.expected_wait_s)))},
        )

    def _has_room(self, load: int) -> bool:
        if load < min(self.threads, FEW):
            return True
        if load >= self.threads + self.max_waiting:
            return False
        if self.max_wait_s is not None:
            return self.expected_wait_s <= self.max_wait_s
        now = time.monotonic()
        if now - self._last_wait > CALM_S:
            self._busy_since = now
        self._last_wait = now
        if load < FEW:
            return True
        expected_s = (load + 1) * self.gap_s - min(now - self._counted_from, self.gap_s)
        allowed_s = SLOWER * max(self.alone_s, self.gap_s)
        if now - self._busy_since < BURST_S:
            allowed_s = max(allowed_s, BURST_S)
        return expected_s <= allowed_s

    async def run(self, work: Callable[[], T], deadline: Deadline) -> T:
        """The result of the work, done in a thread once one is free.

        Work that has not ended soon after its deadline keeps its thread, and its client is told.
        Raises HttpError as `check`, DeadlineError, and what the work raises.
        """
        self.check()
        began = time.monotonic()
        if not self.load:
            self._counted_from = began
        self._n_taken += 1
        taken = self._n_taken if not self.load else None
        await self._turn(deadline)
        result = await self._done(work, deadline)
        if taken == self._n_taken and not self.load:
            self._alone(time.monotonic() - began)
        return result

    async def _done(self, work: Callable[[], T], deadline: Deadline) -> T:
        """The result of the work, whose turn it is."""
        loop = asyncio.get_running_loop()
        begun = threading.Lock()  # whoever has it gives the thread back: work that begins, or we

        def timed() -> T:
            if not begun.acquire(blocking=False):
                raise deadline.error()
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
        try:
            with anyio.move_on_after(seconds):
                return await anyio.to_thread.run_sync(
                    timed, limiter=self._unlimited, abandon_on_cancel=True
                )
        finally:
            if begun.acquire(blocking=False):
                self._freed(None)
        raise deadline.error()

    async def _turn(self, deadline: Deadline) -> None:
        """Wait until one of the threads is this request's."""
        if self._may_begin():
            self._begin()
            return
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if self._running < self.threads:
            loop.call_later(OVERDUE * self.mean_s, self._overdue)
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
            now = time.monotonic()
            gap_s, self._counted_from = now - self._counted_from, now
            self.gap_s += NEWEST * (gap_s - self.gap_s) if self.gap_s else gap_s
        self._next()

    def _alone(self, took_s: float) -> None:
        """Count a search that no other came beside. The first ones may have loaded something:
        shorter times weigh more."""
        weight = NEWEST / 2 if took_s > self.alone_s else 3 * NEWEST
        self.alone_s += weight * (took_s - self.alone_s) if self.alone_s else took_s

    def _may_begin(self) -> bool:
        if self._running < self._at_once:
            return True
        runs_long = time.monotonic() - self._began >= OVERDUE * self.mean_s
        return runs_long and self._running < self.threads

    def _begin(self) -> None:
        self._running += 1
        self._began = time.monotonic()

    def _overdue(self) -> None:
        if self._waiting and self._may_begin():
            self._begin()
            self._hand_on()

    def _next(self) -> None:
        """What a thread does that is free."""
        if self._running > self._at_once:
            self._running -= 1
        else:
            self._hand_on()

    def _hand_on(self) -> None:
        """Give a thread to the first who waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._began = time.monotonic()
                turn.set_result(None)
                return
        self._running -= 1


def processors() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def contained(work: Callable[[], T]) -> T:
    """Run it; a panic in native code, which is no Exception, becomes one."""
    try:
        return work()
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"native code gave up: {type(error).__name__}") from error
