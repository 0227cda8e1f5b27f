"""sentence-transformers' trainers, with what they lack: languages, safe checkpoints, a halt.

Each text of a batch goes through the adapter of its own language; a checkpoint is safetensors
and JSON, where theirs pickles; a loss that is no number stops the run before it reaches a
weight; and a run is an iterator of `Progress` that can be closed and taken up again.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoderTrainer, SentenceTransformerTrainer
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch import Tensor, nn
from torch.utils.data import SequentialSampler

from xret.errors import TrainingError
from xret.retriever.models.published import publish
from xret.retriever.training.common.thread import SoundLosses, run_in_thread
from xret.types import Progress

__all__ = [
    "BiEncoderTrainer",
    "LanguageCollator",
    "LateInteractionTrainer",
    "designed_error",
    "in_order",
    "last_checkpoint",
    "run_trainer",
]

_WEIGHTS, _OPTIMIZER, _OPTIMIZER_PLAIN = (
    "weights.safetensors",
    "optimizer.safetensors",
    "optimizer.json",
)
_STATE = "trainer_state.json"
_PART = "part"
_LANG = "_lang"


class LanguageCollator:
    """A collator of sentence-transformers that hands on each text's adapter.

    A column `X_lang` holds the adapters of column `X`, as positions in the model's list;
    they arrive at the model as `lang_ids`. Without such columns nothing changes.
    """

    def __init__(self, texts: Any) -> None:
        self._texts = texts
        self.valid_label_columns: list[str] = texts.valid_label_columns

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        columns = [name for name in rows[0] if name.endswith(_LANG)]
        plain = [{k: v for k, v in row.items() if k not in columns} for row in rows]
        batch: dict[str, Any] = self._texts(plain)
        for column in columns:
            ids = torch.tensor([row[column] for row in rows], dtype=torch.int64)
            batch[f"{column.removesuffix(_LANG)}_lang_ids"] = ids
        return batch


class _SafeTrainer(SoundLosses):
    """Overrides of `Trainer` whose checkpoints hold no pickle and whose losses are numbers."""

    args: Any
    model: Any
    optimizer: Any
    lr_scheduler: Any
    loss: Any
    afterwards = "the last good checkpoint stays, run again with a lower rate to go on from it"

    def training_step(self, *args: Any, **named: Any) -> Tensor:
        # What is dropped out is the step's own, whichever steps this process has run before.
        torch.manual_seed(self.args.seed * 1_000_003 + self.state.global_step)
        return super().training_step(*args, **named)

    def _get_output_dir(self, trial: Any = None) -> str:  # noqa: ARG002
        """Where a checkpoint is written before it gets its place."""
        return str(Path(self.args.output_dir) / _PART)

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        """Write a checkpoint aside, to the disk, and put it in its place whole."""
        folder = Path(self.args.output_dir)
        part = folder / _PART
        shutil.rmtree(part, ignore_errors=True)
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            (made,) = part.iterdir()
            publish(made, folder / made.name)
        finally:
            shutil.rmtree(part, ignore_errors=True)  # its room may be what is missing
        whole, keep = _checkpoints(folder), self.args.save_total_limit
        for old in whole[:-keep] if keep else ():
            shutil.rmtree(old, ignore_errors=True)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002
        folder = Path(output_dir or ".")
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        tensors |= {f"loss.{n}": t for n, t in _own_state(self.loss, self.model).items()}
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise TrainingError(
                    f"after step {self.state.global_step} {name} holds what is no number: the "
                    "learning rate is too high for this data; the last good checkpoint stays, run "
                    "again with a lower rate"
                )
        _write(folder / _WEIGHTS, tensors)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        folder = Path(output_dir)
        whole = self.optimizer.state_dict()
        tensors: dict[str, Tensor] = {}
        for number, slots in whole["state"].items():
            tensors |= {f"{number}.{name}": torch.as_tensor(v) for name, v in slots.items()}
        _write(folder / _OPTIMIZER, tensors)
        schedule = self.lr_scheduler.state_dict()
        plain = {k: v for k, v in schedule.items() if isinstance(v, int | float | list)}
        text = json.dumps({"groups": whole["param_groups"], "schedule": plain}, default=str)
        (folder / _OPTIMIZER_PLAIN).write_text(text, encoding="utf-8")

    def _save_rng_state(self, output_dir: str) -> None:
        """Nothing: every step sets the seed of what it draws."""

    def _load_from_checkpoint(self, path: str, model: Any = None) -> None:  # noqa: ARG002
        tensors = load_file(Path(path) / _WEIGHTS)
        own = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        self.model.load_state_dict(own)
        rest = {k.removeprefix("loss."): v for k, v in tensors.items() if k.startswith("loss.")}
        if rest:
            self.loss.load_state_dict(rest, strict=False)

    def _load_optimizer_and_scheduler(self, path: str | None) -> None:
        if path is None or not (Path(path) / _OPTIMIZER).is_file():
            return
        text = (Path(path) / _OPTIMIZER_PLAIN).read_text(encoding="utf-8")
        plain: dict[str, Any] = json.loads(text)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in load_file(Path(path) / _OPTIMIZER).items():
            number, _, slot = name.partition(".")
            state.setdefault(int(number), {})[slot] = tensor
        rates = [group["initial_lr"] for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict({"state": state, "param_groups": plain["groups"]})
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            if group["initial_lr"] != rate:  # another one was asked for, from here on
                group["lr"] *= rate / group["initial_lr"]
                group["initial_lr"] = rate
        now = [group["lr"] for group in self.optimizer.param_groups]
        schedule = {**plain["schedule"], "base_lrs": rates, "_last_lr": now}
        self.lr_scheduler.load_state_dict({**self.lr_scheduler.state_dict(), **schedule})

    def _load_rng_state(self, path: str | None) -> None:
        """Nothing, as nothing is kept."""


class LateInteractionTrainer(_SafeTrainer, MultiVectorEncoderTrainer):
    """For a `MultiVectorEncoder`."""


class BiEncoderTrainer(_SafeTrainer, SentenceTransformerTrainer):
    """For a `SentenceTransformer`."""


def in_order(dataset: Any, batch_size: int, drop_last: bool, **_: Any) -> DefaultBatchSampler:
    """Batches as the rows stand: what makes a good batch was decided when they were drawn."""
    return DefaultBatchSampler(SequentialSampler(dataset), batch_size, drop_last)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole; its state is what a trainer writes last."""
    whole = _checkpoints(folder)
    return whole[-1] if whole else None


