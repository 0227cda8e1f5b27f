"""What a recipe asks of a batch: which texts in which roles, which labels, which loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from xret.retriever.training.recipes.drawing import Drawn, TextInLanguage

__all__ = ["Objective", "candidate_tasks", "candidates"]


@dataclass(frozen=True, slots=True)
class Objective:
    """loss: over the model. columns: what it reads of a drawn example, in its order. tasks: the
    role of each column. label: what it compares with, None where the texts say all."""

    loss: nn.Module
    columns: Callable[[Drawn], Mapping[str, TextInLanguage]]
    tasks: Mapping[str, Literal["query", "document"]]
    label: Callable[[Drawn], Any] | None = None


def candidates(drawn: Drawn) -> dict[str, TextInLanguage]:
    """The query, the passage that answers it, those that do not."""
    negatives = {f"negative_{i}": text for i, text in enumerate(drawn.negatives)}
    return {"query": drawn.query, "positive": drawn.positive, **negatives}


def candidate_tasks(n_negatives: int) -> dict[str, Literal["query", "document"]]:
    """The roles of what `candidates` returns."""
    negatives: dict[str, Literal["query", "document"]] = {
        f"negative_{i}": "document" for i in range(n_negatives)
    }
    return {"query": "query", "positive": "document", **negatives}
