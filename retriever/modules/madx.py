"""MAD-X's language adapters, for encoders that were made without any.

In each layer a bottleneck reads what the layer's normalised output would be, and what it gives
is added before that norm: LN(x + h) becomes LN(x + h + U relu(D LN(x + h) + a) + b). Embeddings
may go through a coupling that can be undone, and where words are guessed it is undone before
the last product (Pfeiffer, Vulić, Gurevych and Ruder 2020). The model itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    bottleneck_flaw,
    still_bottleneck,
)
from xret.retriever.modules.coupling import COUPLING_PARTS, Coupling, coupling_flaw, still_coupling
from xret.retriever.modules.named_weights import hidden_width, transformer_layers, transformer_of

__all__ = ["MadxAdapter", "MadxModule", "last_norms", "madx_flaw"]

_COUPLING = "coupling."


class MadxAdapter:
    """The weights of one language's adapter, and its card; a value.

    layers: for each layer of the transformer, from the bottom, down.weight (r, d), down.bias
    (r,), up.weight (d, r) and up.bias (d,), float32. coupling: of the embeddings, as `Coupling`
    names its tensors; None for an adapter without.
    """

    def __init__(
        self,
        layers: Sequence[Mapping[str, Tensor]],
        coupling: Mapping[str, Tensor] | None,
        card: ModuleCard,
    ) -> None:
        self.layers = [dict(layer) for layer in layers]
        self.coupling = None if coupling is None else dict(coupling)
        size = len(self.layers[0]["down.bias"])
        self.card = replace(card, size=size, invertible=coupling is not None)

    @classmethod
    def start(
        cls, model: nn.Module, *, bottleneck: int, invertible: bool, seed: int, card: ModuleCard
    ) -> MadxAdapter:
        """An adapter that changes nothing yet. Raises ModelError for a model that takes none."""
        if bottleneck < 1:
            raise ModelError(f"a bottleneck has at least one number, not {bottleneck}")
        depth, width = len(last_norms(model)), hidden_width(model)
        generator = torch.Generator().manual_seed(seed)
        layers = [
            still_bottleneck(width, width, size=bottleneck, generator=generator)
            for _ in range(depth)
        ]
        coupling = still_coupling(width, generator=generator) if invertible else None
        return cls(layers, coupling, card)

    @classmethod
    def learnt(cls, module: MadxModule, card: ModuleCard) -> MadxAdapter:
        """The adapter as training has left it."""
        layers = [_values(layer) for layer in module.layers]
        coupling = module.coupling
        return cls(layers, None if coupling is None else _values(coupling), card)

    def module(self) -> MadxModule:
        """It as something that computes and may learn."""
        return MadxModule(self.layers, self.coupling)

    def check_fits(self, model: nn.Module) -> None:
        """Raises ModelError where the model has other layers, or takes no such adapter."""
        shape = (len(last_norms(model)), hidden_width(model))
        own = (len(self.layers), len(self.layers[0]["up.bias"]))
        if shape != own:
            raise ModelError(
                f"the language adapter is of another model: it is for {own[0]} layers of width "
                f"{own[1]}, the model has {shape[0]} of {shape[1]}"
            )

    def save(self, path: Path) -> None:
        """Write one file."""
        coupling = self.coupling or {}
        tensors = {_COUPLING + part: tensor for part, tensor in coupling.items()}
        for i, layer in enumerate(self.layers):
            tensors |= {f"layer.{i}.{part}": tensor for part, tensor in layer.items()}
        write_module(path, tensors, self.card)

    @classmethod
    def load(cls, path: Path, *, base: ModelBase | None = None) -> MadxAdapter:
        """Read a file. base: `model_base` of the model; an adapter of another one is refused.

        Raises ModelError naming the file and what is wrong in it.
        """
        card, tensors = read_module(path, "language")
        card = card.on(base, what=path)
        coupling = {
            name.removeprefix(_COUPLING): tensor
            for name, tensor in tensors.items()
            if name.startswith(_COUPLING)
        }
        depth = (len(tensors) - len(coupling)) // len(BOTTLENECK_PARTS)
        layers = [
            {
                part: tensors[name]
                for part in BOTTLENECK_PARTS
                if (name := f"layer.{i}.{part}") in tensors
            }
            for i in range(depth)
        ]
        known = {f"layer.{i}.{part}" for i in range(depth) for part in BOTTLENECK_PARTS}
        odd = sorted(set(tensors) - known - {_COUPLING + part for part in COUPLING_PARTS})
        flaw = madx_flaw(layers, coupling or None)
        if flaw or odd:
            told = flaw or f"it has a tensor {odd[0]!r} that is no part of an adapter"
            raise ModelError(f"{path} is damaged: {told}")
        return cls(layers, coupling or None, card)


class MadxModule(nn.Module):
    """One adapter's layers and, where it has one, its coupling."""

    def __init__(
        self, layers: Sequence[Mapping[str, Tensor]], coupling: Mapping[str, Tensor] | None
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Bottleneck(layer) for layer in layers])
        self.coupling = None if coupling is None else Coupling(coupling)


def madx_flaw(layers: Sequence[Mapping[str, Tensor]], coupling: Mapping[str, Tensor] | None) -> str:
    """What is wrong with the tensors of an adapter, in words; empty for nothing."""
    if not layers or "up.bias" not in layers[0]:
        return "it has no layers"
    width = len(layers[0]["up.bias"])
    for i, layer in enumerate(layers):
        if flaw := bottleneck_flaw(layer, width, width):
            return f"of layer {i}, {flaw}"
    return "" if coupling is None else coupling_flaw(coupling, width)


def last_norms(model: nn.Module) -> list[nn.LayerNorm]:
    """The norm that ends each layer, from the bottom.

    Raises ModelError for a transformer that is built otherwise, and for X-MOD, which has
    language adapters of its own.
    """
    transformer: Any = transformer_of(model)
    if transformer.config.model_type == "xmod":
        raise ModelError(
            "X-MOD has language adapters of its own; a language is added to it by: xret lang add"
        )
    layers: list[Any] = [*transformer_layers(model)]
    ends = [
        getattr(layer, "output_layer_norm", None)
        or getattr(getattr(layer, "output", None), "LayerNorm", None)
        for layer in layers
    ]
    norms = [norm for norm in ends if isinstance(norm, nn.LayerNorm)]
    if len(norms) < len(layers):
        raise ModelError(
            f"the layers of a {type(transformer).__name__} do not end in a norm, before which a "
            "language adapter stands; such adapters are for BERT, RoBERTa, XLM-R and DistilBERT"
        )
    return norms


def _values(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().cpu().float().clone() for name, p in module.named_parameters()}
