"""When a piece of work has to stop: at a moment, or because nobody waits for it any more."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from xret.errors import DeadlineError

__all__ = ["Deadline"]

SLICE_S = 0.05
"""How long a wait for a lock goes on before it is seen that the client has left."""


class Deadline:
    """The end of one search, looked at between its stages and the blocks of its scans.

    until: by `time.monotonic`. gone: set, by any thread, once nobody waits for the result.
    """

    def __init__(self, timeout_s: float = math.inf, *, gone: threading.Event | None = None) -> None:
        self.timeout_s = timeout_s
        self.until = time.monotonic() + timeout_s
        self._gone = gone

    @property
    def left_s(self) -> float:
        """Seconds until then; negative afterwards."""
        return self.until - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether the work has to stop."""
        return time.monotonic() >= self.until or (self._gone is not None and self._gone.is_set())

    def check(self) -> None:
        """Raises DeadlineError where the work has to stop."""
        if self.passed:
            raise self.error()

    def error(self) -> DeadlineError:
        if self._gone is not None and self._gone.is_set():
            return DeadlineError("the client has left; the search was stopped")
        return DeadlineError(
            f"the search was stopped after its {self.timeout_s * 1000:,.0f} ms; ask for less, or "
            "give it more time by timeout_ms, as far as the server allows"
        )

    @contextmanager
    def holding(self, lock: threading.Lock | threading.RLock) -> Iterator[None]:
        """Hold a lock inside, waiting for it until then. Raises DeadlineError."""
        while not lock.acquire(timeout=min(SLICE_S, max(self.left_s, 0.0))):
            self.check()
        try:
            yield
        finally:
            lock.release()
