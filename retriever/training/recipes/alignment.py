"""Parallel text: each side finds its translation among all of the batch, in both directions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from xret.retriever.training.recipes.contrastive import ranking_loss
from xret.retriever.training.recipes.drawing import Drawn, TextInLanguage
from xret.retriever.training.recipes.objective import Objective, candidate_tasks, candidates
from xret.retriever.training.recipes.student import Student

__all__ = ["BothDirections", "alignment_objective"]


def alignment_objective(student: Student, *, mini_batch: int | None) -> Objective:
    """Source to target and target to source.

    Single vectors are compared both ways at once. In late interaction a text is another one
    as a query and as a document, so that each side is read in both roles.
    """
    loss = ranking_loss(student, mini_batch=mini_batch, both_ways=not student.late)
    if not student.late:
        return Objective(loss, candidates, candidate_tasks(0))
    return Objective(
        BothDirections(loss),
        _both_roles,
        {"query": "query", "positive": "document", "other": "query", "original": "document"},
    )


class BothDirections(nn.Module):
    """The mean of a loss over (query, positive) and over the same pairs the other way round."""

    def __init__(self, loss: Any) -> None:
        super().__init__()
        self.loss = loss
        self.model = loss.model

    def forward(
        self, columns: Iterable[dict[str, Any]], labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        """columns: features of query, positive, and of the same texts in each other's role."""
        query, positive, other, original = columns
        return {
            "forth": self.loss([query, positive], labels) / 2,
            "back": self.loss([other, original], labels) / 2,
        }


def _both_roles(drawn: Drawn) -> dict[str, TextInLanguage]:
    return {
        "query": drawn.query,
        "positive": drawn.positive,
        "other": drawn.positive,
        "original": drawn.query,
    }
