"""X-MOD for one graph: the adapters as stacked tensors, from which each text takes its own.

A choice among modules is lost on an exporter, which follows one run; a lookup is not. Adapters
that are the same function are one row of the stack, and those that change nothing are left out
where there are no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import XmodModel

from xret.retriever.xmod.grouping import ChosenAdapter
from xret.retriever.xmod.spellings import adapter_spelling
from xret.retriever.xmod.xmod_checkpoint import assemble_xmod

__all__ = ["stack_adapters"]

_STILL = ""
"""Stands for an adapter that changes nothing."""


@torch.no_grad()
def stack_adapters(model: XmodModel, adapters: Sequence[str]) -> tuple[XmodModel, list[int]]:
    """The same model with some of its adapters stacked, and the row of each of them.

    Its `lang_ids` (b,) are rows, one a text. Equal adapters have one row. The shared weights
    are those of the given model, not copied. Raises LanguageError for an adapter that is not
    installed.
    """
    outputs: list[Any] = [layer.output for layer in _layers(model)]
    spellings = [adapter_spelling(name, list(outputs[0].adapter_modules)) for name in adapters]
    keys = [_content([output.adapter_modules[name] for output in outputs]) for name in spellings]
    distinct = list(dict.fromkeys(keys))
    chosen = [spellings[keys.index(key)] for key in distinct]
    shared = {name: w for name, w in model.state_dict().items() if ".adapter_modules." not in name}
    stacked = assemble_xmod(model.config, shared, spellings=[])
    for layer, output in zip(_layers(stacked), outputs, strict=True):
        layer.output.__class__ = _StackedOutput
        rows = [output.adapter_modules[name] for name in chosen]
        layer.output.stack = None if distinct == [_STILL] else _Stack(rows)
    return stacked, [distinct.index(key) for key in keys]


class _Stack(nn.Module):
    """Adapters of one layer: r rows, from d numbers to a bottleneck and back."""

    def __init__(self, adapters: Sequence[Any]) -> None:
        super().__init__()
        self.activation = adapters[0].adapter_act_fn
        for name in ("dense1", "dense2"):
            products = [getattr(adapter, name) for adapter in adapters]
            weight = torch.stack([product.weight.detach().t() for product in products])
            # (r, 1, n), not (r, n): the table of a vocabulary has two axes, and is rounded.
            bias = torch.stack([product.bias.detach()[None] for product in products])
            self.register_buffer(f"{name}_weight", weight.contiguous())
            self.register_buffer(f"{name}_bias", bias)

    def forward(self, rows: Tensor, hidden: Tensor) -> Tensor:
        """(b,) rows and (b, t, d) states to (b, t, d), each text by its row."""
        inner = self.activation(self._product("dense1", rows, hidden))
        return self._product("dense2", rows, inner)

    def _product(self, name: str, rows: Tensor, hidden: Tensor) -> Tensor:
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        if len(weight) == 1:  # without a choice it is a product like any other
            weight, bias = weight[0], bias[0]
        else:
            weight, bias = weight[rows], bias[rows]
        product: Tensor = hidden @ weight + bias
        return product


class _StackedOutput(ChosenAdapter):
    """The end of a layer: each text by its row of the stack; lang_ids are the rows."""

    stack: _Stack | None

    def chosen(self, lang_ids: Any, hidden: Tensor) -> Tensor:
        if self.stack is None:
            return hidden.new_zeros(())
        adapted: Tensor = self.stack(lang_ids, hidden)
        return adapted


def _layers(model: XmodModel) -> list[Any]:
    return list(model.encoder.layer)


def _content(layers: Sequence[Any]) -> str:
    """Equal for adapters that are the same function in every layer."""
    if not any(bool(tensor.any()) for layer in layers for tensor in layer.dense2.parameters()):
        return _STILL
    digest = hashlib.sha256()
    for layer in layers:
        for tensor in layer.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
