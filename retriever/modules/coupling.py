"""A bend of the embeddings that can be undone: NICE's additive coupling, in MAD-X's form.

The two halves of a vector are moved in turn, each by what a bottleneck makes of the other
(Dinh, Krueger and Bengio 2015; Pfeiffer, Vulić, Gurevych and Ruder 2020): y1 = x1 + F(x2), then
y2 = x2 + G(y1). Whatever F and G are, x follows from y: x2 = y2 - G(y1), x1 = y1 - F(x2).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from xret.retriever.modules.bottleneck import (
    BOTTLENECK_PARTS,
    Bottleneck,
    bottleneck_flaw,
    still_bottleneck,
)

__all__ = ["COUPLING_PARTS", "Coupling", "coupling_flaw", "still_coupling"]

_SIDES = ("f", "g")
COUPLING_PARTS = tuple(f"{side}.{part}" for side in _SIDES for part in BOTTLENECK_PARTS)
_REDUCTION = 2


class Coupling(nn.Module):
    """An invertible map of vectors of d numbers.

    tensors: `f.down.weight` and so on, of the bottleneck that moves the first d // 2 numbers by
    the others, and `g.…` of the one that moves the others by the first.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.f, self.g = (Bottleneck(_side(tensors, side)) for side in _SIDES)

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, d) to (…, d)."""
        first, second = self._halves(hidden)
        first = first + self.f(second)
        return torch.cat([first, second + self.g(first)], dim=-1)

    def inverse(self, hidden: Tensor) -> Tensor:
        """What `forward` made these of, up to the rounding of float32."""
        first, second = self._halves(hidden)
        second = second - self.g(first)
        return torch.cat([first - self.f(second), second], dim=-1)

    def _halves(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        split = len(self.f.up.bias)
        return hidden[..., :split], hidden[..., split:]


def still_coupling(width: int, *, generator: torch.Generator) -> dict[str, Tensor]:
    """The tensors of one that leaves vectors as they are, before it has learnt."""
    halves = (width // 2, width - width // 2)
    tensors: dict[str, Tensor] = {}
    for side, n_out, n_in in (("f", *halves), ("g", *halves[::-1])):
        size = max(n_in // _REDUCTION, 1)
        drawn = still_bottleneck(n_in, n_out, size=size, generator=generator)
        tensors |= {f"{side}.{part}": tensor for part, tensor in drawn.items()}
    return tensors


def coupling_flaw(tensors: Mapping[str, Tensor], width: int) -> str:
    """What is wrong with the tensors, in words; empty for nothing."""
    halves = (width // 2, width - width // 2)
    for side, n_out, n_in in (("f", *halves), ("g", *halves[::-1])):
        if flaw := bottleneck_flaw(_side(tensors, side), n_in, n_out):
            return f"of its coupling's {side}, {flaw}"
    return ""


def _side(tensors: Mapping[str, Tensor], side: str) -> dict[str, Tensor]:
    named = {part: tensors.get(f"{side}.{part}") for part in BOTTLENECK_PARTS}
    return {part: tensor for part, tensor in named.items() if tensor is not None}
