"""Learning from passages that answer and passages that do not, in the batch and hard ones.

sentence-transformers' losses: cross-entropy of the right passage among all of the batch. The
Cached ones give the same gradients for a batch that does not fit into memory (Gao et al. 2021).
"""

from __future__ import annotations

from typing import Any

from sentence_transformers.multi_vector_encoder.losses import (
    CachedMultiVectorMultipleNegativesRankingLoss,
    MultiVectorMultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import nn

from xret.retriever.training.recipes.objective import Objective, candidate_tasks, candidates
from xret.retriever.training.recipes.student import Student

__all__ = ["contrastive_objective", "ranking_loss"]


def contrastive_objective(
    student: Student, *, n_negatives: int, mini_batch: int | None
) -> Objective:
    """The query's passage against all others of the batch.

    mini_batch: texts that pass through the model at once, None for the whole batch.
    """
    loss = ranking_loss(student, mini_batch=mini_batch)
    return Objective(loss, candidates, candidate_tasks(n_negatives))


def ranking_loss(student: Student, *, mini_batch: int | None, both_ways: bool = False) -> nn.Module:
    """Cross-entropy in the batch: cosine (temperature 0.05) or MaxSim.

    both_ways: the query among all queries too, for single vectors, which have no roles.
    """
    cached: dict[str, Any] = {} if mini_batch is None else {"mini_batch_size": mini_batch}
    loss: nn.Module
    if student.late:
        late = (
            CachedMultiVectorMultipleNegativesRankingLoss
            if cached
            else MultiVectorMultipleNegativesRankingLoss
        )
        loss = late(student.model, **cached)
    else:
        ways: dict[str, Any] = (
            {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
            if both_ways
            else {}
        )
        one = CachedMultipleNegativesRankingLoss if cached else MultipleNegativesRankingLoss
        loss = one(student.model, **cached, **ways)
    return loss
