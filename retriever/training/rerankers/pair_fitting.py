"""The steps of a cross-encoder's training, each a function of the seed and of its number.

A checkpoint holds what learns and the optimiser's moments, so that a run that was killed goes on
to the same weights as an unbroken one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xret.errors import TrainingError
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.common.trainer import designed_error
from xret.types import Progress

__all__ = ["PairSteps", "fit_pairs"]

_DECAY, _CLIP = 0.01, 1.0
_MOMENTS = ("exp_avg", "exp_avg_sq")
_LOSSES = "losses"
_EVERY = 10


@dataclass(frozen=True, slots=True)
class PairSteps:
    """How many steps and how fast. rate: AdamW's peak, after a share `warm_up` of the steps
    of rising; it falls to zero linearly. bf16: arithmetic; weights stay float32."""

    n_steps: int
    rate: float
    warm_up: float
    seed: int
    checkpoint_steps: int
    bf16: bool


def fit_pairs(
    model: nn.Module,
    loss_at: Callable[[int], Tensor],
    steps: PairSteps,
    *,
    work: WorkFolder,
    stage: str,
) -> Iterator[Progress]:
    """Train the parameters that require a gradient, from the last checkpoint in `work` on.

    loss_at: the loss of a step, by its number from 0. Closing the iterator keeps a checkpoint.
    Raises TrainingError for a loss that is no number and for memory or a disk that is full; the
    last checkpoint stays.
    """
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(weights.values(), lr=steps.rate, weight_decay=_DECAY)
    step, tensors = work.load_state()
    _restore(weights, optimizer, tensors, step)
    kept, losses = step, list[float]()
    began = time.perf_counter()
    mode = model.training
    model.train()
    try:
        while step < steps.n_steps:
            losses.append(_step(model, weights, optimizer, loss_at, steps, step))
            step += 1
            yield Progress(stage, step, steps.n_steps, "steps")
            if step % steps.checkpoint_steps == 0:
                _keep(work, step, weights, optimizer)
                kept = step
    except Exception as error:
        raise designed_error(error, work.path) from error
    finally:
        if step > kept and _is_sound(weights.values()):
            _keep(work, step, weights, optimizer)
        _note(work, step, losses)
        work.add_seconds("training_s", time.perf_counter() - began)
        optimizer.zero_grad(set_to_none=True)
        model.train(mode)


def _step(
    model: nn.Module,
    weights: dict[str, nn.Parameter],
    optimizer: torch.optim.AdamW,
    loss_at: Callable[[int], Tensor],
    steps: PairSteps,
    step: int,
) -> float:
    """One step; what is dropped out is the step's own, whichever were run before."""
    torch.manual_seed(steps.seed * 1_000_003 + step)
    for group in optimizer.param_groups:
        group["lr"] = steps.rate * _share(step, steps)
    device = next(model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16, enabled=steps.bf16):
        loss = loss_at(step)
    value = float(loss.detach())
    if value != value or value in (float("inf"), float("-inf")):
        raise TrainingError(
            f"the loss of step {step + 1} is {value}: the learning rate is too high for this data, "
            "or the model is damaged; the last good checkpoint stays, run again with a lower rate"
        )
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(weights.values(), _CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return value


def _share(step: int, steps: PairSteps) -> float:
    """Of the peak rate: up linearly, then down to zero behind the last step."""
    rising = max(1, round(steps.warm_up * steps.n_steps))
    if step < rising:
        return (step + 1) / rising
    return (steps.n_steps - step) / max(1, steps.n_steps - rising)


def _keep(
    work: WorkFolder, step: int, weights: dict[str, nn.Parameter], optimizer: torch.optim.AdamW
) -> None:
    tensors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        tensors[f"weight.{name}"] = weight.detach()
        for moment in _MOMENTS:
            if moment in optimizer.state[weight]:
                tensors[f"{moment}.{name}"] = optimizer.state[weight][moment]
    work.save_state(step, tensors)


@torch.no_grad()
def _restore(
    weights: dict[str, nn.Parameter],
    optimizer: torch.optim.AdamW,
    tensors: dict[str, Tensor],
    step: int,
) -> None:
    for name, weight in weights.items():
        if f"weight.{name}" not in tensors:
            continue
        weight.copy_(tensors[f"weight.{name}"])
        moments = {m: tensors[f"{m}.{name}"].to(weight.device) for m in _MOMENTS}
        optimizer.state[weight] = {"step": torch.tensor(float(step)), **moments}


def _is_sound(weights: Iterable[nn.Parameter]) -> bool:
    return all(bool(weight.isfinite().all()) for weight in weights)


def _note(work: WorkFolder, end: int, losses: Sequence[float]) -> None:
    """Mean losses, by the last step of each ten."""
    noted = work.notes().get(_LOSSES)
    rows = dict(noted) if isinstance(noted, dict) else {}
    first = end - len(losses)
    for start in range(0, len(losses), _EVERY):
        part = losses[start : start + _EVERY]
        rows[str(first + start + len(part))] = sum(part) / len(part)
    work.note(_LOSSES, rows)
