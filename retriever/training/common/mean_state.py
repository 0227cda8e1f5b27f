"""The mean state of the tokens of some texts, which is taken from every token's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from transformers import XmodModel

from xret.retriever.encoders.token_vectors import TokenVectors
from xret.types import Progress

__all__ = ["MEAN_TEXTS", "set_mean_state"]

MEAN_TEXTS = 1_000
"""Enough for the mean to be the same to a hundredth of its length, whichever are drawn."""

_TOKENS = 128
_BATCH = 16


@torch.no_grad()
def set_mean_state(model: MultiVectorEncoder, texts: Sequence[str]) -> Iterator[Progress]:
    """Measure it over texts read as documents; model: one that ends in `TokenVectors`."""
    head: Any = model[-1]
    if not isinstance(head, TokenVectors):
        raise TypeError(f"a {type(head).__name__} takes no mean away")
    backbone: Any = model.transformers_model
    total, n_tokens = torch.zeros(head.dim, dtype=torch.float64), 0
    ordered = sorted(texts, key=len)
    for start in range(0, len(ordered), _BATCH):
        batch = ordered[start : start + _BATCH]
        features: Any = model.preprocess(
            batch, prompt=model.prompts.get("document"), task="document", max_length=_TOKENS
        )
        ids, attended = features["input_ids"], features["attention_mask"]
        languages = {}
        if isinstance(backbone, XmodModel):
            languages["lang_ids"] = torch.zeros(len(batch), dtype=torch.int64, device=model.device)
        states = backbone(
            input_ids=ids.to(model.device), attention_mask=attended.to(model.device), **languages
        )[0]
        kept = head.kept(ids, attended.bool()).to(states.device)
        total += states[kept].double().sum(dim=0).cpu()
        n_tokens += int(kept.sum())
        yield Progress("mean state", start + len(batch), len(ordered), "texts")
    head.mean.copy_((total / max(n_tokens, 1)).float())
