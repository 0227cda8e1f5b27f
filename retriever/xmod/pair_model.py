"""X-MOD as a cross-encoder: `XmodForSequenceClassification`, its adapters chosen by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import XmodConfig, XmodForSequenceClassification, XmodModel

from xret.retriever.xmod.xmod import XmodAdapters, prepare_xmod
from xret.retriever.xmod.xmod_checkpoint import XmodCheckpoint

__all__ = ["leave_out_adapters", "prepare_xmod_pairs", "xmod_pair_model"]

_HEAD_STD = 0.02


def xmod_pair_model(
    folder: Path, *, seed: int, adapters: Sequence[str] | None = None
) -> XmodForSequenceClassification:
    """A cross-encoder of one label around the X-MOD encoder in a folder; its head is drawn anew.

    adapters: languages to keep, all where None. Raises ModelError and LanguageError as
    `load_xmod` does.
    """
    checkpoint = XmodCheckpoint.open(folder)
    encoder = checkpoint.load(checkpoint.adapters if adapters is None else adapters)
    settings = encoder.config.to_dict()
    settings |= {"num_labels": 1, "architectures": ["XmodForSequenceClassification"]}
    config = XmodConfig.from_dict(settings)
    with torch.device("meta"):
        model = XmodForSequenceClassification(config)
    plain: Any = model
    plain.roberta = _without_pooler(encoder)
    encoder.config = config
    plain.classifier.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in plain.classifier.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator) * _HEAD_STD
            parameter.copy_(drawn if name.endswith("weight") else torch.zeros_like(drawn))
    model.train(False)
    return model


def prepare_xmod_pairs(model: XmodForSequenceClassification) -> XmodAdapters:
    """Make a loaded cross-encoder group its adapters; `lang_ids` is then (b, t), one a token."""
    encoder: XmodModel = model.roberta
    return prepare_xmod(encoder)


def leave_out_adapters(model: XmodForSequenceClassification) -> Callable[[], None]:
    """Run every text as if there were no languages; returns what puts the adapters back."""
    layers: list[Any] = list(model.roberta.encoder.layer)
    before = [layer.output.adapter_modules for layer in layers]
    for layer in layers:
        layer.output.adapter_modules = nn.ModuleDict({"none": _Nothing()})

    def put_back() -> None:
        for layer, adapters in zip(layers, before, strict=True):
            layer.output.adapter_modules = adapters

    return put_back


class _Nothing(nn.Module):
    """An adapter that adds nothing."""

    def forward(self, hidden: Tensor) -> Tensor:
        return torch.zeros_like(hidden)


def _without_pooler(encoder: XmodModel) -> XmodModel:
    plain: Any = encoder
    plain.pooler = None
    return encoder
