"""Sentences of the new language drawn to their English translations, which stay where they are.

In-batch contrastive MaxSim, rows and columns, the same over the texts' single vectors, and
the distance between the two single vectors (Reimers and Gurevych 2020, with the frozen
English side as the teacher).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from xret.retriever.encoders.transformer import Task
from xret.retriever.languages.codes import ENGLISH
from xret.retriever.training.common.losses import maxsim_matrix, ranking
from xret.retriever.training.language.adapted import AdaptedModel, Packed
from xret.retriever.training.language.text import PASSAGE_LINES, Pair
from xret.types import Progress

__all__ = ["AlignmentLoss", "EnglishSide"]

_CHARACTERS, _PASSAGE_CHARACTERS = 240, 160
"""That are read of a sentence, and of one that is part of a passage."""

_SCALE, _SINGLE_SCALE = 30.0, 20.0
_SINGLE_WEIGHT, _NEAR_WEIGHT = 0.3, 0.5
_PASSAGES = 0.2
"""Share of the batches whose documents are passages."""

MOST_PAIRS = 20_000
"""Pairs that are aligned on: their English vectors stay in memory, about 20 KB a pair."""

_BATCH = 256


class EnglishSide:
    """English vectors of all pairs, made once: nothing in training changes them."""

    def __init__(self, model: AdaptedModel, pairs: Sequence[Pair]) -> None:
        self._model = model
        self._texts = [english[:_CHARACTERS] for _, english in pairs]
        self._kept: dict[Task, list[tuple[Tensor, Tensor]]] = {"query": [], "document": []}

    def prepare(self) -> Iterator[Progress]:
        """Embed them; in batches that do not depend on the order of training."""
        for start in range(0, len(self._texts), _BATCH):
            part = self._texts[start : start + _BATCH]
            for task, kept in self._kept.items():
                packed = self._model.embed_all(part, ENGLISH, task=task)
                whole = packed.whole
                kept += [(packed[place].half(), whole[place]) for place in range(len(part))]
            yield Progress("English side", start + len(part), len(self._texts), "texts")

    def vectors(self, rows: Sequence[int], task: Task) -> Packed:
        """Of those texts."""
        vectors, whole = zip(*(self._kept[task][row] for row in rows), strict=True)
        return Packed.of([each.float() for each in vectors], torch.stack(whole))


class AlignmentLoss:
    """The loss of one batch of pairs, drawn as a function of seed and step."""

    def __init__(
        self, model: AdaptedModel, pairs: Sequence[Pair], *, batch_size: int, seed: int
    ) -> None:
        self._model = model
        self._texts = [text[:_CHARACTERS] for text, _ in pairs]
        self.english = EnglishSide(model, pairs)
        self._size = min(batch_size, len(pairs) // 2)
        self._seed = seed

    def loss(self, step: int) -> Tensor:
        """English asks and the new language answers, and the other way round by turns."""
        rng = np.random.default_rng([self._seed, 7, step])
        rows = rng.choice(len(self._texts), self._size, replace=False).tolist()
        if step % 2:
            english = self.english.vectors(rows, "document")
            own = self._model.embed([self._texts[r] for r in rows], self._model.lang, task="query")
            return self._compared(own, english, own, english)
        texts = [self._texts[row] for row in rows]
        if rng.random() < _PASSAGES:
            rows = list(dict.fromkeys(row - row % PASSAGE_LINES for row in rows))
            parts = [self._texts[row : row + PASSAGE_LINES] for row in rows]
            texts = [" ".join(line[:_PASSAGE_CHARACTERS] for line in part) for part in parts]
            rows = [
                min(row + int(rng.integers(PASSAGE_LINES)), len(self._texts) - 1) for row in rows
            ]
        english = self.english.vectors(rows, "query")
        own = self._model.embed(texts, self._model.lang, task="document")
        return self._compared(english, own, own, english)

    def _compared(self, queries: Packed, documents: Packed, own: Packed, english: Packed) -> Tensor:
        same = torch.zeros(len(queries), len(documents), dtype=torch.bool)
        sizes = queries.offsets.diff()
        shares = torch.ones(len(queries.vectors))
        if self._model.unit:  # else the queries' vectors are as long as they weigh
            shares = shares / sizes.repeat_interleave(sizes)
        longest = int(documents.offsets.diff().max())
        scores = maxsim_matrix(
            queries.vectors,
            shares,
            queries.owner,
            documents.vectors,
            documents.offsets,
            n_queries=len(queries),
            longest=longest,
        )
        whole = own.whole @ english.whole.T
        single = ranking(whole * _SINGLE_SCALE, same)
        near = (1 - whole.diagonal()).mean()
        return ranking(scores * _SCALE, same) + _SINGLE_WEIGHT * single + _NEAR_WEIGHT * near
