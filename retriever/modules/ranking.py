"""Ranking adapters: a bottleneck behind each layer of a transformer that learns to rank.

Behind the layer's output, h becomes h + U relu(D h + a) + b (Pfeiffer, Vulić, Gurevych and
Ruder 2020); in X-MOD the adapter of the language ends the layer, so that the ranking adapter
stands on it. Base and language adapters stay as they are: a ranking adapter learnt in English
works behind the adapter of whichever language a text is in (Litschko, Vulić and Glavaš 2022).

Several adapters read the same h and their outputs are added. That sum is itself an adapter,
whose bottleneck is as wide as theirs together; scaled by 1/n it is their mean. An adapter is
no linear map, and cannot be folded into weights as a mask can.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xret.errors import ModelError
from xret.retriever.models.module_card import ModelBase, ModuleCard, read_module, write_module
from xret.retriever.modules.bottleneck import (
    BOTTLENECK_PARTS,
    Bottleneck,
    still_bottleneck,
)
from xret.retriever.modules.named_weights import (
    RANKING,
    hidden_width,
    named_weights,
    transformer_layers,
    transformer_of,
)
from xret.retriever.modules.sparse import SparseChange, SparseMask

__all__ = ["RankingAdapter"]

HEAD = "head."
_STATE = "_ranking_adapters"


class RankingAdapter:
    """The weights of an adapter, and its card; a value.

    layers: for each layer of the transformer, from the bottom, down.weight (r, d), down.bias
    (r,), up.weight (d, r) and up.bias (d,), float32. head: what is added to weights beside
    the transformer that were learnt with it, by name, such as those of a classifier.
    """

    def __init__(
        self, layers: list[Mapping[str, Tensor]], head: Mapping[str, Tensor], card: ModuleCard
    ) -> None:
        self.layers = layers
        self.head = dict(head)
        self.card = replace(card, size=len(layers[0]["down.bias"]))

    @classmethod
    def start(
        cls, model: nn.Module, *, bottleneck: int, seed: int, card: ModuleCard
    ) -> RankingAdapter:
        """An adapter that changes nothing yet: D drawn from the seed, U zero."""
        if bottleneck < 1:
            raise ModelError(f"a bottleneck has at least one number, not {bottleneck}")
        depth, width = len(transformer_layers(model)), hidden_width(model)
        generator = torch.Generator().manual_seed(seed)
        layers: list[Mapping[str, Tensor]] = [
            still_bottleneck(width, width, size=bottleneck, generator=generator)
            for _ in range(depth)
        ]
        return cls(layers, {}, card)

    def __add__(self, other: RankingAdapter) -> RankingAdapter:
        """Both adapters on the same states, outputs added. Raises ModelError for other bases."""
        card = self.card.plus(other.card, size=0)
        if self._shape() != other._shape():
            raise ModelError(
                f"adapters of two models: {self._shape()} and {other._shape()} (layers, width)"
            )
        layers = [_joined(a, b) for a, b in zip(self.layers, other.layers, strict=True)]
        head = dict(self.head)
        for name, change in other.head.items():
            own = head.get(name)
            if own is not None and own.shape != change.shape:
                raise ModelError(f"adapters of different models: {name} differs in its shape")
            head[name] = change if own is None else own + change
        return RankingAdapter(layers, head, card)

    def scaled(self, factor: float) -> RankingAdapter:
        """The output times a factor, and what is added to the head."""
        if not math.isfinite(factor):
            raise ModelError(f"an adapter can be scaled by a number, not by {factor}")
        layers = [
            {part: t * (factor if part.startswith("up.") else 1) for part, t in layer.items()}
            for layer in self.layers
        ]
        head = {name: change * factor for name, change in self.head.items()}
        return RankingAdapter([*layers], head, self.card.scaled(factor))

    def attach(self, model: nn.Module) -> None:
        """Put the adapter behind the layers, in place, beside those that are there already.

        Raises ModelError where it does not fit; the model is then as before.
        """
        self.check_fits(model)
        _state(model).put(model, [*_state(model).adapters, self])

    def detach(self, model: nn.Module) -> None:
        """Take it away again; the weights of the model are its own bit for bit.

        Raises ModelError where it was not attached.
        """
        state = _state(model)
        rest = [adapter for adapter in state.adapters if adapter is not self]
        if len(rest) == len(state.adapters):
            raise ModelError("this adapter is not in the model: attach it before it is detached")
        state.put(model, rest)

    def check_fits(self, model: nn.Module) -> None:
        """Raises ModelError where the model has other layers, or no such head."""
        found = (len(transformer_layers(model)), hidden_width(model))
        if found != self._shape():
            raise ModelError(
                f"the ranking adapter is of another model: it is for {self._shape()[0]} layers of "
                f"width {self._shape()[1]}, the model has {found[0]} of {found[1]}"
            )
        weights = named_weights(model)
        for name, change in self.head.items():
            weight = weights.get(name)
            if weight is None or weight.shape != change.shape:
                raise ModelError(
                    f"the ranking adapter is of another model: it was learnt with a {name} of "
                    f"shape {tuple(change.shape)}, which this {type(model).__name__} lacks"
                )

    def save(self, path: Path) -> None:
        """Write one file."""
        tensors = {HEAD + name: change for name, change in self.head.items()}
        for i, layer in enumerate(self.layers):
            tensors |= {f"layer.{i}.{part}": tensor for part, tensor in layer.items()}
        write_module(path, tensors, self.card)

    @classmethod
    def load(cls, path: Path, *, base: ModelBase | None = None) -> RankingAdapter:
        """Read a file. base: `model_base` of the model; an adapter of another one is refused.

        Raises ModelError naming the file and what is wrong in it.
        """
        card, tensors = read_module(path, "ranking")
        card = card.on(base, what=path)
        head = {n.removeprefix(HEAD): t for n, t in tensors.items() if n.startswith(HEAD)}
        depth = (len(tensors) - len(head)) // len(BOTTLENECK_PARTS)
        layers: list[Mapping[str, Tensor]] = [
            {part: tensors.get(f"layer.{i}.{part}", torch.empty(0)) for part in BOTTLENECK_PARTS}
            for i in range(depth)
        ]
        if flaw := _flaw(layers, tensors):
            raise ModelError(f"{path} is damaged: {flaw}")
        return cls(layers, head, card)

    @classmethod
    def learnt(
        cls, model: nn.Module, card: ModuleCard, *, head: Mapping[str, Tensor]
    ) -> RankingAdapter:
        """The adapter in a model as training has left it.

        head: the weights of the head before training, by name; what was added is kept.
        """
        bottlenecks: Any = getattr(transformer_of(model), RANKING)
        layers: list[Mapping[str, Tensor]] = [
            {name: p.detach().cpu().float().clone() for name, p in layer.named_parameters()}
            for layer in bottlenecks
        ]
        weights = named_weights(model)
        now = {name: weights[name].detach().cpu().float() for name in head}
        added = {name: now[name] - before.cpu().float() for name, before in head.items()}
        return cls(layers, added, card)

    def _shape(self) -> tuple[int, int]:
        return len(self.layers), len(self.layers[0]["up.bias"])


class _Added(Bottleneck):
    """One layer of an adapter, whose output is added to the layer's."""

    def behind(self, _layer: nn.Module, _inputs: Any, output: Any) -> Any:
        """A forward hook of the layer, whose output is the states or begins with them."""
        hidden = output[0] if isinstance(output, tuple) else output
        new = hidden + self(hidden)
        return (new, *output[1:]) if isinstance(output, tuple) else new


