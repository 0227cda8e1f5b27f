"""The model in training: its parameters, its two kinds of step, its state."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from xret.retriever.training.common.losses import contrastive, maxsim_matrix, mix, ranking
from xret.retriever.training.static.batches import PairSampler
from xret.retriever.training.static.pieces import PieceArray, Pieces
from xret.retriever.training.static.rows import TrainedRows, word_starts
from xret.retriever.training.static.settings import StaticTraining
from xret.retriever.training.static.teacher import TeacherVectors
from xret.types import IntArray

__all__ = ["DOCUMENT_MIX", "QUERY_MIX", "StaticStudent", "TrainingText", "final_emphasis"]

QUERY_MIX = {"token": 1.0, "text": 0.4}
DOCUMENT_MIX = {"token": 1.0, "text": 0.6}
"""How much of a word and of its text a vector has; tuned on the development sets."""

_SCALE, _SMALLEST_LOG_SCALE, _LARGEST_LOG_SCALE = 20.0, 0.0, 5.0
_SCALE_RATE, _EMPHASIS_RATE = 0.01, 0.01
_LARGEST_EMPHASIS = 4.0
_WARM_UP = 50
_LAST_RATE = 0.05
_NEAR_DUPLICATE = 0.9
_QUERY_PIECES, _SENTENCE_PIECES, _PASSAGE_WORDS = 48, 64, 90


@dataclass(frozen=True, slots=True)
class TrainingText:
    """Everything a step reads. rows as `ParallelText.rows`; openings as pieces."""

    rows: PieceArray
    english: Pieces
    others: Pieces
    openings: Pieces
    sampler: PairSampler
    teacher: TeacherVectors | None


class StaticStudent:
    """Rows of the vocabulary, an emphasis for each piece in queries, three temperatures.

    A query word's share is its length to `query_power` times exp(emphasis).
    """

    def __init__(self, rows: TrainedRows, text: TrainingText, settings: StaticTraining) -> None:
        self.rows = rows
        self._text = text
        self._settings = settings
        self.emphasis = torch.zeros(len(rows.values), 1, requires_grad=True)
        self._log_scales = torch.full((3,), math.log(_SCALE), requires_grad=True)
        self._scale_optimizer = torch.optim.Adam([self._log_scales], lr=_SCALE_RATE)
        self._emphasis_optimizer = torch.optim.Adam([self.emphasis], lr=_EMPHASIS_RATE)

    def step(self, number: int) -> float:
        """One step; steps up to `pooled_steps` are pooled, most of the rest late interaction.

        Everything random follows from the seed and the number. Returns the loss.
        """
        settings = self._settings
        rng = np.random.default_rng([settings.seed, 3, number])
        if number < settings.pooled_steps:
            return self._pooled_step(
                rng, _rate(number, settings.pooled_steps, settings.pooled_rate)
            )
        number -= settings.pooled_steps
        rate = _rate(number, settings.maxsim_steps, settings.maxsim_rate)
        if rng.random() < settings.review_share:
            return self._pooled_step(rng, rate)
        return self._maxsim_step(rng, rate)

    def state(self) -> dict[str, torch.Tensor]:
        """All tensors, by name, from which `restore` goes on."""
        tensors = self.rows.state()
        tensors |= {"emphasis": self.emphasis.detach(), "log_scales": self._log_scales.detach()}
        for name, optimizer in self._optimizers().items():
            for slot, value in optimizer.state_dict()["state"].get(0, {}).items():
                tensors[f"{name}.{slot}"] = torch.as_tensor(value)
        return tensors

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """The opposite of `state`."""
        self.rows.restore(tensors)
        self.emphasis.data.copy_(tensors["emphasis"])
        self._log_scales.data.copy_(tensors["log_scales"])
        for name, optimizer in self._optimizers().items():
            prefix = f"{name}."
            slots = {
                key.removeprefix(prefix): value
                for key, value in tensors.items()
                if key.startswith(prefix)
            }
            if slots:
                whole = optimizer.state_dict()
                optimizer.load_state_dict({**whole, "state": {0: slots}})

    def _optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"scales_adam": self._scale_optimizer, "emphasis_adam": self._emphasis_optimizer}

    def _pooled_step(self, rng: np.random.Generator, rate: float) -> float:
        text = self._text
        rows = text.sampler.pooled(rng)
        english = text.rows[rows, 2].astype(np.int64)
        longest = self._settings.max_pieces
        touched = self.rows.touch(
            [text.english.take(english, longest=longest), text.others.take(rows, longest=longest)]
        )
        left, right = touched.texts(0), touched.texts(1)
        scales = self._log_scales.exp()
        same = torch.from_numpy(english[:, None] == english[None, :])
        target = text.teacher.take(english) if text.teacher is not None else None
        if target is not None:
            same |= (target.bfloat16() @ target.bfloat16().T) > _NEAR_DUPLICATE
        same.fill_diagonal_(False)
        loss = torch.zeros(())
        if target is not None:
            near = contrastive(left, target, scales[1], same)
            near = near + contrastive(right, target, scales[1], same)
            loss = self._settings.teacher_weight * near / 2
        loss = loss + contrastive(left, right, scales[0], same)
        loss.backward()  # type: ignore[no-untyped-call]
        touched.update(rate)
        self._step_scales()
        return float(loss.detach())

    def _maxsim_step(self, rng: np.random.Generator, rate: float) -> float:
        text = self._text
        queries, documents, english = self._late_batch(rng)
        touched = self.rows.touch([queries, documents])
        words, offsets = touched.words(0)
        vectors, lengths, owner, texts = mix(words, offsets, **QUERY_MIX)
        shares = self._shares(queries, lengths, owner, len(english))
        words, offsets = touched.words(1)
        targets, _, _, _ = mix(words, offsets, **DOCUMENT_MIX)
        scores = maxsim_matrix(
            vectors, shares, owner, targets, offsets, n_queries=len(english), longest=_PASSAGE_WORDS
        )
        same = torch.from_numpy(english[:, None] == english[None, :]).fill_diagonal_(False)
        scales = self._log_scales.exp()
        loss = ranking(scores * scales[2], same) * 2
        if text.teacher is not None:
            near = contrastive(texts, text.teacher.take(english), scales[1], same)
            loss = loss + 0.2 * self._settings.teacher_weight * near
        loss.backward()  # type: ignore[no-untyped-call]
        touched.update(rate)
        self._emphasis_optimizer.step()
        self._emphasis_optimizer.zero_grad()
        self._step_scales()
        return float(loss.detach())

    def _late_batch(self, rng: np.random.Generator) -> tuple[Pieces, Pieces, IntArray]:
        """Queries, documents and the English text that each query is or translates."""
        text, settings = self._text, self._settings
        swap = rng.random() < settings.swap_share
        if rng.random() < settings.passage_share:
            size = max(2, settings.maxsim_batch // 2)
            drawn = text.sampler.passages(rng, size)
            asked, rows, group = drawn.asked, drawn.rows, drawn.group
        else:
            asked = rows = text.sampler.sentences(rng, settings.maxsim_batch)
            size = len(asked)
            group = np.arange(size)
        english = text.rows[asked, 2].astype(np.int64)
        if swap:
            queries = text.others.take(asked, longest=_QUERY_PIECES)
            sentences = text.english.take(
                text.rows[rows, 2].astype(np.int64), longest=_SENTENCE_PIECES
            )
        else:
            queries = text.english.take(english, longest=_QUERY_PIECES)
            sentences = text.others.take(rows, longest=_SENTENCE_PIECES)
        queries = queries.without_words(rng, share=settings.word_dropout)
        if not swap and len(text.openings):
            framed = rng.random(size) < settings.framing_share
            opening = rng.integers(0, len(text.openings), size)
            queries = queries.after(text.openings, np.where(framed, opening, -1))
        return queries, sentences.joined(group, size), english

    def _shares(
        self, queries: Pieces, lengths: torch.Tensor, owner: torch.Tensor, size: int
    ) -> torch.Tensor:
        """(w,) each query word's share of its query's weight."""
        starts, _ = word_starts(queries)
        ids = torch.from_numpy(queries.ids).long()
        emphasis = functional.embedding_bag(ids, self.emphasis, starts, mode="mean").squeeze(1)
        emphasis = emphasis.clamp(-_LARGEST_EMPHASIS, _LARGEST_EMPHASIS)
        weights = lengths**self._settings.query_power * emphasis.exp()
        return weights / torch.zeros(size).index_add(0, owner, weights)[owner]

    def _step_scales(self) -> None:
        self._scale_optimizer.step()
        self._scale_optimizer.zero_grad()
        self._log_scales.data.clamp_(_SMALLEST_LOG_SCALE, _LARGEST_LOG_SCALE)


def final_emphasis(student: StaticStudent) -> npt.NDArray[np.float32]:
    """(v,) float32: the emphasis of each piece in queries."""
    values: npt.NDArray[np.float32] = student.emphasis.detach().squeeze(1).numpy()
    return values


def _rate(number: int, total: int, peak: float) -> float:
    """Linear warm-up, then linear decay to a twentieth."""
    falling = 1 - number / max(1, total)
    return peak * max(_LAST_RATE, min(1.0, (number + 1) / _WARM_UP, falling))
