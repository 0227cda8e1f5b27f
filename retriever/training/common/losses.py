"""What training minimises: contrastive losses over whole texts and over MaxSim scores."""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["contrastive", "maxsim_matrix", "mix", "ranking"]

_MASKED = -1e4


def contrastive(
    left: torch.Tensor, right: torch.Tensor, scale: torch.Tensor, same: torch.Tensor
) -> torch.Tensor:
    """InfoNCE both ways over (n, d) rows of unit length; pairs in `same` are no negatives.

    The products are made in bfloat16, which CPUs with AMX multiply many times faster.
    """
    products = (left.bfloat16() @ right.bfloat16().T).float() * scale
    return ranking(products, same)


def ranking(scores: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the diagonal of (n, n) scores, over rows and over columns."""
    scores = scores.masked_fill(same, _MASKED)
    target = torch.arange(len(scores), device=scores.device)
    rows = functional.cross_entropy(scores, target)
    return (rows + functional.cross_entropy(scores.T, target)) / 2


def mix(
    words: torch.Tensor, offsets: torch.Tensor, *, token: float, text: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Words (w, d) with their text's direction mixed in, as the encoder makes them.

    Returns vectors (w, d), the words' lengths (w,), each word's text (w,) and the texts (n, d).
    """
    lengths = words.norm(dim=1).clamp_min(1e-6)
    n_words = offsets[1:] - offsets[:-1]
    owner = torch.repeat_interleave(torch.arange(len(n_words)), n_words)
    places = torch.arange(len(words))
    texts = functional.embedding_bag(places, words, offsets[:-1], mode="sum")
    texts = functional.normalize(texts, dim=1)
    mixed = token * words / lengths[:, None] + text * texts[owner]
    return functional.normalize(mixed, dim=1), lengths, owner, texts


def maxsim_matrix(
    queries: torch.Tensor,
    shares: torch.Tensor,
    owner: torch.Tensor,
    documents: torch.Tensor,
    offsets: torch.Tensor,
    *,
    n_queries: int,
    longest: int,
) -> torch.Tensor:
    """(n, m) scores of every query with every document, of which `longest` vectors are read.

    queries: (q, d), the vectors of n queries; shares, owner: (q,); documents: (t, d);
    offsets: (m + 1,). A query without vectors scores 0 everywhere. A document is
    filled up with its own first vector, which changes no maximum.
    """
    sizes = offsets[1:] - offsets[:-1]
    width = min(int(sizes.max()), longest)
    step = torch.arange(width, device=documents.device)[None, :]
    places = offsets[:-1, None] + torch.where(step < sizes[:, None], step, 0)
    places = places.clamp(max=len(documents) - 1)
    products = queries.bfloat16() @ documents.bfloat16()[places.reshape(-1)].T
    best = products.view(len(queries), len(sizes), width).amax(-1).float()
    scores = torch.zeros(n_queries, len(sizes), device=queries.device)
    return scores.index_add(0, owner, best * shares[:, None])
