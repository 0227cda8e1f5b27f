"""Retrieval between the new language and English, on pairs that nothing was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xret.retriever.languages.codes import ENGLISH
from xret.retriever.training.language.adapted import AdaptedModel, Packed
from xret.retriever.training.language.text import PASSAGE_LINES, Pair
from xret.types import FloatArray, Progress

__all__ = [
    "FROM_ENGLISH",
    "MRR",
    "RETRIEVAL",
    "TO_ENGLISH",
    "BootstrapInterval",
    "PairRetrieval",
    "interval",
    "maxsim",
    "mean_retrieval",
]

TO_ENGLISH, FROM_ENGLISH, MRR = (
    "Success@1 to English",
    "Success@1 from English",
    "MRR@10 of passages",
)
RETRIEVAL = (TO_ENGLISH, FROM_ENGLISH, MRR)
_BLOCK = 32
_RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class BootstrapInterval:
    """A mean and its 95 % interval by the bootstrap."""

    mean: float
    low: float
    high: float


def interval(values: FloatArray) -> BootstrapInterval:
    """Of the mean of some values, resampled a thousand times from a fixed seed."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (_RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return BootstrapInterval(float(values.mean()), float(low), float(high))


class PairRetrieval:
    """Pairs kept from training: sentences to find in English, and passages to find from it."""

    def __init__(self, model: AdaptedModel, pairs: Sequence[Pair]) -> None:
        self._model = model
        self._texts = [text for text, _ in pairs]
        english = [text for _, text in pairs]
        self._queries = model.embed_all(english, ENGLISH, task="query")
        self._documents = model.embed_all(english, ENGLISH, task="document")
        starts = range(0, len(pairs), PASSAGE_LINES)
        self._passages = [" ".join(self._texts[s : s + PASSAGE_LINES]) for s in starts]

    def keep(self) -> Iterator[Progress]:
        """Compute once what the new adapter does not change, where it is measured often."""
        yield from self._model.keep(self._texts, "query")
        yield from self._model.keep([*self._texts, *self._passages], "document")

    def measured(self, adapter: str) -> dict[str, FloatArray]:
        """A value for each sentence, by measure, in [0, 1]; the text goes through that adapter."""
        embed = self._model.embed_all
        queries = embed(self._texts, adapter, task="query")
        documents = embed(self._texts, adapter, task="document")
        passages = embed(self._passages, adapter, task="document")
        own = torch.arange(len(self._texts))
        ranks = {
            TO_ENGLISH: _ranks(maxsim(queries, self._documents), own),
            FROM_ENGLISH: _ranks(maxsim(self._queries, documents), own),
        }
        found = {name: (rank == 1).astype(np.float32) for name, rank in ranks.items()}
        rank = _ranks(maxsim(self._queries, passages), own // PASSAGE_LINES)
        found[MRR] = np.where(rank <= 10, 1 / rank, 0).astype(np.float32)
        return found


def mean_retrieval(values: Mapping[str, FloatArray]) -> float:
    """The mean of the three measures."""
    return float(np.mean([values[name].mean() for name in RETRIEVAL]))


def maxsim(queries: Packed, documents: Packed) -> Tensor:
    """(n, m) exact scores of every query with every document; of single vectors, products."""
    sizes = documents.offsets.diff()
    step = torch.arange(int(sizes.max()))
    places = documents.offsets[:-1, None] + torch.where(step < sizes[:, None], step, 0)
    scores = torch.zeros(len(queries), len(documents))
    for start in range(0, len(documents), _BLOCK):
        block = places[start : start + _BLOCK]
        products = queries.vectors @ documents.vectors[block.flatten()].T
        best = products.view(len(queries.vectors), *block.shape).amax(dim=2)
        scores[:, start : start + _BLOCK] = torch.zeros(len(queries), len(block)).index_add_(
            0, queries.owner, best
        )
    return scores


def _ranks(scores: Tensor, right: Tensor) -> FloatArray:
    """(n,) the rank of the right document of each query, from 1; ties count against it."""
    own = scores.gather(1, right[:, None])
    ranks: FloatArray = (scores >= own).sum(dim=1).numpy().astype(np.float32)
    return ranks
