"""A bottleneck: from a wide state to a few numbers, a bend, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BOTTLENECK_PARTS", "Bottleneck", "bottleneck_flaw", "still_bottleneck"]

BOTTLENECK_PARTS = ("down.weight", "down.bias", "up.weight", "up.bias")


class Bottleneck(nn.Module):
    """U relu(D h + a) + b, in the type of h.

    tensors: down.weight (r, n), down.bias (r,), up.weight (m, r) and up.bias (m,), for states of
    n numbers to m.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        size, width = tensors["down.weight"].shape
        self.down = nn.Linear(width, size, device="meta")
        self.up = nn.Linear(size, len(tensors["up.bias"]), device="meta")
        self.load_state_dict({name: t.clone() for name, t in tensors.items()}, assign=True)

    def forward(self, hidden: Tensor) -> Tensor:
        narrow = functional.relu(self.down(hidden.to(self.down.weight.dtype)))
        wide: Tensor = self.up(narrow)
        return wide.to(hidden.dtype)


def still_bottleneck(
    n_in: int, n_out: int, *, size: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """One that gives zeros whatever it reads: D drawn, U zero."""
    return {
        "down.weight": torch.randn(size, n_in, generator=generator) / n_in**0.5,
        "down.bias": torch.zeros(size),
        "up.weight": torch.zeros(n_out, size),
        "up.bias": torch.zeros(n_out),
    }


def bottleneck_flaw(tensors: Mapping[str, Tensor], n_in: int, n_out: int) -> str:
    """What is wrong with the tensors of a bottleneck, in words; empty for nothing."""
    bias = tensors.get("down.bias")
    if bias is None or bias.ndim != 1 or not len(bias):
        return "it lacks down.bias"
    size = len(bias)
    shapes = ((size, n_in), (size,), (n_out, size), (n_out,))
    for part, shape in zip(BOTTLENECK_PARTS, shapes, strict=True):
        tensor = tensors.get(part)
        if tensor is None:
            return f"it lacks {part}"
        if tuple(tensor.shape) != shape:
            return f"{part} is {tuple(tensor.shape)}, expected {shape}"
        if tensor.dtype != torch.float32:
            return f"{part} is of type {tensor.dtype}, expected float32"
        if not bool(tensor.isfinite().all()):
            return f"{part} has values that are not finite"
    return ""
