"""Candidates of single vectors, made in the background while an exact scan answers."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from xret.index.dense_candidates import DenseCandidates
from xret.index.dense_vectors import VectorRows

__all__ = ["PendingCandidates"]


class PendingCandidates:
    """Candidates made in the background while an exact scan answers.

    The first `after` calls of `ready` build nothing, so that a process that asks once and
    ends pays nothing. The thread stops within one block when the process ends.
    """

    def __init__(self, vectors: Sequence[VectorRows], *, after: int = 1) -> None:
        self._vectors, self._calls_left = vectors, after
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._made: DenseCandidates | None = None
        self._failure: BaseException | None = None

    def ready(self) -> DenseCandidates | None:
        """The candidates, or None while there are none. Raises what the build raised."""
        with self._lock:
            if self._calls_left > 0:
                self._calls_left -= 1
            elif self._worker is None:
                self._worker = threading.Thread(target=self._build, name="xret-candidates")
                self._worker.start()
        if self._failure is not None:
            raise self._failure
        return self._made

    def wait(self) -> DenseCandidates | None:
        """Start the build if it has not started, and return when it is done."""
        with self._lock:
            self._calls_left = 0
        self.ready()
        if self._worker is not None:
            self._worker.join()
        return self.ready()

    def _build(self) -> None:
        try:
            made = DenseCandidates.build(self._vectors, threads=1, stopped=_process_ends)
        except BaseException as failure:  # told to whoever asks next
            self._failure = failure
        else:
            if made.n_passages == sum(map(len, self._vectors)):
                self._made = made


def _process_ends() -> bool:
    return not threading.main_thread().is_alive()
