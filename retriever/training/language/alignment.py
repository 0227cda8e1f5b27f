"""Sentences of the new language drawn to their English translations, which stay where they are.

In-batch contrastive MaxSim, rows and columns, the same over the texts' single vectors, and
the distance between the two single vectors (Reimers and Gurevych 2020, with the frozen
English side as the teacher).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from xret.retriever.encoders.text_model import Task
from xret.retriever.languages.codes import ENGLISH
from xret.retriever.training.common.losses import maxsim_matrix, ranking
from xret.retriever.training.language.adapted import OWN, AdaptedModel, Packed
from xret.retriever.training.language.text import PASSAGE_LINES, Pair
from xret.types import Progress

__all__ = ["AlignmentLoss", "EnglishSide"]

_CHARACTERS, _PASSAGE_CHARACTERS = 240, 160
"""That are read of a sentence, and of one that is part of a passage."""

_SCALE, _SINGLE_SCALE = 30.0, 20.0
_SINGLE_WEIGHT, _NEAR_WEIGHT = 0.3, 0.5
_PASSAGES = 0.2
"""Share of the batches whose documents are passages."""

MOST_PAIRS, MOST_PAIRS_DEEP = 20_000, 6_000
"""Pairs that are aligned on: their English vectors stay in memory, about 20 KB a pair. The
latter for a model whose lower states are kept: every text through it costs as much as a step."""

_BATCH = 256


class EnglishSide:
    """English vectors of pairs, made once: nothing in training changes them.

    rows: by task, which pairs' English is read so.
    """

    def __init__(
        self, model: AdaptedModel, pairs: Sequence[Pair], rows: Mapping[Task, Sequence[int]]
    ) -> None:
        self._model = model
        self._texts = [english[:_CHARACTERS] for _, english in pairs]
        self._rows = rows
        self._kept: dict[Task, dict[int, tuple[Tensor, Tensor]]] = {task: {} for task in rows}

    def prepare(self) -> Iterator[Progress]:
        """Embed them; in batches that do not depend on the order of training."""
        done, total = 0, sum(map(len, self._rows.values()))
        for task, rows in self._rows.items():
            for start in range(0, len(rows), _BATCH):
                part = rows[start : start + _BATCH]
                texts = [self._texts[row] for row in part]
                packed = self._model.embed_all(texts, ENGLISH, task=task)
                whole = packed.whole
                for place, row in enumerate(part):
                    self._kept[task][row] = (packed[place].half(), whole[place])
                done += len(part)
                yield Progress("English side", done, total, "texts")

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
        every = list(range(len(pairs)))
        # A pair is read in one direction where reading is dear: half the texts, half the memory.
        asks, answers = (_blocks(every, 0), _blocks(every, 1)) if model.keeps else (every, every)
        self._asks, self._answers = asks, answers
        self.english = EnglishSide(model, pairs, {"query": answers, "document": asks})
        self._size = min(batch_size, len(pairs) // 2, len(asks), len(answers))
        self._seed = seed

    def prepare(self) -> Iterator[Progress]:
        """What no step changes: the English side, and the lower layers of the other."""
        yield from self.english.prepare()
        yield from self._model.keep([self._texts[row] for row in self._asks], "query")
        texts = [self._texts[row] for row in self._answers]
        passages = [self._passage(row) for row in self._answers if row % PASSAGE_LINES == 0]
        yield from self._model.keep([*texts, *passages], "document")

    def _passage(self, row: int) -> str:
        """The neighbours from that row on as one text."""
        part = self._texts[row : row + PASSAGE_LINES]
        return " ".join(line[:_PASSAGE_CHARACTERS] for line in part)

    def loss(self, step: int) -> Tensor:
        """English asks and the new language answers, and the other way round by turns."""
        rng = np.random.default_rng([self._seed, 7, step])
        drawn = rng.choice(self._asks if step % 2 else self._answers, self._size, replace=False)
        rows: list[int] = drawn.tolist()
        if step % 2:
            english = self.english.vectors(rows, "document")
            own = self._model.embed([self._texts[r] for r in rows], OWN, task="query")
            return self._compared(own, english, own, english)
        texts = [self._texts[row] for row in rows]
        if rng.random() < _PASSAGES:
            rows = list(dict.fromkeys(row - row % PASSAGE_LINES for row in rows))
            texts = [self._passage(row) for row in rows]
            rows = [
                min(row + int(rng.integers(PASSAGE_LINES)), len(self._texts) - 1) for row in rows
            ]
        english = self.english.vectors(rows, "query")
        own = self._model.embed(texts, OWN, task="document")
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


def _blocks(rows: Sequence[int], which: int) -> list[int]:
    """Every other block of neighbours that may become a passage."""
    return [row for row in rows if row // PASSAGE_LINES % 2 == which]
