"""The training of one adapter: masked words first, alignment afterwards, the best state kept.

Every batch is a function of the seed and the step, and parameters, moments and the best state
so far are kept every few steps, so that a run that was killed goes on as if it had not been.
The trainers of sentence-transformers would write the whole model at each checkpoint, for the
sake of a hundredth of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from xret.errors import TrainingError
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.types import Progress

__all__ = ["Learning", "LearningSettings"]


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """steps: of the whole training. rate: the highest; it rises for `warmup` of the steps and
    falls in a line to zero. masked_first: share of the steps before alignment starts;
    masked_every: one step in so many is of masked words from then on, where there is such a loss.
    """

    steps: int
    seed: int = 0
    rate: float = 2e-3
    row_rate: float = 1e-2
    warmup: float = 0.05
    masked_first: float = 0.1
    masked_every: int = 6
    evaluations: int = 10
    save_every: int = 25


class Learning:
    """A run over some parameters. score: how good they are now, higher is better, by data
    that is not trained on. masked, aligned: the loss of a step, one of them None at most.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        *,
        settings: LearningSettings,
        masked: Callable[[int], Tensor] | None,
        aligned: Callable[[int], Tensor] | None,
        score: Callable[[], float],
        work: WorkFolder,
    ) -> None:
        self._parameters = parameters
        self._settings = settings
        self._masked, self._aligned, self._score = masked, aligned, score
        self._work = work
        self._optimizer = torch.optim.AdamW(
            [{"params": [p], "scale": self._scale(name)} for name, p in parameters.items()],
            lr=settings.rate,
            betas=(0.9, 0.98),
            weight_decay=0.0,
        )
        self._best: dict[str, Tensor] = {}
        self.best_score, self.best_step = -math.inf, 0
        self.curve: list[tuple[int, float]] = []

    def run(self) -> Iterator[Progress]:
        """Train to the end, from the last kept state on; the parameters are then the best ones.

        Raises TrainingError for a loss that is no number; the last kept state stays.
        """
        settings = self._settings
        step = self._resume()
        if step == 0:
            self._judge(0)
        every = max(1, settings.steps // settings.evaluations)
        while step < settings.steps:
            self._step(step)
            step += 1
            if step % every == 0 or step == settings.steps:
                self._judge(step)
            if step % settings.save_every == 0 or step == settings.steps:
                self._keep(step)
            yield Progress("training", step, settings.steps, "steps")
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(self._best[name])

    def _step(self, step: int) -> None:
        settings = self._settings
        first = step < settings.masked_first * settings.steps
        hides = self._aligned is None or first or step % settings.masked_every == 0
        compute = self._masked if hides and self._masked is not None else self._aligned
        if compute is None:
            raise ValueError("a step needs a loss: of masked words or of alignment")
        loss = compute(step)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss of step {step + 1} is {value}: the numbers of the model or of its "
                f"training have overflowed; the state before it stays in {self._work.path}"
            )
        for group in self._optimizer.param_groups:
            group["lr"] = group["scale"] * _rate(step, settings)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(list(self._parameters.values()), 1.0)
        self._optimizer.step()

    def _scale(self, name: str) -> float:
        """Of the rate: rows of the vocabulary are ten times as long as weights."""
        return self._settings.row_rate / self._settings.rate if name == "rows" else 1.0

    def _judge(self, step: int) -> None:
        score = self._score()
        self.curve.append((step, score))
        if score >= self.best_score:  # of equals the one that was trained longer
            self.best_score, self.best_step = score, step
            self._best = {n: p.detach().clone() for n, p in self._parameters.items()}

    def _keep(self, step: int) -> None:
        tensors = {f"now.{n}": p.detach() for n, p in self._parameters.items()}
        tensors |= {f"best.{n}": tensor for n, tensor in self._best.items()}
        for number, slots in self._optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{slot}": value for slot, value in slots.items()}
        tensors["best_score"] = torch.tensor(self.best_score, dtype=torch.float64)
        tensors["best_step"] = torch.tensor(self.best_step)
        tensors["curve"] = torch.tensor(self.curve, dtype=torch.float64)
        self._work.save_state(step, tensors)

    def _resume(self) -> int:
        step, tensors = self._work.load_state()
        if not tensors:
            return 0
        self.best_score = float(tensors["best_score"])
        self.best_step = int(tensors["best_step"])
        self.curve = [(int(at), score) for at, score in tensors["curve"].tolist()]
        self._best = {name: tensors[f"best.{name}"] for name in self._parameters}
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("adam."):
                _, number, slot = name.split(".")
                state.setdefault(int(number), {})[slot] = tensor
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(tensors[f"now.{name}"])
        return step


def _rate(step: int, settings: LearningSettings) -> float:
    rising = (step + 1) / max(1.0, settings.warmup * settings.steps)
    falling = (settings.steps - step) / max(1.0, (1 - settings.warmup) * settings.steps)
    return settings.rate * float(np.clip(min(rising, falling), 0, 1))
