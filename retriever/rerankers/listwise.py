"""A language model behind an OpenAI-shaped address, asked to put passages in order.

Windows of passages slide from the end of the list to its beginning, each moving its best up into
the next (Sun et al. 2023); the model answers with a permutation and nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from xret.errors import RerankError
from xret.retriever.rerankers.chat import ChatModel, shown_texts
from xret.retriever.rerankers.endpoint import Endpoint
from xret.types import Document, FloatArray, Query

__all__ = ["STEP", "WINDOW", "ListwiseModel", "parse_order"]

WINDOW, STEP = 20, 10

_ORDER = re.compile(r"\s*\[\d{1,3}\](\s*[>,\s]\s*\[\d{1,3}\])*\s*")


class ListwiseModel:
    """One request a window. A reply that does not parse leaves the whole ranking as it was."""

    weight = 1.0

    def __init__(self, endpoint: Endpoint) -> None:
        self._model = ChatModel(endpoint, "listwise")
        self.name = self._model.name
        self.fingerprint = self._model.fingerprint

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        """How many passages each stands before: n - 1 for the best, 0 for the last."""
        texts = shown_texts(passages)
        order = list(range(len(texts)))
        start = len(order) - WINDOW
        while True:
            place = slice(max(start, 0), max(start, 0) + WINDOW)
            window = order[place]
            asked = self._ordered(query.text, [texts[n] for n in window], until)
            order[place] = [window[n] for n in asked]
            if start <= 0:
                break
            start -= STEP
        scores = np.empty(len(order), np.float32)
        scores[order] = np.arange(len(order) - 1, -1, -1)
        return scores

    def _ordered(self, query: str, texts: Sequence[str], until: float) -> list[int]:
        task = (
            f"Order all {len(texts)} passages, the one that answers the question best first. "
            "Answer with their numbers alone, such as [2] > [1]."
        )
        order = parse_order(self._model.ask(query, texts, task, until=until), len(texts))
        if order is None:
            raise RerankError(f"{self.name} answered something that is no order of the passages")
        return order


def parse_order(content: str, n: int) -> list[int] | None:
    """The positions in `[2] > [1]`; None unless every one of n stands there, once, and no other.

    >>> parse_order("[2] > [3] > [1]", 3)
    [1, 2, 0]
    """
    if len(content) > 16 * n or not _ORDER.fullmatch(content):
        return None
    order = [int(number) - 1 for number in re.findall(r"\d+", content)]
    return order if sorted(order) == list(range(n)) else None
