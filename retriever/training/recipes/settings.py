"""Settings of a recipe, checked once and never changed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xret.errors import ConfigError
from xret.retriever.models.hashes import file_hash
from xret.retriever.training.recipes.records import OnError

__all__ = ["Recipe", "Task"]

Task = Literal["contrastive", "scores", "vectors", "align"]

# Where a run of one seed may be taken up with another value, since no weight depends on it
# before: a rate may have been too high, a disk too small for many checkpoints.
_FREE = ("output", "rate", "threads", "licence", "device", "checkpoint_steps")
_RATES = {"bi-encoder": 2e-5, "late interaction": 1e-5}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run does. model: name or folder. data: training files; parallel text for "vectors"
    and "align". kind: of a model made around a bare transformer.

    teacher: name or folder, for "scores" (None where the files have them) and "vectors". loss:
    kl or margin for scores, mse or cosine for vectors. n_negatives: of each example a batch,
    None for what the files have, 4 at most. steps: None for `epochs` passes. mini_batch:
    texts that pass the model at once, for batches beyond memory. rate: peak of AdamW's, None
    for 2e-5 (bi-encoder) or 1e-5 (late interaction). warm_up: share of the steps in which it
    rises. max_tokens: of a text in training. cross_lingual, switch_share: see `Draw`. held_out:
    a development set, measured at every checkpoint; the best is kept. licence: of the data,
    for the card.
    """

    task: Task
    model: str
    output: Path
    data: tuple[Path, ...]
    kind: Literal["bi-encoder", "late interaction"] | None = None
    teacher: str | None = None
    loss: Literal["kl", "margin", "mse", "cosine"] | None = None
    n_negatives: int | None = None
    steps: int | None = None
    epochs: int = 1
    batch_size: int = 32
    mini_batch: int | None = None
    rate: float | None = None
    warm_up: float = 0.1
    seed: int = 0
    max_tokens: int = 256
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str | None = None
    threads: int | None = None
    checkpoint_steps: int = 500
    cross_lingual: float = 0.0
    switch: tuple[Path, ...] = ()
    switch_share: float = 0.3
    held_out: tuple[Path, ...] = ()
    train_adapters: bool = False
    source_lang: str | None = None
    target_lang: str | None = None
    on_error: OnError = "stop"
    licence: str | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "epochs", "batch_size", "mini_batch", "threads", "checkpoint_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{_option(name)} is {value}; it must be 1 or more")
        for name in ("cross_lingual", "switch_share", "warm_up"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{_option(name)} is {value}; it is a share, from 0 to 1")
        if self.rate is not None and not 0 < self.rate < 1:
            raise ConfigError(f"--rate is {self.rate}; it must lie between 0 and 1, as 2e-5 does")
        if self.max_tokens < 3:
            raise ConfigError(f"--max-tokens is {self.max_tokens}; the marks alone need 2")
        if self.n_negatives is not None and self.n_negatives < 0:
            raise ConfigError(f"--negatives is {self.n_negatives}; it must be 0 or more")
        if not 0 <= self.seed < 1 << 32:
            raise ConfigError(f"--seed is {self.seed}; it must be from 0 to 2**32 - 1")
        self._check_task()

    def _check_task(self) -> None:
        if not self.data:
            raise ConfigError("training needs at least one file of texts")
        losses = {"scores": ("kl", "margin"), "vectors": ("mse", "cosine")}.get(self.task, ())
        if self.loss is not None and self.loss not in losses:
            named = f"use {' or '.join(losses)}" if losses else "it has one loss only"
            raise ConfigError(f"--loss {self.loss} does not go with {self.task}; {named}")
        if self.task == "scores" and self.n_negatives == 0:
            raise ConfigError("scores are compared among passages: take --negatives 1 or more")
        if self.task == "vectors" and self.teacher is None:
            raise ConfigError("vectors are a teacher's; name one with --teacher")
        if self.task == "vectors" and self.mini_batch is not None:
            raise ConfigError("--mini-batch is for losses over a whole batch; use --batch-size")

    @property
    def parallel(self) -> bool:
        """Whether the files hold texts and their translations."""
        return self.task in ("vectors", "align")

    def rate_for(self, kind: str) -> float:
        """AdamW's peak rate."""
        return self.rate if self.rate is not None else _RATES[kind]

    def describe(self, base: str) -> str:
        """Equal for the same run: settings, files by content, the model that it starts from.

        base: fingerprint of that model and of its teacher. Raises ConfigError for a file that
        is not there.
        """
        plain = {
            name: value for name, value in dataclasses.asdict(self).items() if name not in _FREE
        }
        files = [*self.data, *self.switch, *self.held_out]
        if missing := [str(path) for path in files if not path.is_file()]:
            raise ConfigError(f"no such file: {', '.join(missing)}")
        plain["files"] = [file_hash(path) for path in files]
        for name in ("data", "switch", "held_out", "model", "teacher"):  # told by their content
            del plain[name]
        return json.dumps({**plain, "base": base}, sort_keys=True, default=str)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
