"""Weights under one name each, whatever wraps the transformer.

The same matrix is `encoder.layer.0…` in a bare encoder, `bert.encoder.layer.0…` below a
classifier or a head for masked words, `0.model.encoder.layer.0…` in sentence-transformers. A
module learnt in one of them is used in another, so names here begin at the bare transformer;
what lies beside it keeps its name: `classifier.weight`, `1.linear.weight` for the second of
sentence-transformers' modules.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from xret.errors import ModelError

__all__ = [
    "LANGUAGE_ADAPTERS",
    "RANKING",
    "head_names",
    "hidden_width",
    "named_weights",
    "transformer_layers",
    "transformer_of",
]

RANKING = "ranking_adapter"
"""Where an attached ranking adapter lies in the transformer; no weights of the model's own."""

LANGUAGE_ADAPTERS = "language_adapters"
"""Where attached language adapters lie, which are none of its own either."""


def hidden_width(model: nn.Module) -> int:
    """How wide the states of a model's transformer are."""
    transformer: Any = transformer_of(model)
    return int(transformer.config.hidden_size)


def transformer_of(model: nn.Module) -> nn.Module:
    """The bare transformer in a model of transformers or sentence-transformers.

    A model of neither is taken for bare itself.
    """
    outer = _outer(model)
    base: nn.Module = getattr(outer, "base_model", outer)
    return base


def named_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter once, those of attached adapters left out."""
    outer = _outer(model)
    names = _names(outer) | _names(transformer_of(model))
    added = {id(p) for p in _added(model)}
    found: dict[str, nn.Parameter] = {}
    for wrapped, parameter in model.named_parameters():
        if id(parameter) not in added:
            found[names.get(id(parameter), wrapped)] = parameter
    return found


def head_names(model: nn.Module) -> tuple[str, ...]:
    """Names of the weights beside the transformer: a classifier, a projection, a pooling."""
    inside = {id(parameter) for parameter in transformer_of(model).parameters()}
    return tuple(name for name, p in named_weights(model).items() if id(p) not in inside)


def transformer_layers(model: nn.Module) -> list[nn.Module]:
    """The layers of the transformer, from the bottom.

    Raises ModelError where it has no list of them.
    """
    transformer = transformer_of(model)
    config: Any = getattr(transformer, "config", None)
    depth = getattr(config, "num_hidden_layers", None)
    lists = [child for child in transformer.modules() if isinstance(child, nn.ModuleList)]
    lists = [layers for layers in lists if len(layers) == depth]
    if not lists:
        raise ModelError(
            f"a {type(transformer).__name__} has no layers that an adapter could stand behind; "
            "ranking adapters are for transformers such as BERT, XLM-R and X-MOD"
        )
    return list(max(lists, key=_size))


def _size(module: Any) -> int:
    return sum(int(parameter.numel()) for parameter in module.parameters())


def _outer(model: nn.Module) -> nn.Module:
    """The model of transformers in one of sentence-transformers; any other model itself."""
    inner = getattr(model, "transformers_model", None)
    return inner if isinstance(inner, nn.Module) else model


def _names(model: nn.Module) -> dict[int, str]:
    return {id(parameter): name for name, parameter in model.named_parameters()}


def _added(model: nn.Module) -> list[nn.Parameter]:
    transformer = transformer_of(model)
    attached = [getattr(transformer, name, None) for name in (RANKING, LANGUAGE_ADAPTERS)]
    return [p for one in attached if isinstance(one, nn.Module) for p in one.parameters()]
