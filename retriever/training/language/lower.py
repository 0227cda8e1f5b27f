"""The states of texts below the first layer that learns, and a model that begins above them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

__all__ = ["LowerStates", "lower_layers", "upper_layers"]


class LowerStates:
    """By text, its pieces and their states, in float16."""

    def __init__(self, padding: int) -> None:
        self._padding = padding
        self._kept: dict[str, tuple[Tensor, Tensor]] = {}

    def holds(self, texts: Sequence[str]) -> bool:
        """Whether all of them have been added."""
        return all(text in self._kept for text in texts)

    def add(self, texts: Sequence[str], ids: Tensor, mask: Tensor, states: Tensor) -> None:
        """Texts of (b, t) pieces, those that the mask says, with states (b, t, d)."""
        for row, text in enumerate(texts):
            real = mask[row].bool()
            self._kept[text] = (ids[row][real].clone(), states[row][real].half())

    def batch(self, texts: Sequence[str]) -> tuple[dict[str, Tensor], Tensor]:
        """(input_ids and attention_mask (b, t), states (b, t, d) float32)."""
        pieces, states = zip(*(self._kept[text] for text in texts), strict=True)
        ids = pad_sequence(list(pieces), batch_first=True, padding_value=self._padding)
        mask = pad_sequence([torch.ones_like(each) for each in pieces], batch_first=True)
        padded = pad_sequence([each.float() for each in states], batch_first=True)
        return {"input_ids": ids, "attention_mask": mask}, padded


@contextmanager
def lower_layers(backbone: Any, first: int) -> Iterator[None]:
    """Within the block the model ends below layer `first`."""
    layers = backbone.encoder.layer
    backbone.encoder.layer = layers[:first]
    try:
        yield
    finally:
        backbone.encoder.layer = layers


@contextmanager
def upper_layers(backbone: Any, first: int, states: Tensor) -> Iterator[None]:
    """Within the block the model begins at layer `first`, with states (b, t, d)."""
    layers, embeddings = backbone.encoder.layer, backbone.embeddings
    backbone.encoder.layer, backbone.embeddings = layers[first:], _Given(states)
    try:
        yield
    finally:
        backbone.encoder.layer, backbone.embeddings = layers, embeddings


class _Given(nn.Module):
    """What comes in place of embeddings, whichever pieces are asked for."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self._states = states

    def forward(self, **_: Any) -> Tensor:
        """(b, t, d)."""
        return self._states
