"""A development set: how well a model ranks what it does not learn from, and its best moment."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from transformers import TrainerCallback

from xret.errors import TrainingError
from xret.index.scoring.maxsim import maxsim_scores
from xret.retriever.corpora.rows import Example
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.recipes.student import Student
from xret.types import Document, Query

__all__ = [
    "MEASURES",
    "BestMoment",
    "DevelopmentSet",
    "check_gain",
    "development_curve",
    "load_best",
]

MEASURES = ("MRR@10", "Success@1")
_FIRST = MEASURES[0]
_DEPTH = 10
_CURVE, _FIGURES, _STATE = "development", "figures", "state.safetensors"


@dataclass(frozen=True, slots=True)
class DevelopmentSet:
    """Queries, the passages of all of them (negatives too), and which answer which."""

    queries: list[Query]
    passages: list[Document]
    answers: list[frozenset[int]]

    @classmethod
    def of(cls, examples: Sequence[Example]) -> DevelopmentSet:
        """A query that stands in several examples has their positives for answers."""
        numbers: dict[tuple[str, str], int] = {}
        answers: dict[tuple[str, str], set[int]] = defaultdict(set)
        for one in examples:
            number = numbers.setdefault((one.positive, one.positive_lang), len(numbers))
            answers[one.query, one.query_lang].add(number)
            for negative in zip(one.negatives, one.negative_langs, strict=True):
                numbers.setdefault(negative, len(numbers))
        return cls(
            [Query(str(i), text, lang) for i, (text, lang) in enumerate(answers)],
            [Document(str(i), text, lang) for i, (text, lang) in enumerate(numbers)],
            [frozenset(found) for found in answers.values()],
        )

    def measure(self, student: Student) -> dict[str, float]:
        """MRR@10 and Success@1 over the passages of the set, scored exactly."""
        learning = student.model.training
        student.model.train(False)
        encoder = student.encoder()
        documents = encoder.encode_documents(self.passages)
        reciprocal, first = 0.0, 0
        for query, answers in zip(encoder.encode_queries(self.queries), self.answers, strict=True):
            scores = maxsim_scores(query, documents.values, documents.offsets)
            best = np.argsort(-scores, kind="stable")[:_DEPTH].tolist()
            rank = next((i for i, number in enumerate(best, 1) if number in answers), None)
            reciprocal += 1 / rank if rank else 0.0
            first += rank == 1
        student.model.train(learning)
        n = len(self.queries)
        return dict(zip(MEASURES, (round(reciprocal / n, 4), round(first / n, 4)), strict=True))


class BestMoment(TrainerCallback):
    """Measures at every checkpoint and keeps the weights of the highest MRR@10, the earliest of
    equals; what it keeps is whole whenever the run is killed."""

    def __init__(self, student: Student, held_out: DevelopmentSet, work: WorkFolder) -> None:
        self._student, self._set, self._work = student, held_out, work

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if state.global_step % args.save_steps and state.global_step != state.max_steps:
            return
        began = time.perf_counter()
        found = self._set.measure(self._student)
        self._work.add_seconds("measuring_s", time.perf_counter() - began)
        curve = self._work.notes().get(_CURVE)
        rows = {str(state.global_step): found}
        self._work.note(_CURVE, {**(curve if isinstance(curve, dict) else {}), **rows})
        best = _best(self._work)
        if best is None or (found[_FIRST], -state.global_step) > (best[1][_FIRST], -best[0]):
            weights = {n: t.detach().clone() for n, t in self._student.model.state_dict().items()}
            figures = torch.tensor(list(found.values()), dtype=torch.float64)
            self._work.save_state(state.global_step, {**weights, _FIGURES: figures})


def load_best(student: Student, work: WorkFolder) -> tuple[int, dict[str, float]] | None:
    """Put the best weights into the model; returns their step and figures, None without any."""
    best = _best(work)
    if best is not None:
        _, tensors = work.load_state()
        del tensors[_FIGURES]
        student.model.load_state_dict(tensors)
    return best


def check_gain(before: Mapping[str, float], work: WorkFolder) -> None:
    """Raises TrainingError where no checkpoint had a higher MRR@10 than the model at the start."""
    best = _best(work)
    if best is None or best[1][_FIRST] > before[_FIRST]:
        return
    raise TrainingError(
        f"no model is written: {_FIRST} on the development set was {before[_FIRST]:.4f} before and "
        f"{best[1][_FIRST]:.4f} at the best step, {best[0]}; take more data or another --rate, or "
        "write what was trained with --no-only-if-better"
    )


def development_curve(work: WorkFolder) -> list[tuple[int, dict[str, float]]]:
    """What was measured, by step."""
    curve = work.notes().get(_CURVE)
    rows = curve.items() if isinstance(curve, dict) else ()
    return sorted((int(step), found) for step, found in rows)


def _best(work: WorkFolder) -> tuple[int, dict[str, float]] | None:
    path = work.path / _STATE
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        figures = file.get_tensor(_FIGURES).tolist()
        return int(file.get_tensor("step")), dict(zip(MEASURES, figures, strict=True))
