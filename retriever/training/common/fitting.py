"""A few steps of a trainer on a base in memory: no checkpoints, and sound losses or none.

Modules are small and learnt in minutes, so that a run which is cut starts again; what it
would write is written once, at its end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.training.common.thread import run_in_thread
from xret.types import Progress

__all__ = ["FitSettings", "fit", "training_arguments"]


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
    with quiet_libraries():
        yield from run_in_thread(trainer, stage=stage)
