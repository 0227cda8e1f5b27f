"""Late interaction and single vectors learnt from one pass, with the same in-batch negatives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from xret.retriever.training.common.losses import maxsim_matrix, ranking

__all__ = ["OnePassLoss"]

_GROUPS = 4


class OnePassLoss(nn.Module):
    """Cross-entropy of MaxSim over the batch, and of the texts' single vectors both ways.

    Rows whose label is equal are the same text in other words or languages, and no negatives
    of each other. single_weight: of the second part beside the first. teacher: an encoder of
    English whose scores of the same texts in English the student is to give across languages
    (Yang et al. 2024), with weight teacher_weight. anchor_weight: of how far English texts may
    move from the teacher's vectors, so that the other languages come to English and the
    questions that training has not seen keep what the teacher knows of them.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        scale: float = 30.0,
        single_scale: float = 20.0,
        single_weight: float = 0.3,
        teacher: nn.Module | None = None,
        teacher_weight: float = 1.0,
        anchor_weight: float = 5.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.scale = scale
        self.single_scale = single_scale
        self.single_weight = single_weight
        self.teacher_weight = teacher_weight
        self.anchor_weight = anchor_weight
        self._teacher = [] if teacher is None else [teacher]  # hidden: it does not learn

    def forward(self, columns: Iterable[dict[str, Any]], labels: Tensor) -> dict[str, Tensor]:
        """columns: features of queries and documents, with a teacher also of both in English;
        labels: (b,) int, which text it is.
        """
        asked, told, *english = (dict(features) for features in columns)
        english = [{**features, "lang_ids": torch.zeros_like(labels)} for features in english]
        queries = _encode(self.model, asked, "query")
        documents = _encode(self.model, told, "document")
        same = labels[:, None] == labels[None, :]
        same.fill_diagonal_(False)
        scores = _scores(queries, documents) * self.scale
        whole = queries.texts @ documents.texts.T
        parts = {
            "late": ranking(scores, same),
            "single": self.single_weight * ranking(whole * self.single_scale, same),
        }
        for teacher in self._teacher:
            teacher.to(labels.device)
            with torch.no_grad():
                wanted = _scores(
                    _encode(teacher, english[0], "query"), _encode(teacher, english[1], "document")
                )
            moved = _moved(teacher, queries, asked, "query") + _moved(
                teacher, documents, told, "document"
            )
            parts["anchor"] = self.anchor_weight * moved
            parts["teacher"] = self.teacher_weight * functional.kl_div(
                scores.log_softmax(1),
                (wanted * self.scale).log_softmax(1),
                reduction="batchmean",
                log_target=True,
            )
        return parts


@dataclass(frozen=True, slots=True)
class _Words:
    """n texts: words (t, d) of all of them, offsets (n + 1,), texts (n, d)."""

    words: Tensor
    offsets: Tensor
    texts: Tensor

    def taken(self, order: Tensor) -> _Words:
        """The texts in another order."""
        sizes = self.offsets.diff()[order]
        offsets = functional.pad(sizes.cumsum(0), (1, 0))
        shift = torch.repeat_interleave(self.offsets[:-1][order] - offsets[:-1], sizes)
        rows = torch.arange(int(offsets[-1]), device=shift.device) + shift
        return _Words(self.words[rows], offsets, self.texts[order])


def _encode(model: nn.Module, features: dict[str, Any], task: str) -> _Words:
    """Texts of like length together, each group cut to its longest: little padding is computed."""
    lengths = features["attention_mask"].sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    groups, words, sizes, texts = order.chunk(_GROUPS), [], [], []
    for group in groups:
        width = max(1, int(lengths[group].max()))
        part = {
            name: value[group] if value.dim() == 1 else value[group, :width]
            for name, value in features.items()
            if isinstance(value, Tensor)
        }
        made = model(part, task=task)
        mask = made["attention_mask"].bool()
        words.append(made["token_embeddings"][mask])
        sizes.append(mask.sum(dim=1))
        texts.append(made["sentence_embedding"])
    offsets = functional.pad(torch.cat(sizes).cumsum(0), (1, 0))
    return _Words(torch.cat(words), offsets, torch.cat(texts)).taken(torch.argsort(order))


def _moved(teacher: nn.Module, made: _Words, features: dict[str, Any], task: str) -> Tensor:
    """How far the vectors of the English texts (adapter 0) are from the teacher's.

    The mean over texts of the sum over a query's words, whose lengths sum to 1, or of the
    mean over a document's.
    """
    english = (features["lang_ids"] == 0).nonzero()[:, 0]
    if not len(english):
        return made.words.new_zeros(())
    part = {name: value[english] for name, value in features.items() if isinstance(value, Tensor)}
    with torch.no_grad():
        wanted = _encode(teacher, part, task)
    distance: Tensor = torch.linalg.vector_norm(made.taken(english).words - wanted.words, dim=1)
    if task == "document":
        sizes = wanted.offsets.diff()
        distance = distance / torch.repeat_interleave(sizes, sizes)
    return distance.sum() / len(english)


def _scores(queries: _Words, documents: _Words) -> Tensor:
    """(n, m) MaxSim."""
    sizes = queries.offsets.diff()
    owner = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)
    even = torch.ones(len(owner), device=owner.device)  # words have their shares in their lengths
    return maxsim_matrix(
        queries.words,
        even,
        owner,
        documents.words,
        documents.offsets,
        n_queries=len(sizes),
        longest=int(documents.offsets.diff().max()),
    )
