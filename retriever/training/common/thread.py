"""A trainer of transformers or sentence-transformers at work in a thread, as an iterator."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from transformers import PrinterCallback, TrainerCallback

from xret.errors import TrainingError
from xret.types import Progress

__all__ = ["SoundLosses", "run_in_thread"]


class SoundLosses:
    """Goes before a trainer's class: a loss that is no number stops the run, not the weights."""

    state: Any
    afterwards: ClassVar[str] = "nothing was written"
    """What the error says of the files."""

    def add_model_card_callback(self, *_: Any) -> None:
        """Does nothing: theirs reads the whole training set, and ours is written last."""

    def training_step(self, *args: Any, **named: Any) -> Tensor:
        loss: Tensor = super().training_step(*args, **named)  # type: ignore[misc]
        if not math.isfinite(float(loss)):
            raise TrainingError(
                f"the loss of step {self.state.global_step + 1} is {float(loss)}: the learning "
                f"rate is too high for this data, or the base is damaged; {self.afterwards}"
            )
        return loss


def run_in_thread(
    trainer: Any, *, stage: str, checkpoint: Path | None = None
) -> Iterator[Progress]:
    """Train to the end, from a checkpoint where there is one; one Progress a step.

    Closing the iterator ends the step in hand, keeps a checkpoint where the trainer keeps any,
    and returns. Raises what the trainer raises.
    """
    steps: queue.Queue[Progress | None] = queue.Queue()
    watch = _Watch(stage, steps)
    trainer.add_callback(watch)
    trainer.remove_callback(PrinterCallback)  # stdout is for results
    failures: list[BaseException] = []

    def work() -> None:
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except BaseException as error:  # raised again where it is waited for
            failures.append(error)
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
    if failures:
        raise failures[0]


class _Watch(TrainerCallback):
    """Reports steps, and stops the run when told to."""

    def __init__(self, stage: str, steps: queue.Queue[Progress | None]) -> None:
        self._stage, self._steps = stage, steps
        self.halted = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._steps.put(Progress(self._stage, state.global_step, state.max_steps, "steps"))
        if self.halted:
            control.should_training_stop = True
            control.should_save = str(args.save_strategy) not in ("no", "SaveStrategy.NO")
