"""Learning a sparse mask: fine-tune, keep the weights that moved most, learn those again.

The lottery-ticket way of Ansell et al. (2022): the first phase trains every weight and shows
which matter; all are put back, and the second phase trains those alone, from the same start.
The others keep their bits whatever the optimiser does to them: their gradients are masked,
and after each of its steps (weight decay moves weights without a gradient) they are restored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from xret.errors import TrainingError
from xret.retriever.models.module_card import ModuleCard
from xret.retriever.modules.named_weights import named_weights
from xret.retriever.modules.sparse import SparseChange, SparseMask
from xret.types import Progress

__all__ = ["Train", "learn_sparse_mask"]

Train = Callable[[nn.Module, str], Iterator[Progress]]
"""Trains a model in place by any trainer; the text names the phase."""


def learn_sparse_mask(
    model: nn.Module,
    train: Train,
    *,
    keep: int | float,
    card: ModuleCard,
    l1: float = 0.0,
    whole: Collection[str] = (),
) -> Generator[Progress, None, SparseMask]:
    """The mask that training gives, over the weights that require a gradient.

    keep: how many weights the mask changes; a float is their share, at most 1. l1: strength
    of an L1 penalty on the distance from the start (per backward pass), 0 for none. whole:
    names of tensors that learn in full beside them, as a head that was drawn at random must.
    The model ends as it began, whatever happens.
    Raises TrainingError where nothing moved, or a weight became no number.
    """
    weights = {name: p for name, p in named_weights(model).items() if p.requires_grad}
    n_kept = _n_kept(keep, sum(p.numel() for name, p in weights.items() if name not in whole))
    before = {name: p.detach().clone() for name, p in weights.items()}
    mode = model.training
    try:
        with _drawn_back(weights, before, l1):
            yield from train(model, "all weights")
        choice = {name: weight for name, weight in weights.items() if name not in whole}
        chosen = _moved_most(choice, before, n_kept)
        for name in whole:
            chosen[name] = torch.arange(weights[name].numel())
        _rewind(weights, before)
        with _alone(weights, before, chosen), _drawn_back(weights, before, l1):
            yield from train(model, "the mask")
        changes = {
            name: _change(name, weights[name], before[name], places)
            for name, places in chosen.items()
        }
    finally:
        _rewind(weights, before)
        model.train(mode)
    return SparseMask(changes, card)


def _n_kept(keep: int | float, n: int) -> int:
    if n == 0:
        raise TrainingError("no weight of the model may learn; unfreeze those that should")
    count = round(keep * n) if isinstance(keep, float) else keep
    if not 1 <= count <= n:
        raise TrainingError(f"a mask of {keep} of {n:,} weights: keep 1 to {n:,}, or 0% to 100%")
    return count


def _moved_most(
    weights: Mapping[str, Tensor], before: Mapping[str, Tensor], k: int
) -> dict[str, Tensor]:
    """Ascending flat indices, on the CPU, of the k weights furthest from where they began.

    Among equals the first in the model's order; weights that did not move are never taken.
    """
    distances = [(weights[n].detach() - before[n]).abs().flatten().float().cpu() for n in weights]
    whole = torch.cat(distances)
    if not bool(whole.isfinite().all()):
        raise TrainingError("training made a weight that is no number; lower the learning rate")
    k = min(k, int((whole > 0).sum()))
    if k == 0:
        raise TrainingError("no weight moved in training: there is nothing to keep in a mask")
    least = whole.kthvalue(len(whole) - k + 1).values
    taken = whole > least
    equal = (whole == least).nonzero().squeeze(1)
    taken[equal[: k - int(taken.sum())]] = True
    parts = torch.split(taken, [len(part) for part in distances])
    found = {n: part.nonzero().squeeze(1) for n, part in zip(weights, parts, strict=True)}
    return {name: places for name, places in found.items() if len(places)}


def _change(name: str, weight: Tensor, before: Tensor, places: Tensor) -> SparseChange:
    values = (weight.detach().float() - before.float()).cpu().flatten()[places]
    if not bool(values.isfinite().all()):
        raise TrainingError(f"training made {name} no number; lower the learning rate")
    return SparseChange(tuple(before.shape), places, values)


@torch.no_grad()
def _rewind(weights: Mapping[str, nn.Parameter], before: Mapping[str, Tensor]) -> None:
    for name, weight in weights.items():
        weight.copy_(before[name])
        weight.grad = None


@contextmanager
def _drawn_back(
    weights: Mapping[str, nn.Parameter], before: Mapping[str, Tensor], l1: float
) -> Iterator[None]:
    """The gradient of l1 * |weight - start| added to every weight's own."""
    hooks = [
        _hooked(weight, _pull(weight, before[name], l1))
        for name, weight in weights.items()
        if l1 > 0 and weight.requires_grad
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _hooked(weight: Any, hook: Callable[[Tensor], Tensor]) -> Any:
    """The handle of a hook that a gradient goes through."""
    return weight.register_hook(hook)


def _pull(weight: Tensor, start: Tensor, l1: float) -> Callable[[Tensor], Tensor]:
    def pulled(gradient: Tensor) -> Tensor:
        return gradient + l1 * (weight.detach() - start.to(weight.device)).sign()

    return pulled


@contextmanager
def _alone(
    weights: Mapping[str, nn.Parameter], before: Mapping[str, Tensor], chosen: Mapping[str, Tensor]
) -> Iterator[None]:
    """Only the chosen entries learn; every other keeps its bits through every optimiser step."""
    learn = {name: _placed(before[name], places) for name, places in chosen.items()}
    hooks = [_hooked(weights[name], _masked(mask)) for name, mask in learn.items()]

    @torch.no_grad()
    def restore(*_: Any) -> None:
        for name, mask in learn.items():
            weight = weights[name]
            own = before[name].to(weight.device)
            weight.copy_(torch.where(mask.to(weight.device), weight, own))

    hooks.append(register_optimizer_step_post_hook(restore))
    for name, weight in weights.items():
        weight.requires_grad_(name in chosen)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for weight in weights.values():
            weight.requires_grad_(True)


def _placed(like: Tensor, places: Tensor) -> Tensor:
    """A bool tensor of a tensor's shape, true at some flat indices."""
    mask = torch.zeros(like.numel(), dtype=torch.bool)
    mask[places] = True
    return mask.view(like.shape).to(like.device)


def _masked(mask: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: gradient * mask.to(gradient.device)
