"""What a cross-encoder minimises: pair by pair, two by two, or over a question's whole list.

The losses that sentence-transformers has for cross-encoders, over scores that are there already:
its own tokenise inside and know no languages. With a teacher's scores in place of labels they
are MSE, MarginMSE (Hofstätter et al. 2020) and ListNet (Cao et al. 2007); without, binary
cross-entropy (Nogueira and Cho 2019), RankNet (Burges et al. 2005), and the cross-entropy of the
passage that answers among all of the list (Gao et al. 2021).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["RankLoss", "rank_loss"]

RankLoss = Literal["pointwise", "pairwise", "listwise"]


def rank_loss(loss: RankLoss, scores: Tensor, teacher: Tensor | None = None) -> Tensor:
    """The loss of (b, m) scores: of b questions each m passages, the first of which answers.

    teacher: (b, m), another model's scores of the same pairs, None for labels.

    >>> float(rank_loss("listwise", torch.zeros(1, 2)).round(decimals=4))
    0.6931
    """
    if loss == "pointwise":
        if teacher is not None:
            return functional.mse_loss(scores, teacher)
        labels = torch.zeros_like(scores)
        labels[:, 0] = 1.0
        return functional.binary_cross_entropy_with_logits(scores, labels)
    if loss == "pairwise":
        margins = scores[:, :1] - scores[:, 1:]
        if teacher is not None:
            return functional.mse_loss(margins, teacher[:, :1] - teacher[:, 1:])
        return functional.softplus(-margins).mean()
    if teacher is not None:
        wanted = functional.softmax(teacher, dim=1)
        return -(wanted * functional.log_softmax(scores, dim=1)).sum(1).mean()
    return -functional.log_softmax(scores, dim=1)[:, 0].mean()
