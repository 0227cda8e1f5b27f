"""Learning from a teacher: its scores of a query's passages, or its vectors of texts.

Scores by KL divergence or by margins (Hofstätter et al. 2020); vectors by the mean squared
error or the cosine, where the teacher reads the first of two parallel texts and the student
both (Reimers and Gurevych 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from sentence_transformers.multi_vector_encoder.losses import (
    MultiVectorDistillKLDivLoss,
    MultiVectorMarginMSELoss,
)
from sentence_transformers.sentence_transformer.losses import (
    DistillKLDivLoss,
    EmbedDistillLoss,
    MarginMSELoss,
)
from sentence_transformers.util import pairwise_cos_sim
from torch import Tensor, nn

from xret.errors import ConfigError
from xret.retriever.training.recipes.drawing import Drawn
from xret.retriever.training.recipes.objective import Objective, candidate_tasks, candidates
from xret.retriever.training.recipes.student import Student
from xret.types import FloatArray

__all__ = [
    "COSINE_SCALE",
    "ScoreLoss",
    "VectorLoss",
    "scaled_cosine",
    "scores_objective",
    "vectors_objective",
]

ScoreLoss = Literal["kl", "margin"]
VectorLoss = Literal["mse", "cosine"]

COSINE_SCALE = 20.0
"""Cosines differ too little for a softmax: both sides' are multiplied by this."""


def scores_objective(
    student: Student,
    scores: Sequence[FloatArray],
    *,
    n_negatives: int,
    loss: ScoreLoss,
    mini_batch: int | None,
) -> Objective:
    """The student's scores of a query's passages as the teacher's.

    scores: of each example, the positive's and then each negative's.
    """

    def label(drawn: Drawn) -> list[float]:
        found = scores[drawn.row]
        return [float(found[0]), *(float(found[1 + i]) for i in drawn.picked)]

    learnt: nn.Module
    if student.late:
        late = MultiVectorDistillKLDivLoss if loss == "kl" else MultiVectorMarginMSELoss
        learnt = late(student.model, mini_batch_size=mini_batch)
    else:
        if mini_batch is not None:
            raise ConfigError("--mini-batch is for late interaction where scores are distilled")
        one = DistillKLDivLoss if loss == "kl" else MarginMSELoss
        learnt = one(student.model, similarity_fct=scaled_cosine)
    return Objective(learnt, candidates, candidate_tasks(n_negatives), label)


def vectors_objective(student: Student, vectors: FloatArray, *, loss: VectorLoss) -> Objective:
    """Both texts' vectors as the teacher's of the first one.

    vectors: (n, d), one an example. A linear map, which is not kept, stands between where the
    widths differ. Raises ConfigError for a student of late interaction.
    """
    if student.late:
        raise ConfigError(
            "vectors are distilled into bi-encoders, which have one a text; late interaction "
            "learns from a teacher's scores: --from scores"
        )
    width = vectors.shape[1]
    projection = None if width == student.texts.dim else width
    learnt = EmbedDistillLoss(student.model, distance_metric=loss, projection_dim=projection)
    return Objective(
        learnt,
        candidates,
        candidate_tasks(0),
        lambda drawn: torch.from_numpy(vectors[drawn.row].copy()),
    )


def scaled_cosine(queries: Tensor, documents: Tensor) -> Tensor:
    """(b,) cosines of b pairs, spread as wide as a reranker's scores."""
    return COSINE_SCALE * pairwise_cos_sim(queries, documents)
