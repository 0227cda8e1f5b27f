"""A vocabulary with pieces at its end whose rows learn, before frozen ones that do not."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["GrownEmbedding", "grown_tokenizer"]


class GrownEmbedding(nn.Module):
    """The rows of an embedding, never with gradients, and new ones behind them."""

    def __init__(self, embedding: nn.Embedding, rows: Tensor) -> None:
        super().__init__()
        self.register_buffer("frozen", embedding.weight.detach())
        self.rows = nn.Parameter(rows.clone())
        self._first = len(embedding.weight)
        self.num_embeddings = self._first + len(rows)
        self.padding_idx = embedding.padding_idx

    def forward(self, ids: Tensor) -> Tensor:
        """(...) ids to (..., d)."""
        frozen: Tensor = self.frozen  # type: ignore[assignment]
        new = ids >= self._first
        made = functional.embedding(torch.where(new, 0, ids), frozen)
        if not bool(new.any()):
            return made
        own = functional.embedding((ids - self._first).clamp_min(0), self.rows)
        return torch.where(new[..., None], own, made)


def grown_tokenizer(tokens: Tokenizer, pieces: Sequence[str], *, n_rows: int) -> Tokenizer:
    """A WordPiece tokenizer with pieces at the end of its vocabulary, from row `n_rows` on."""
    content = json.loads(tokens.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {piece: n_rows + number for number, piece in enumerate(pieces)}
    made: Tokenizer = Tokenizer.from_str(json.dumps(content))
    return made
