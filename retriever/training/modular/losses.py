"""What the modular encoder learns: to find a passage in a batch, and to score it as in English.

Cross-entropy over MaxSim (Khattab and Zaharia 2020; late interaction across languages: Yang et
al. 2024), and the divergence from the scores that the untrained model gives the same texts in
English, which is what it knows best.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from xret.retriever.training.common.losses import maxsim_matrix, ranking

__all__ = ["TranslatedScores"]

_GROUPS = 4


class TranslatedScores(nn.Module):
    """Cross-entropy of MaxSim over the batch, and divergence from a teacher's English scores.

    Rows whose label is equal are the same text in other words or languages, and no negatives
    of each other. A score is the mean over the query's vectors. teacher: the model as it was.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        teacher: nn.Module | None,
        scale: float = 30.0,
        contrastive_weight: float = 1.0,
        teacher_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.scale = scale
        self.contrastive_weight = contrastive_weight
        self.teacher_weight = teacher_weight
        self._teacher = [] if teacher is None else [teacher]  # hidden: it does not learn

    def forward(self, columns: Iterable[dict[str, Any]], labels: Tensor) -> dict[str, Tensor]:
        """columns: features of queries and documents, then of both in English; labels: (b,)
        int, which text it is.
        """
        asked, told, *english = (dict(features) for features in columns)
        english = [{**features, "lang_ids": torch.zeros_like(labels)} for features in english]
        scores = self.scale * _scores(
            _encode(self.model, asked, "query"), _encode(self.model, told, "document")
        )
        same = labels[:, None] == labels[None, :]
        same.fill_diagonal_(False)
        parts = {"contrastive": self.contrastive_weight * ranking(scores, same)}
        for teacher in self._teacher:
            teacher.to(labels.device)
            with torch.no_grad():
                wanted = self.scale * _scores(
                    _encode(teacher, english[0], "query"), _encode(teacher, english[1], "document")
                )
            parts["teacher"] = self.teacher_weight * functional.kl_div(
                scores.log_softmax(1),
                wanted.log_softmax(1),
                reduction="batchmean",
                log_target=True,
            )
        return parts


@dataclass(frozen=True, slots=True)
class _Vectors:
    """n texts: values (t, d) of all of them, offsets (n + 1,)."""

    values: Tensor
    offsets: Tensor

    def taken(self, order: Tensor) -> _Vectors:
        """The texts in another order."""
        sizes = self.offsets.diff()[order]
        offsets = functional.pad(sizes.cumsum(0), (1, 0))
        shift = torch.repeat_interleave(self.offsets[:-1][order] - offsets[:-1], sizes)
        rows = torch.arange(int(offsets[-1]), device=shift.device) + shift
        return _Vectors(self.values[rows], offsets)


def _encode(model: nn.Module, features: dict[str, Any], task: str) -> _Vectors:
    """Texts of like length together, each group cut to its longest: little padding is computed."""
    lengths = features["attention_mask"].sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    values, sizes = [], []
    for group in order.chunk(_GROUPS):
        width = max(1, int(lengths[group].max()))
        part = {
            name: value[group] if value.dim() == 1 else value[group, :width]
            for name, value in features.items()
            if isinstance(value, Tensor)
        }
        states = model(part, task=task)
        mask = states["attention_mask"].bool()
        mask[:, 0] |= ~mask.any(dim=1)  # a text of marks alone keeps one
        values.append(states["token_embeddings"][mask])
        sizes.append(mask.sum(dim=1))
    offsets = functional.pad(torch.cat(sizes).cumsum(0), (1, 0))
    return _Vectors(torch.cat(values), offsets).taken(torch.argsort(order))


def _scores(queries: _Vectors, documents: _Vectors) -> Tensor:
    """(n, m) MaxSim, by the number of a query's vectors."""
    sizes = queries.offsets.diff()
    owner = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)
    shares = (1 / sizes.clamp_min(1).float())[owner]
    return maxsim_matrix(
        queries.values,
        shares,
        owner,
        documents.values,
        documents.offsets,
        n_queries=len(sizes),
        longest=int(documents.offsets.diff().max()),
    )
