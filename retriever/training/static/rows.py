"""The trained table of vectors, and an optimiser that touches only the rows of a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from xret.retriever.training.static.pieces import WORD_START, Pieces
from xret.types import IntArray

__all__ = ["TouchedRows", "TrainedRows", "word_starts"]

_MOMENTUM, _VARIANCE = 0.9, 0.99
_FREQUENT = 1e-4
_SMALLEST_START = 0.02


class TrainedRows:
    """(v, d) vectors under lazy Adam: one second moment a row, rows of a step only.

    A row keeps its own step count, so that a rare piece's first update is bias-corrected
    like a frequent one's (Kingma and Ba 2015, applied row by row).
    """

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values
        self.momentum = torch.zeros_like(values)
        self.variance = torch.zeros(len(values), 1)
        self.ages = torch.zeros(len(values))

    @classmethod
    def start(cls, counts: IntArray, *, dim: int, seed: int) -> TrainedRows:
        """Random directions; frequent pieces begin shorter (Arora, Liang and Ma 2017)."""
        generator = torch.Generator().manual_seed(seed)
        share = counts / max(1, counts.sum())
        lengths = np.maximum(_FREQUENT / (_FREQUENT + share), _SMALLEST_START) / 2
        directions = torch.randn(len(counts), dim, generator=generator) / dim**0.5
        return cls(directions * torch.from_numpy(lengths).float()[:, None])

    def touch(self, texts: Sequence[Pieces]) -> TouchedRows:
        """The rows of those texts as leaves of a new graph."""
        return TouchedRows(self, texts)

    def update(self, touched: torch.Tensor, gradient: torch.Tensor, rate: float) -> None:
        """One Adam step on the rows `touched` (n,), from their gradient (n, d)."""
        self.ages[touched] += 1
        age = self.ages[touched][:, None]
        momentum = self.momentum[touched].mul_(_MOMENTUM).add_(gradient, alpha=1 - _MOMENTUM)
        square = gradient.square().mean(1, keepdim=True)
        variance = self.variance[touched].mul_(_VARIANCE).add_(square, alpha=1 - _VARIANCE)
        self.momentum[touched] = momentum
        self.variance[touched] = variance
        size = (variance / (1 - _VARIANCE**age)).sqrt() + 1e-9
        self.values[touched] -= rate * (momentum / (1 - _MOMENTUM**age)) / size

    def state(self) -> dict[str, torch.Tensor]:
        """Everything a later run needs to go on."""
        return {
            "rows": self.values,
            "momentum": self.momentum,
            "variance": self.variance,
            "ages": self.ages,
        }

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """The opposite of `state`."""
        self.values = tensors["rows"]
        self.momentum = tensors["momentum"]
        self.variance = tensors["variance"]
        self.ages = tensors["ages"]


class TouchedRows:
    """The distinct rows of some texts, and sums of them over texts and over words."""

    def __init__(self, table: TrainedRows, texts: Sequence[Pieces]) -> None:
        self._table = table
        self._texts = texts
        ids = torch.from_numpy(np.concatenate([text.ids for text in texts])).long()
        self._touched, places = torch.unique(ids, return_inverse=True)
        self._leaf = table.values[self._touched].requires_grad_(True)
        self._places = places.split([len(text.flagged) for text in texts])

    def texts(self, which: int) -> torch.Tensor:
        """(n, d): each text's sum of rows at unit length."""
        offsets = torch.from_numpy(self._texts[which].offsets[:-1])
        sums = functional.embedding_bag(self._places[which], self._leaf, offsets, mode="sum")
        return functional.normalize(sums, dim=1)

    def words(self, which: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(w, d): each word's sum of rows; (n + 1,): where each text's words begin."""
        starts, offsets = word_starts(self._texts[which])
        sums = functional.embedding_bag(self._places[which], self._leaf, starts, mode="sum")
        return sums, offsets

    def update(self, rate: float) -> None:
        """Step the table by the gradient gathered here."""
        if self._leaf.grad is not None:
            self._table.update(self._touched, self._leaf.grad, rate)


def word_starts(pieces: Pieces) -> tuple[torch.Tensor, torch.Tensor]:
    """(w,): where each word begins; (n + 1,): number of words before each text."""
    begins = pieces.flagged >= WORD_START
    # A text cut in its middle may begin inside a word.
    nonempty = pieces.offsets[:-1] < pieces.offsets[1:]
    begins[pieces.offsets[:-1][nonempty]] = True
    before = np.concatenate([[0], np.cumsum(begins)])
    return torch.from_numpy(np.flatnonzero(begins)), torch.from_numpy(before[pieces.offsets])