class _Attached:
    """The adapters in one transformer; what they add to its head is a mask in it."""

    def __init__(self) -> None:
        self.adapters: list[RankingAdapter] = []
        self._hooks: list[Any] = []
        self._head: SparseMask | None = None

    def put(self, model: nn.Module, adapters: list[RankingAdapter]) -> None:
        """Exactly these adapters, by their sum. model: the transformer or what wraps it."""
        total = functools.reduce(RankingAdapter.__add__, adapters) if adapters else None
        head = _head_mask(total) if total is not None and total.head else None
        if head is not None:
            head.apply(model)  # what can be refused comes before what is taken away
        if self._head is not None:
            self._head.remove(model)
        for hook in self._hooks:
            hook.remove()
        transformer = transformer_of(model)
        if hasattr(transformer, RANKING):
            delattr(transformer, RANKING)
        self._hooks = [] if total is None else _hooked(model, total)
        self._head, self.adapters = head, adapters


def _hooked(model: nn.Module, adapter: RankingAdapter) -> list[Any]:
    """Handles of the hooks that now put the adapter behind the layers."""
    layers = transformer_layers(model)
    bottlenecks = [_Added(layer) for layer in adapter.layers]
    first = next(p for p in layers[0].parameters() if p.is_floating_point())
    whole = nn.ModuleList(bottlenecks).to(first.device, first.dtype)
    transformer_of(model).add_module(RANKING, whole)
    return [
        layer.register_forward_hook(bottleneck.behind)
        for layer, bottleneck in zip(layers, bottlenecks, strict=True)
    ]


def _head_mask(adapter: RankingAdapter) -> SparseMask:
    """What an adapter adds to the head as a mask, which masks of a task add up with."""
    changes = {
        name: SparseChange(tuple(added.shape), torch.arange(added.numel()), added.flatten())
        for name, added in adapter.head.items()
    }
    return SparseMask(changes, replace(adapter.card, kind="mask", parts=()))


def _state(model: nn.Module) -> _Attached:
    """What is kept with a transformer, so that a copy of it has its own."""
    kept = vars(transformer_of(model))
    state = kept.get(_STATE)
    if not isinstance(state, _Attached):
        state = kept[_STATE] = _Attached()
    return state


def _joined(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Two bottlenecks side by side as one; their outputs are summed by the wider matrix."""
    return {
        "down.weight": torch.cat([one["down.weight"], other["down.weight"]]),
        "down.bias": torch.cat([one["down.bias"], other["down.bias"]]),
        "up.weight": torch.cat([one["up.weight"], other["up.weight"]], dim=1),
        "up.bias": one["up.bias"] + other["up.bias"],
    }


def _flaw(layers: list[Mapping[str, Tensor]], tensors: Mapping[str, Tensor]) -> str:
    """What is wrong with the tensors of a file, in words; empty for nothing."""
    if not layers:
        return "it has no layers"
    if layers[0]["up.weight"].ndim != 2:
        return "it lacks layer.0.up.weight"
    width, size = layers[0]["up.weight"].shape
    shapes = ((size, width), (size,), (width, size), (width,))
    for i, layer in enumerate(layers):
        for part, shape in zip(BOTTLENECK_PARTS, shapes, strict=True):
            if tuple(layer[part].shape) != shape:
                return f"layer.{i}.{part} is {tuple(layer[part].shape)}, expected {shape}"
    expected = {f"layer.{i}.{part}" for i in range(len(layers)) for part in BOTTLENECK_PARTS}
    odd = [name for name in tensors if name not in expected and not name.startswith(HEAD)]
    if odd:
        return f"it has a tensor {odd[0]!r} that is no part of an adapter"
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            return f"{name} is of type {tensor.dtype}, expected float32"
        if not bool(tensor.isfinite().all()):
            return f"{name} has values that are not finite"
    return ""