def run_trainer(trainer: Any, *, stage: str = "training") -> Iterator[Progress]:
    """Train from the last checkpoint in the trainer's folder on, or from the start.

    The trainer works in a thread of its own. Closing the iterator ends the step in hand,
    keeps a checkpoint and returns. Raises TrainingError for a loss that is no number and for
    a full disk; the last good checkpoint stays.
    """
    folder = Path(trainer.args.output_dir)
    try:
        yield from run_in_thread(trainer, stage=stage, checkpoint=last_checkpoint(folder))
    except Exception as error:
        raise designed_error(error, folder) from error


def _checkpoints(folder: Path) -> list[Path]:
    """Those that are whole, oldest first."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / _STATE).is_file()]
    return sorted(whole, key=lambda path: int(path.name.rpartition("-")[2]))


def _own_state(loss: Any, model: nn.Module) -> dict[str, Tensor]:
    """What a loss learns beside the model inside it."""
    if not isinstance(loss, nn.Module):
        return {}
    inside = {id(tensor) for tensor in model.state_dict(keep_vars=True).values()}
    state = loss.state_dict(keep_vars=True)
    return {name: tensor.detach() for name, tensor in state.items() if id(tensor) not in inside}


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """As safetensors; of weights that two modules share each gets a copy of its own."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().contiguous()
        shared = plain.numel() > 0 and plain.data_ptr() in seen
        seen.add(plain.data_ptr())
        apart[name] = plain.clone() if shared else plain
    save_file(apart, path)


def designed_error(error: BaseException, folder: Path) -> BaseException:
    """The error as its user should read it; unknown ones stay what they are."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "space left" in str(error)
    if full:
        return TrainingError(
            f"no space left in {folder}; make room and run the same command again: it goes on "
            "from the last whole checkpoint"
        )
    if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
        return TrainingError(
            "memory is too small for a batch of this size and length; run with a smaller batch or "
            f"shorter texts. The last good checkpoint stays in {folder}"
        )
    return error
