"""Rerankers for tests: scores by rule, whatever a model would say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from xret.types import Document, FloatArray, Query

__all__ = ["RuleReranker", "shared_words"]

Rule = Callable[[Query, Document], float]


def shared_words(query: Query, passage: Document) -> float:
    """How many words of the question are in the passage."""
    words = set(passage.text.casefold().split())
    return float(sum(word in words for word in query.text.casefold().split()))


class RuleReranker:
    """Scores each passage by a rule; `seen` has what it was given."""

    def __init__(
        self, rule: Rule, *, name: str = "rule", weight: float = 1.0, most: int = 1_000
    ) -> None:
        self.name = name
        self.fingerprint = f"{name}-1"
        self.weight = weight
        self.most = most
        self.seen: list[Document] = []

        self._rule = rule

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        self.seen += passages
        read = passages if until == math.inf else passages[: self.most]
        return np.array([self._rule(query, passage) for passage in read], np.float32)
