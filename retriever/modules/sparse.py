"""Sparse fine-tuning masks: a few weights of a model, and what is added to each.

A language or a task is the difference that fine-tuning made to the weights which moved most
(Ansell, Ponti, Korhonen and Vulić 2022). Masks learnt apart are put together by addition: a
ranking mask learnt in English and the mask of a language give ranking in that language
(Litschko, Vulić and Glavaš 2022). A model with masks costs what it costs without, and gets
its own weights back bit for bit.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from xret.errors import ModelError
from xret.retriever.models.module_card import ModelBase, ModuleCard, read_module, write_module
from xret.retriever.modules.named_weights import named_weights, transformer_of

__all__ = ["SparseChange", "SparseMask", "added_masks"]

INDICES, VALUES, SHAPE = ".indices", ".values", ".shape"
_STATE = "_sparse_masks"


@dataclass(frozen=True, slots=True)
class SparseChange:
    """What is added to one tensor.

    shape: the tensor's. indices: (k,) int64 into it flattened, ascending. values: (k,)
    float32.
    """

    shape: tuple[int, ...]
    indices: Tensor
    values: Tensor

    def plus(self, other: SparseChange) -> SparseChange:
        """Union of the indices, sum of the values."""
        both = torch.cat([self.indices, other.indices])
        indices, places = torch.unique(both, return_inverse=True)
        values = torch.zeros(len(indices))
        values.index_add_(0, places, torch.cat([self.values, other.values]))
        return SparseChange(self.shape, indices, values)

    def added_to(self, kept: Tensor) -> Tensor:
        """(k,) weights at the indices to what they become, in the type that they have."""
        return (kept.float() + self.values.to(kept.device)).to(kept.dtype)


class SparseMask:
    """Changes by the name of the tensor (see `named_weights`), and their card; a value."""

    def __init__(self, changes: Mapping[str, SparseChange], card: ModuleCard) -> None:
        self.changes = dict(changes)
        self.card = replace(card, size=sum(len(c.indices) for c in self.changes.values()))

    def __len__(self) -> int:
        """How many weights it changes."""
        return self.card.size

    def __add__(self, other: SparseMask) -> SparseMask:
        """Both at once. Commutative; associative up to the rounding of float32.

        Raises ModelError for masks of different models.
        """
        card = self.card.plus(other.card, size=0)
        changes = dict(self.changes)
        for name, change in other.changes.items():
            own = changes.get(name)
            if own is not None and own.shape != change.shape:
                raise ModelError(
                    f"masks of different models: {name} is {own.shape} and {change.shape}"
                )
            changes[name] = change if own is None else own.plus(change)
        return SparseMask(changes, card)

    def scaled(self, factor: float) -> SparseMask:
        """Every value times a factor; 0.5 of a sum of two is their mean."""
        if not math.isfinite(factor):
            raise ModelError(f"a mask can be scaled by a number, not by {factor}")
        changes = {n: replace(c, values=c.values * factor) for n, c in self.changes.items()}
        return SparseMask(changes, self.card.scaled(factor))

    def apply(self, model: nn.Module) -> None:
        """Add this mask to a model's weights, in place, beside those that are in it already.

        Raises ModelError where it does not fit; the model is then as before.
        """
        state = _state(model)
        state.put(model, [*state.masks, self])

    def remove(self, model: nn.Module) -> None:
        """Take this mask out again; with the last, the weights are the model's own bit for bit.

        Raises ModelError where it was not applied.
        """
        state = _state(model)
        rest = [mask for mask in state.masks if mask is not self]
        if len(rest) == len(state.masks):
            raise ModelError("this mask is not in the model: apply it before it is removed")
        state.put(model, rest)

    def check_fits(self, model: nn.Module) -> None:
        """Raises ModelError naming a tensor that the model lacks or has in another shape."""
        _check_fits(self, named_weights(model), type(model).__name__)

    def save(self, path: Path, *, half: bool = False) -> None:
        """Write one file: int32 indices where they fit, float32 values, or float16 for half."""
        tensors: dict[str, Tensor] = {}
        for name, change in self.changes.items():
            small = math.prod(change.shape) <= torch.iinfo(torch.int32).max
            tensors[name + INDICES] = change.indices.to(torch.int32 if small else torch.int64)
            tensors[name + VALUES] = change.values.half() if half else change.values
            tensors[name + SHAPE] = torch.tensor(change.shape, dtype=torch.int64)
        if half and not all(t.isfinite().all() for n, t in tensors.items() if n.endswith(VALUES)):
            raise ModelError("the mask has values beyond float16; save it in float32")
        write_module(path, tensors, self.card)

    @classmethod
    def load(cls, path: Path, *, base: ModelBase | None = None) -> SparseMask:
        """Read a file. base: `model_base` of the model; a mask of another one is refused.

        Raises ModelError naming the file and what is wrong in it.
        """
        card, tensors = read_module(path, "mask")
        card = card.on(base, what=path)
        names = sorted(name.removesuffix(SHAPE) for name in tensors if name.endswith(SHAPE))
        expected = {name + part for name in names for part in (INDICES, VALUES, SHAPE)}
        if expected != tensors.keys() or not names:
            odd = ", ".join(sorted(expected ^ tensors.keys())[:3]) or "no tensor at all"
            raise ModelError(f"{path} is damaged: it lacks, or has too much: {odd}")
        return cls({name: _read_change(path, name, tensors) for name in names}, card)


class _Masked:
    """The masks in one transformer, and the weights that were touched as they are without."""

    def __init__(self) -> None:
        self.masks: list[SparseMask] = []
        self._weights: dict[str, Tensor] = {}
        self._own: dict[str, tuple[Tensor, Tensor]] = {}

    def put(self, model: nn.Module, masks: list[SparseMask]) -> None:
        """Exactly these masks, by their sum: no order of applying them gives other bits.

        model: the transformer or what wraps it; one mask may know more of it than another.
        """
        self._weights.update(named_weights(model))
        total = added_masks(masks) if masks else None
        if total is not None:
            _check_fits(total, self._weights, type(model).__name__)
        flat = {name: weight.detach().view(-1) for name, weight in self._weights.items()}
        before = self.masks
        self._restore(flat)
        try:
            self._add(flat, total)
        except ModelError:
            self._add(flat, added_masks(before) if before else None)
            raise
        self.masks = masks

    def _restore(self, flat: Mapping[str, Tensor]) -> None:
        for name, (indices, values) in self._own.items():
            flat[name][indices] = values
        self._own = {}

    def _add(self, flat: Mapping[str, Tensor], total: SparseMask | None) -> None:
        changes = total.changes if total is not None else {}
        own: dict[str, tuple[Tensor, Tensor]] = {}
        made: dict[str, Tensor] = {}
        for name, change in changes.items():
            indices = change.indices.to(flat[name].device)
            own[name] = (indices, flat[name][indices].clone())
            made[name] = change.added_to(own[name][1])
            if not made[name].isfinite().all():
                raise ModelError(f"the masks take {name} beyond the range of {made[name].dtype}")
        for name, values in made.items():
            flat[name][own[name][0]] = values
        self._own = own


def added_masks(masks: list[SparseMask]) -> SparseMask:
    """The sum of one or more masks. Raises ModelError for masks of different models."""
    return functools.reduce(SparseMask.__add__, masks)


def _state(model: nn.Module) -> _Masked:
    """What is kept with a transformer, so that a copy of it has its own."""
    kept = vars(transformer_of(model))
    state = kept.get(_STATE)
    if not isinstance(state, _Masked):
        state = kept[_STATE] = _Masked()
    return state


def _check_fits(mask: SparseMask, weights: Mapping[str, Tensor], model: str) -> None:
    for name, change in mask.changes.items():
        weight = weights.get(name)
        if weight is None:
            raise ModelError(f"the mask is of another model: there is no {name!r} in this {model}")
        if tuple(weight.shape) != change.shape:
            raise ModelError(
                f"the mask is of another model: {name} was {change.shape} where it was "
                f"learnt and is {tuple(weight.shape)} here"
            )


def _read_change(path: Path, name: str, tensors: Mapping[str, Tensor]) -> SparseChange:
    indices, values = tensors[name + INDICES], tensors[name + VALUES]
    shape = tuple(int(size) for size in tensors[name + SHAPE].tolist())
    wrong = _flaw(shape, indices, values)
    if wrong:
        raise ModelError(f"{path} is damaged: {name} has {wrong}")
    return SparseChange(shape, indices.long(), values.float())


def _flaw(shape: tuple[int, ...], indices: Tensor, values: Tensor) -> str:
    """What is wrong with the three tensors of a change, in words; empty for nothing."""
    if indices.ndim != 1 or indices.shape != values.shape:
        return f"indices of shape {tuple(indices.shape)} for values of {tuple(values.shape)}"
    if indices.dtype not in (torch.int32, torch.int64):
        return f"indices of type {indices.dtype}"
    if values.dtype not in (torch.float32, torch.float16):
        return f"values of type {values.dtype}"
    if not len(indices):
        return "no entry"
    if not bool((indices[1:] > indices[:-1]).all()):
        return "indices that are not in ascending order"
    last = math.prod(shape) - 1
    if int(indices[0]) < 0 or int(indices[-1]) > last:
        return f"indices from {int(indices[0])} to {int(indices[-1])}, the tensor 0 to {last}"
    if not bool(values.isfinite().all()):
        return "values that are not finite"
    return ""
