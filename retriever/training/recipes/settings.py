"""Settings of a recipe, checked once and never changed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from xret.errors import ConfigError
from xret.retriever.models.kinds import Kind
from xret.retriever.training.common.described import Described

__all__ = ["OnError", "Recipe", "TrainingTask"]

OnError = Literal["stop", "skip"]
"""What a line that cannot be read does."""

TrainingTask = Literal["contrastive", "scores", "vectors", "align"]

# Where a run of one seed may be taken up with another value, since no weight depends on it
# before: a rate may have been too high, a disk too small for many checkpoints.
_FREE = (
    "output",
    "rate",
    "threads",
    "licence",
    "device",
    "checkpoint_steps",
    "only_if_better",
)
_RATES = {Kind.BI_ENCODER: 2e-5, Kind.LATE_INTERACTION: 1e-5}


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
    a development set, measured at every checkpoint; the best is kept. only_if_better: nothing is
    written unless that gained. licence: of the data, for the card.
    """

    task: TrainingTask
    model: Annotated[str, Described("Model to start from: a folder or a name (xret model list).")]
    output: Path
    data: Annotated[
        tuple[Path, ...],
        Described(
            "JSON lines {query, positive, negatives, query_lang, positive_lang, ...} or TSV "
            "query, positive, negatives; .gz too."
        ),
    ]
    kind: Annotated[
        Literal[Kind.BI_ENCODER, Kind.LATE_INTERACTION] | None,
        Described("What to make of a bare transformer (BERT, XLM-R, X-MOD)."),
    ] = None
    teacher: Annotated[
        str | None,
        Described("An encoder or cross-encoder; not needed where --data has scores."),
    ] = None
    loss: Annotated[
        Literal["kl", "margin", "mse", "cosine"] | None,
        Described("Scores: kl (default) or margin; vectors: mse (default), cosine."),
    ] = None
    n_negatives: Annotated[
        int | None,
        Described("Hard negatives of each example a batch; what is there.", flag="--negatives"),
    ] = None
    steps: Annotated[int | None, Described("Batches; else --epochs.")] = None
    epochs: Annotated[int, Described("Passes over the data.")] = 1
    batch_size: Annotated[int, Described("Examples of a step.")] = 32
    mini_batch: Annotated[
        int | None,
        Described("Texts at once in memory, for large batches: slower."),
    ] = None
    rate: Annotated[
        float | None,
        Described("Peak learning rate; 2e-5 for a bi-encoder, else 1e-5."),
    ] = None
    warm_up: Annotated[float, Described("Share of steps in which it rises.")] = 0.1
    seed: Annotated[int, Described("What everything random follows from.")] = 0
    max_tokens: Annotated[int, Described("Of a text, in training.")] = 256
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        Described("Arithmetic; auto: bf16 where the hardware has it."),
    ] = "auto"
    device: Annotated[str | None, Described("cpu or cuda; cuda where there is one.")] = None
    threads: Annotated[int | None, Described("Of the CPU.")] = None
    checkpoint_steps: Annotated[int, Described("How often a checkpoint is kept.")] = 500
    cross_lingual: Annotated[
        float,
        Described(
            "Batches whose queries are in another language than their passages, from lines of"
            " one id.",
            metavar="SHARE",
        ),
    ] = 0.0
    switch: Annotated[
        tuple[Path, ...],
        Described(
            "Lexicons, TSV lang, english, translation: words of English queries are replaced."
        ),
    ] = ()
    switch_share: Annotated[float, Described("English queries so changed.", metavar="SHARE")] = 0.3
    held_out: Annotated[
        tuple[Path, ...],
        Described(
            "Development set, in the form of --data: MRR@10 and Success@1 before and after; "
            "the best checkpoint is kept."
        ),
    ] = ()
    only_if_better: Annotated[
        bool,
        Described("Write no model unless its MRR@10 on --held-out is above the start's."),
    ] = False
    train_adapters: Annotated[
        bool,
        Described("Let X-MOD's language adapters learn too; else they are frozen."),
    ] = False
    source_lang: Annotated[str | None, Described("Of first texts that name no language.")] = None
    target_lang: Annotated[str | None, Described("Of second texts that name no language.")] = None
    on_error: Annotated[OnError, Described("What to do with a line that cannot be read.")] = "stop"
    licence: Annotated[str | None, Described("Of the training text, for the model's card.")] = None

    def __post_init__(self) -> None:
        if self.kind is not None:  # a plain text does as well
            object.__setattr__(self, "kind", Kind(self.kind))
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
        if self.only_if_better and not self.held_out:
            raise ConfigError("--only-if-better compares on a development set: name --held-out")
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

    def rate_for(self, kind: Kind) -> float:
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
        from xret.retriever.models.hashes import file_hash  # options are read without it

        plain["files"] = [file_hash(path) for path in files]
        for name in ("data", "switch", "held_out", "model", "teacher"):  # told by their content
            del plain[name]
        return json.dumps({**plain, "base": base}, sort_keys=True, default=str)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
