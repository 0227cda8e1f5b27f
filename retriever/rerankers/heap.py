"""A language model behind an OpenAI-shaped address, asked which of a few passages is the best.

The passages stand in a heap of which each node has four children: one answer finds the best of a
node and its children (Zhuang et al. 2024), and the first ten are taken from the top.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from xret.errors import RerankError
from xret.retriever.rerankers.chat import ChatModel, shown_texts
from xret.retriever.rerankers.endpoint import Endpoint
from xret.types import Document, FloatArray, Query

__all__ = ["CHILDREN", "TAKEN", "HeapModel"]

CHILDREN = 4
TAKEN = 10
"""Passages that are put in order; the others follow as they came."""

_BEST = re.compile(r"\s*\[(\d{1,3})\]\s*")


class HeapModel:
    """One request a comparison. A reply that is no number of a passage ends the whole of it."""

    weight = 1.0

    def __init__(self, endpoint: Endpoint) -> None:
        self._model = ChatModel(endpoint, "heap")
        self.name = self._model.name
        self.fingerprint = self._model.fingerprint

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        """How many passages each stands before: n - 1 for the best, 0 for the last."""
        texts = shown_texts(passages)

        def best(positions: Sequence[int]) -> int:
            return positions[self._best(query.text, [texts[n] for n in positions], until)]

        heap = list(range(len(texts)))
        for node in range((len(heap) - 2) // CHILDREN, -1, -1):
            _sift(heap, node, best)
        order: list[int] = []
        while heap and len(order) < TAKEN:
            order.append(heap[0])
            last = heap.pop()
            if heap:
                heap[0] = last
                _sift(heap, 0, best)
        order += sorted(heap)
        scores = np.empty(len(order), np.float32)
        scores[order] = np.arange(len(order) - 1, -1, -1)
        return scores

    def _best(self, query: str, texts: Sequence[str], until: float) -> int:
        task = (
            "Which one passage answers the question best? Answer with its number alone, such as "
            "[2]."
        )
        content = self._model.ask(query, texts, task, until=until)
        said = _BEST.fullmatch(content)
        if said is None or not 1 <= int(said[1]) <= len(texts):
            raise RerankError(f"{self.name} answered something that is no number of a passage")
        return int(said[1]) - 1


def _sift(heap: list[int], node: int, best: Callable[[Sequence[int]], int]) -> None:
    """Let what stands at a node sink until none of its children is better."""
    while True:
        first = CHILDREN * node + 1
        children = range(first, min(first + CHILDREN, len(heap)))
        if not children:
            return
        winner = best([heap[n] for n in (node, *children)])
        if winner == heap[node]:
            return
        place = next(n for n in children if heap[n] == winner)
        heap[node], heap[place] = heap[place], heap[node]
        node = place
