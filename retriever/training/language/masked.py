"""Masked language modelling with the model's own word embeddings as its output layer.

Whole words are hidden (of scripts without spaces, single pieces). The states of a pre-norm
model live in the space of its embeddings, so that the score of a piece is the product of the
state and the embedding, both layer-normalised; beside it stands the piece's log frequency,
so that what is learnt is what the context tells. A checkpoint with a head (`lm_head.*`, as
transformers' XmodForMaskedLM has it) scores by that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from xret.retriever.encoders.wordpieces import IS_UNSPACED
from xret.retriever.training.language.adapted import OWN, AdaptedModel
from xret.types import FloatArray

__all__ = ["Candidates", "MaskedBatch", "MaskedHead", "MaskedLines", "masked_loss", "masked_losses"]

MASKED_SHARE = 0.15
_MASK, _RANDOM = 0.8, 0.1
"""Of the hidden words, the share that is masked and that is replaced; the rest stays."""

MAX_PIECES = 96
NEGATIVES = 2_000
_CANDIDATES = 4_000
_SHARPNESS = np.geomspace(0.5, 40.0, 24)
_HEAD = "lm_head."


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """ids, mask: (b, t); at: (m,) places in the flattened batch; hidden: (m,) what was there."""

    ids: Tensor
    mask: Tensor
    at: Tensor
    hidden: Tensor


class MaskedLines:
    """Lines in pieces, with words hidden anew in each batch."""

    def __init__(self, tokens: Tokenizer, lines: Sequence[str], *, mask: int, padding: int) -> None:
        self._mask, self._padding = mask, padding
        self._size = tokens.get_vocab_size()
        self.ids: list[list[int]] = []
        self._words: list[list[int]] = []
        for encoding in tokens.encode_batch(list(lines)):
            ids, words = encoding.ids[:MAX_PIECES], _words(encoding)[:MAX_PIECES]
            if any(word >= 0 for word in words):
                self.ids.append(ids)
                self._words.append(words)

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, rows: Sequence[int], rng: np.random.Generator) -> MaskedBatch:
        """Those lines with `MASKED_SHARE` of their words hidden, one at least in each."""
        width = max(len(self.ids[row]) for row in rows)
        ids = np.full((len(rows), width), self._padding, np.int64)
        seen = np.zeros((len(rows), width), np.int64)
        at, hidden = [], []
        for place, row in enumerate(rows):
            pieces, words = self.ids[row], np.array(self._words[row])
            ids[place, : len(pieces)] = pieces
            seen[place, : len(pieces)] = 1
            n_words = int(words.max()) + 1
            n = max(1, round(MASKED_SHARE * n_words))
            for word in rng.choice(n_words, min(n, n_words), replace=False).tolist():
                where = np.flatnonzero(words == word)
                at += (place * width + where).tolist()
                hidden += ids[place, where].tolist()
                fate = rng.random()
                if fate < _MASK:
                    ids[place, where] = self._mask
                elif fate < _MASK + _RANDOM:
                    ids[place, where] = rng.integers(3, self._size, len(where))
        return MaskedBatch(
            torch.from_numpy(ids), torch.from_numpy(seen), torch.tensor(at), torch.tensor(hidden)
        )


class MaskedHead(nn.Module):
    """Scores of pieces for hidden states; what it learns belongs to the training only."""

    def __init__(self, folder: Path, width: int, *, eps: float) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(1.0))
        self._own = _read_head(folder)
        self._width, self._eps = width, eps

    def forward(self, states: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
        """(m, c) scores of the pieces `ids`, whose embeddings are rows (c, d)."""
        scores = self.products(states, rows, ids)
        return scores if self._own else scores * self.sharpness

    def products(self, states: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
        """(m, c) scores before the sharpness."""
        if not self._own:
            states, rows = (functional.layer_norm(x, (self._width,)) for x in (states, rows))
            return (states @ rows.T) / math.sqrt(self._width)
        own = self._own
        states = functional.gelu(functional.linear(states, own["dense.weight"], own["dense.bias"]))
        states = functional.layer_norm(
            states, (self._width,), own["layer_norm.weight"], own["layer_norm.bias"], self._eps
        )
        bias = own.get("bias", own.get("decoder.bias"))
        return states @ rows.T + (0 if bias is None else bias[ids.clamp(max=len(bias) - 1)])

    def learnt(self) -> dict[str, nn.Parameter]:
        """What belongs to the training only."""
        return {} if self._own else {"sharpness": self.sharpness}

    @property
    def is_given(self) -> bool:
        """Whether the checkpoint brought it."""
        return bool(self._own)


class Candidates:
    """Pieces among which a hidden one is to be found, and their log frequencies."""

    def __init__(self, model: AdaptedModel, lines: MaskedLines) -> None:
        n_rows = model.n_rows
        counts = np.bincount(np.concatenate([np.array(ids) for ids in lines.ids]), minlength=n_rows)
        self.log_shares = torch.from_numpy(np.log((counts + 0.1) / (counts + 0.1).sum())).float()
        self.fixed = torch.from_numpy(
            np.union1d(
                np.argsort(-counts, kind="stable")[:_CANDIDATES],
                np.linspace(0, n_rows - 1, min(_CANDIDATES, n_rows), dtype=np.int64),
            )
        )

    def drawn(self, hidden: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """(ids of the batch's own hidden pieces and random frequent ones, where each of hidden is).

        hidden: (m,). Returns (c,) ascending and (m,) positions in it.
        """
        picked = torch.from_numpy(rng.choice(len(self.fixed), min(NEGATIVES, len(self.fixed))))
        ids = torch.unique(torch.cat([hidden, self.fixed[picked]]))
        return ids, torch.searchsorted(ids, hidden)

    def all_with(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """As `drawn`, with every fixed candidate."""
        ids = torch.unique(torch.cat([hidden, self.fixed]))
        return ids, torch.searchsorted(ids, hidden)


def masked_loss(
    model: AdaptedModel,
    head: MaskedHead,
    batch: MaskedBatch,
    candidates: Candidates,
    rng: np.random.Generator,
) -> Tensor:
    """Mean loss of the batch's hidden pieces through the new adapter, for training."""
    ids, places = candidates.drawn(batch.hidden, rng)
    states = model.hidden(batch.ids, batch.mask, OWN).flatten(0, 1)[batch.at]
    scores = head(states, model.rows(ids), ids)
    if not head.is_given:
        scores = scores + candidates.log_shares[ids]
    return functional.cross_entropy(scores, places)


@torch.no_grad()
def masked_losses(
    model: AdaptedModel,
    head: MaskedHead,
    lines: MaskedLines,
    candidates: Candidates,
    *,
    adapter: str,
    seed: int,
) -> tuple[FloatArray, float]:
    """((m,) losses in nats of hidden pieces, the same for every adapter; the best sharpness).

    No adapter is at a loss for a sharpness that was learnt for another: each has its best.
    """
    rng = np.random.default_rng([seed, 3])
    batches = [
        lines.batch(range(start, min(start + 32, len(lines))), rng)
        for start in range(0, len(lines), 32)
    ]
    ids, places = candidates.all_with(torch.cat([batch.hidden for batch in batches]))
    states = torch.cat([model.hidden(b.ids, b.mask, adapter).flatten(0, 1)[b.at] for b in batches])
    products = head.products(states, model.rows(ids), ids)
    prior = 0 if head.is_given else candidates.log_shares[ids]
    found = []
    for sharpness in [1.0] if head.is_given else _SHARPNESS.tolist():
        losses = functional.cross_entropy(products * sharpness + prior, places, reduction="none")
        found.append((float(losses.mean()), sharpness, losses))
    _, best, losses = min(found, key=lambda one: one[0])
    return losses.numpy(), best


def _words(encoding: object) -> list[int]:
    """Which word each piece is of, counted from 0; -1 for special tokens."""
    found: list[int] = []
    number, last = -1, None
    words: list[int | None] = encoding.word_ids  # type: ignore[attr-defined]
    pieces: list[str] = encoding.tokens  # type: ignore[attr-defined]
    for word, piece in zip(words, pieces, strict=True):
        if word is None:
            found.append(-1)
            continue
        if word != last or IS_UNSPACED.search(piece):
            number, last = number + 1, word
        found.append(number)
    return found


def _read_head(folder: Path) -> dict[str, Tensor]:
    """The head of a masked language model, {} where the checkpoint has none."""
    path = folder / "model.safetensors"
    if not path.is_file():
        return {}
    with safe_open(path, framework="pt") as file:
        found = {
            name.rpartition(_HEAD)[2]: file.get_tensor(name).float()
            for name in file.keys()  # noqa: SIM118 (no mapping)
            if _HEAD in name
        }
    return found if {"dense.weight", "dense.bias", "layer_norm.weight"} <= found.keys() else {}
