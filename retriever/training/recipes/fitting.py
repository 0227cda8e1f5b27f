"""sentence-transformers' trainer for a recipe: no hub, no reports, one device, one process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import (
    MultiVectorEncoderTrainingArguments,
    SentenceTransformerTrainingArguments,
)
from transformers import TrainerCallback

from xret.retriever.encoders.precision import Precision, choose_precision
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.common.trainer import BiEncoderTrainer, LateInteractionTrainer
from xret.retriever.training.recipes.drawing import Draw, DrawingCollator
from xret.retriever.training.recipes.facts import energy_meter
from xret.retriever.training.recipes.objective import Objective
from xret.retriever.training.recipes.plan import PlannedBatches
from xret.retriever.training.recipes.settings import Recipe
from xret.retriever.training.recipes.student import Student

__all__ = ["Meter", "make_trainer"]

_KEPT_CHECKPOINTS = 2
_LOSSES = 50


class Meter(TrainerCallback):
    """Adds the time, and the joules where they can be read, of what a checkpoint keeps."""

    def __init__(self, work: WorkFolder) -> None:
        self._work = work
        self._since = time.perf_counter()
        self._joules = energy_meter()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._since = time.perf_counter()
        self._joules = energy_meter()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        now = time.perf_counter()
        self._work.add_seconds("training_s", now - self._since)
        self._since = now
        if self._joules is not None:
            self._work.add_seconds("energy_j", self._joules())
            self._joules = energy_meter()


def make_trainer(
    recipe: Recipe,
    student: Student,
    draw: Draw,
    objective: Objective,
    *,
    folder: Path,
    device: str,
    callbacks: Sequence[TrainerCallback],
) -> LateInteractionTrainer | BiEncoderTrainer:
    """A trainer over the plan of a draw; its checkpoints go into the folder."""
    from datasets import Dataset

    trainer_class: Any = LateInteractionTrainer if student.late else BiEncoderTrainer
    prompts = student.prompts(objective.tasks)
    texts = trainer_class.data_collator_class(
        preprocess_fn=student.model.preprocess,
        router_mapping=dict(objective.tasks),
        prompts=prompts,
        max_length=_lengths(student, recipe.max_tokens),
    )
    collator = DrawingCollator(
        texts,
        draw,
        objective.columns,
        label=objective.label,
        adapter=student.adapter if student.router is not None else None,
    )
    plan = draw.plan
    trainer: LateInteractionTrainer | BiEncoderTrainer = trainer_class(
        model=student.model,
        args=_arguments(recipe, student, draw, folder, device),
        train_dataset=Dataset.from_dict({"place": range(len(plan.rows))}),
        loss=objective.loss,
        data_collator=collator,
        callbacks=list(callbacks),
    )
    return trainer


def _arguments(recipe: Recipe, student: Student, draw: Draw, folder: Path, device: str) -> Any:
    kind: Any = (
        MultiVectorEncoderTrainingArguments
        if student.late
        else SentenceTransformerTrainingArguments
    )
    steps = len(draw.plan)
    precision = choose_precision(Precision(recipe.precision), device)
    arguments = kind(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.rate_for(student.kind),
        warmup_steps=int(recipe.warm_up * steps),
        lr_scheduler_type="linear",
        weight_decay=0.01,
        optim="adamw_torch",
        seed=recipe.seed,
        data_seed=recipe.seed,
        bf16=precision is Precision.BF16,
        use_cpu=device == "cpu",
        save_strategy="steps",
        save_steps=recipe.checkpoint_steps,
        save_total_limit=_KEPT_CHECKPOINTS,
        logging_steps=max(1, steps // _LOSSES),
        logging_nan_inf_filter=False,
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        eval_strategy="no",
        batch_sampler=lambda *_, **__: PlannedBatches(draw.plan),
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # a batch is a batch: never spread over GPUs
    return arguments


def _lengths(student: Student, max_tokens: int) -> dict[str, int]:
    """Most tokens by role: no more than the model reads of a text."""
    own = student.model.max_seq_length or max_tokens
    first = student.model[0]
    found = {}
    for task in ("query", "document"):
        longest = getattr(first, f"{task}_length", None) or own
        found[task] = int(min(max_tokens, longest))  # a table of words reads without end
    return found
