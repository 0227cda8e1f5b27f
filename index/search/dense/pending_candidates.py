"""Candidates of single vectors, made in the background while an exact scan answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from xret.index.search.dense.dense_candidates import DenseCandidates
from xret.index.search.dense.dense_vectors import VectorRows

__all__ = ["PendingCandidates"]


class PendingCandidates:
    """Candidates made in the background while an exact scan answers.

    The first `after` calls of `ready` build nothing, so that a process that asks once and
    ends pays nothing. The thread stops within one block when the process ends or `stop` is
    called.
    """

    def __init__(
        self, vectors: Sequence[VectorRows], *, after: int = 1, known: DenseCandidates | None = None
    ) -> None:
        """known: candidates of the first of these vectors, to which the others are added."""
        self._vectors, self._calls_left, self._known = list(vectors), after, known
        self._lock = threading.Lock()
        self._stopped = False
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

    def extended(self, vectors: Sequence[VectorRows]) -> PendingCandidates:
        """These and further vectors: what is made stays, and only the others are added."""
        made = self._made
        if made is None:
            self.stop()
        with self._lock:
            left = self._calls_left
        return PendingCandidates([*self._vectors, *vectors], after=left, known=made)

    def stop(self) -> None:
        """Give up a build that is under way; what is made stays."""
        self._stopped = True

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
            made = self._known
            if made is None:
                made = DenseCandidates.build(self._vectors, threads=1, stopped=self._ends)
            for rows in self._further(made):
                if not self._ends():
                    made = made.extended(rows, threads=1)
        except BaseException as failure:  # told to whoever asks next
            self._failure = failure
        else:
            if made.n_passages == sum(map(len, self._vectors)):
                self._made = made

    def _further(self, made: DenseCandidates) -> Iterator[VectorRows]:
        """Those of the vectors that these candidates do not hold."""
        first = 0
        for rows in self._vectors:
            if first >= made.n_passages:
                yield rows
            first += len(rows)

    def _ends(self) -> bool:
        return self._stopped or not threading.main_thread().is_alive()
