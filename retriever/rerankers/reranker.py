"""What a reranker is: the protocol that every one follows, and how one is asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xret.errors import ConfigError
from xret.types import Document, FloatArray, Query

__all__ = ["DEFAULT_DEPTH", "MAX_DEPTH", "RerankChoice", "Reranker", "is_late", "scored_until"]

DEFAULT_DEPTH = 100
MAX_DEPTH = 1_000


class Reranker(Protocol):
    """A question and passages in, a score each out.

    name: for people. fingerprint: hash of everything that shapes a score. weight: its share
    in the order, of 1; the first ranking has the rest.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def weight(self) -> float: ...

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        """(m,) float32 of the first m passages, higher is better.

        passages: parts of documents, under their documents' ids, with their languages and
        titles, best first as the first ranking has them; none is without letters. until: by
        `time.monotonic`; where it comes sooner than the scores, m is how many were scored by
        then. A score may be NaN: the caller refuses it. Raises RerankError where nothing can
        be scored, and the caller keeps the order that there was.
        """
        ...


@dataclass(frozen=True, slots=True)
class RerankChoice:
    """A reranker by name, folder or address, and how many documents it is given."""

    name: str
    depth: int = DEFAULT_DEPTH

    @classmethod
    def parse(cls, asked: str) -> RerankChoice:
        """`NAME` or `NAME@depth`. Raises ConfigError.

        >>> RerankChoice.parse("xret-modular@50")
        RerankChoice(name='xret-modular', depth=50)
        """
        name, at, depth = asked.rpartition("@")
        if not at or not depth.isdecimal():
            name, depth = asked, str(DEFAULT_DEPTH)
        if not name.strip() or not 1 <= int(depth[:9]) <= MAX_DEPTH:
            raise ConfigError(
                f"{asked!r} names no reranker; use NAME or NAME@depth, with a depth of 1 to "
                f"{MAX_DEPTH:,}"
            )
        return cls(name, int(depth))


def scored_until(
    passages: Sequence[Document],
    scored: Callable[[Sequence[Document]], Sequence[float]],
    *,
    until: float,
    chunk: int,
) -> FloatArray:
    """The scores of passages by a function of some of them, as far as there is time.

    chunk: passages between two looks at the clock, where there is an end; else all at once.
    """
    step = len(passages) if until == math.inf else chunk
    scores: list[float] = []
    for start in range(0, len(passages), max(step, 1)):
        if is_late(until):
            break
        scores += scored(passages[start : start + step])
    return np.array(scores, np.float32)


def is_late(until: float) -> bool:
    """Whether that time has come; it never does where it is infinite."""
    return until != math.inf and time.monotonic() >= until
