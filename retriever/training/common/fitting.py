"""A few steps of a trainer on a base in memory: no checkpoints, and sound losses or none.

Modules are small and learnt in minutes, so that a run which is cut starts again; what it
would write is written once, at its end.
"""

from __future__ import annotations

import logging
import math
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback

from xret.errors import TrainingError
from xret.types import Progress

__all__ = ["FitSettings", "SoundLosses", "fit", "training_arguments"]


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How long and how fast a module is learnt.

    rate: AdamW's, after a tenth of the steps of warming up and falling to zero. decay: of
    the weights that learn; no others are touched.
    """

    steps: int = 500
    batch_size: int = 16
    rate: float = 1e-4
    decay: float = 0.01
    seed: int = 0


class SoundLosses:
    """Goes before a trainer's class: a loss that is no number stops the run, not the weights."""

    state: Any

    def add_model_card_callback(self, *_: Any) -> None:
        """None: a module has a card of its own."""

    def training_step(self, *args: Any, **named: Any) -> Tensor:
        loss: Tensor = super().training_step(*args, **named)  # type: ignore[misc]
        if not math.isfinite(float(loss)):
            raise TrainingError(
                f"the loss of step {self.state.global_step + 1} is {float(loss)}: the learning "
                "rate is too high for this data, or the base is damaged; nothing was written"
            )
        return loss


def training_arguments(cls: Callable[..., Any], settings: FitSettings, **more: Any) -> Any:
    """Arguments of transformers' or sentence-transformers' trainers, without their reports."""
    return cls(
        output_dir=tempfile.gettempdir(),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.rate,
        weight_decay=settings.decay,
        warmup_steps=max(1, settings.steps // 10),
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        **more,
    )


def fit(trainer: Any, stage: str) -> Iterator[Progress]:
    """Run a trainer to its end, in a thread of its own. Closing the iterator stops it.

    Raises what the trainer raises.
    """
    steps: queue.Queue[Progress | None] = queue.Queue()
    watch = _Watch(stage, steps)
    trainer.add_callback(watch)
    trainer.remove_callback(PrinterCallback)  # stdout is for results
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with _quiet():
                trainer.train()
        except BaseException as error:  # raised again where it is waited for
            failed.append(error)
        finally:
            steps.put(None)

    thread = threading.Thread(target=work, name=stage, daemon=True)
    thread.start()
    try:
        while (progress := steps.get()) is not None:
            yield progress
    finally:
        watch.halted = True
        thread.join()
    if failed:
        raise failed[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers' remarks on token ids, which are those of the base as it was given."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Watch(TrainerCallback):
    """Tells of every step, and ends the run when told to."""

    def __init__(self, stage: str, steps: queue.Queue[Progress | None]) -> None:
        self._stage, self._steps = stage, steps
        self.halted = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._steps.put(Progress(self._stage, state.global_step, state.max_steps, "steps"))
        control.should_training_stop = control.should_training_stop or self.halted
