"""Learning to rank with a module: an adapter in a frozen base, or a mask of its weights.

A cross-encoder learns by binary cross-entropy over pairs (Nogueira and Cho 2019), a
bi-encoder and late interaction by contrast with the other documents of a batch; each by the
trainer and the loss that sentence-transformers has for it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import (
    CrossEncoder,
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
    MultiVectorEncoder,
    MultiVectorEncoderTrainer,
    MultiVectorEncoderTrainingArguments,
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss
from sentence_transformers.multi_vector_encoder.losses import (
    MultiVectorMultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import nn

from xret.retriever.corpora.rows import Example
from xret.retriever.models.module_card import ModuleCard
from xret.retriever.modules.named_weights import RANKING, head_names, named_weights, transformer_of
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseMask
from xret.retriever.training.common.fitting import FitSettings, fit, training_arguments
from xret.retriever.training.common.thread import SoundLosses
from xret.retriever.training.modules.base import freeze_languages
from xret.retriever.training.modules.rows import rows_with_negatives
from xret.retriever.training.modules.sparse import learn_sparse_mask
from xret.types import Progress

__all__ = ["learn_ranking_adapter", "learn_ranking_mask", "ranking_accuracy", "split_rows"]

HELD_OUT_EVERY, MOST_HELD_OUT = 10, 200
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class _CrossEncoderTrainer(SoundLosses, CrossEncoderTrainer):
    pass


class _BiEncoderTrainer(SoundLosses, SentenceTransformerTrainer):
    pass


class _LateInteractionTrainer(SoundLosses, MultiVectorEncoderTrainer):
    pass


def learn_ranking_adapter(
    model: Any,
    rows: Sequence[Example],
    *,
    bottleneck: int,
    settings: FitSettings,
    card: ModuleCard,
) -> Generator[Progress, None, RankingAdapter]:
    """An adapter behind every layer; with a cross-encoder its head learns too.

    model: of sentence-transformers. Base and language adapters stay as they are, bit for bit.
    The card gets the accuracy on rows held out, before and after. Raises TrainingError.
    """
    trained, held_out = split_rows(rows_with_negatives(rows))
    results = {"accuracy_before": ranking_accuracy(model, held_out)}
    start = RankingAdapter.start(model, bottleneck=bottleneck, seed=settings.seed, card=card)
    learn = {name: p.requires_grad for name, p in named_weights(model).items()}
    weights = named_weights(model)
    head = {}
    if isinstance(model, CrossEncoder):
        head = {name: weights[name].detach().clone() for name in head_names(model)}
    start.attach(model)
    try:
        for name, weight in weights.items():
            weight.requires_grad_(name in head)
        getattr(transformer_of(model), RANKING).requires_grad_(True)
        yield from _fit(model, trained, settings, "ranking adapter")
        results["accuracy_after"] = ranking_accuracy(model, held_out)
        card = replace(card, results={**card.results, **results})
        return RankingAdapter.learnt(model, card, head=head)
    finally:
        start.detach(model)
        _put_back(weights, head, learn)


def learn_ranking_mask(
    model: Any,
    rows: Sequence[Example],
    *,
    keep: int | float,
    settings: FitSettings,
    card: ModuleCard,
    l1: float = 0.0,
) -> Generator[Progress, None, SparseMask]:
    """A mask of the weights that ranking moves most; see `learn_sparse_mask`.

    In X-MOD embeddings and language adapters are left out. Raises TrainingError.
    """
    trained, held_out = split_rows(rows_with_negatives(rows))
    learn = {name: p.requires_grad for name, p in named_weights(model).items()}
    before = ranking_accuracy(model, held_out)
    try:
        freeze_languages(model)
        mask = yield from learn_sparse_mask(
            model,
            lambda whole, stage: _fit(whole, trained, settings, stage),
            keep=keep,
            card=card,
            l1=l1,
        )
    finally:
        _put_back(named_weights(model), {}, learn)
    mask.apply(model)
    try:
        results = {"accuracy_before": before, "accuracy_after": ranking_accuracy(model, held_out)}
    finally:
        mask.remove(model)
    return SparseMask(mask.changes, replace(mask.card, results={**card.results, **results}))


def split_rows(
    rows: Sequence[Example],
) -> tuple[list[Example], list[Example]]:
    """Rows to learn from, and every tenth (at most 200) to measure with."""
    held_out = set(range(HELD_OUT_EVERY - 1, len(rows), HELD_OUT_EVERY)[:MOST_HELD_OUT])
    trained = [row for i, row in enumerate(rows) if i not in held_out]
    return trained, [rows[i] for i in sorted(held_out)]


def ranking_accuracy(model: Any, rows: Sequence[Example]) -> float:
    """Share of (query, positive, negative) whose positive scores higher; a tie is half right."""
    flat = [(row.query, row.positive, negative) for row in rows for negative in row.negatives]
    queries, positives, negatives = (list(texts) for texts in zip(*flat, strict=True))
    good, bad = (_scores(model, queries, documents) for documents in (positives, negatives))
    return float(np.mean((good > bad) + 0.5 * (good == bad)))


def _scores(model: Any, queries: list[str], documents: list[str]) -> Any:
    """(n,) float: query i with document i."""
    if isinstance(model, CrossEncoder):
        pairs = list(zip(queries, documents, strict=True))
        return np.asarray(model.predict(pairs, show_progress_bar=False))
    options: dict[str, Any] = {"show_progress_bar": False}
    if not isinstance(model, MultiVectorEncoder):  # whose vectors stay a list of tensors
        options["convert_to_tensor"] = True
    asked = model.encode_query(queries, **options)
    found = model.encode_document(documents, **options)
    return model.similarity_pairwise(asked, found).float().cpu().numpy()


def _fit(
    model: Any, rows: Sequence[Example], settings: FitSettings, stage: str
) -> Iterator[Progress]:
    with torch.random.fork_rng():
        device = model.device
        yield from fit(_trainer(model, rows, settings), stage)
        model.to(device)


def _trainer(model: Any, rows: Sequence[Example], settings: FitSettings) -> Any:
    """The trainer and the loss of the model's kind."""
    flat = [(row.query, row.positive, negative) for row in rows for negative in row.negatives]
    if isinstance(model, CrossEncoder):
        pairs = [(q, d, float(d == p)) for q, p, n in flat for d in (p, n)]
        return _CrossEncoderTrainer(
            model=model,
            args=training_arguments(CrossEncoderTrainingArguments, settings),
            train_dataset=_dataset(("query", "document", "label"), pairs),
            loss=BinaryCrossEntropyLoss(model),
        )
    dataset = _dataset(("query", "positive", "negative"), flat)
    more = {"batch_sampler": BatchSamplers.NO_DUPLICATES, "prompts": _prompts(model)}
    if isinstance(model, MultiVectorEncoder):
        return _LateInteractionTrainer(
            model=model,
            train_dataset=dataset,
            args=training_arguments(MultiVectorEncoderTrainingArguments, settings, **more),
            loss=MultiVectorMultipleNegativesRankingLoss(model),
        )
    return _BiEncoderTrainer(
        model=model,
        train_dataset=dataset,
        args=training_arguments(SentenceTransformerTrainingArguments, settings, **more),
        loss=MultipleNegativesRankingLoss(model),
    )


def _dataset(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Dataset:
    """Columns in that order, which is what the losses read them by."""
    return Dataset.from_dict(
        {name: list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
    )


def _prompts(model: SentenceTransformer | MultiVectorEncoder) -> dict[str, str] | None:
    """What is set before the texts of each column, as when an index is built."""
    query = model.prompts.get("query")
    document = next((p for name in _DOCUMENT_PROMPTS if (p := model.prompts.get(name))), None)
    named = {"query": query, "positive": document, "negative": document}
    return {column: prompt for column, prompt in named.items() if prompt} or None


@torch.no_grad()
def _put_back(
    weights: Mapping[str, nn.Parameter], head: Mapping[str, Any], learn: Mapping[str, bool]
) -> None:
    for name, weight in weights.items():
        if name in head:
            weight.copy_(head[name])
        weight.requires_grad_(learn[name])
        weight.grad = None
