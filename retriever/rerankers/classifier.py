"""Sequence classifiers with one score: cross-encoders that read question and passage together."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xret.errors import ModelError, RerankError
from xret.retriever.encoders.batches import run_batches, token_batches
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.layout import read_json
from xret.retriever.rerankers.pair_texts import BATCH_TOKENS, pair_windows, passage_text
from xret.retriever.rerankers.reranker import is_late
from xret.retriever.rerankers.weights import load_weights
from xret.types import Document, FloatArray, IntArray, Query

__all__ = ["SequenceClassifier"]

MAX_TOKENS = 512
"""Of a pair, where a model would read more: time grows with it faster than quality."""

CHUNK = 8
"""Passages between two looks at the clock."""


class SequenceClassifier:
    """A model of `...ForSequenceClassification` with one label; a higher logit is better.

    A passage that is longer than the model reads beside the question is read in windows, and
    scores what its best does.
    """

    weight = 0.9

    def __init__(self, name: str, fingerprint: str, model: Any, tokenizer: Any) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.max_tokens = _max_tokens(model.config, tokenizer)
        self._model = model
        self._tokenizer = tokenizer
        self._turn = threading.Lock()

    @classmethod
    def load(cls, folder: Path, *, name: str) -> SequenceClassifier:
        """Raises ModelError for a folder whose model is none, has several labels, lacks weights
        or has them pickled, or needs code that comes with it."""
        check_labels(folder)
        from transformers import AutoModelForSequenceClassification

        model, tokenizer = load_weights(folder, AutoModelForSequenceClassification)
        if model.config.model_type == "xmod":
            raise ModelError(
                f"{folder} is an X-MOD cross-encoder: a pair has two languages, and nothing says "
                "through whose adapter it goes; use a model without language adapters"
            )
        return cls(name, model_fingerprint(folder, {"kind": "classifier"}), model, tokenizer)

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        """The logit of each pair's best window; see `Reranker.scores`."""
        step = len(passages) if until == math.inf else CHUNK
        scores: list[float] = []
        for start in range(0, len(passages), max(step, 1)):
            if is_late(until):
                break
            texts = [passage_text(passage) for passage in passages[start : start + step]]
            scores += self._scored(query.text, texts)
        return np.array(scores, np.float32)

    def _scored(self, query: str, texts: Sequence[str]) -> list[float]:
        with self._turn:  # a fast tokenizer's truncation is the object's own
            windows, owners = pair_windows(
                self._tokenizer, query, texts, max_tokens=self.max_tokens, name=self.name
            )
        lengths = [len(window["input_ids"]) for window in windows]

        def forward(batch: IntArray) -> FloatArray:
            inputs = self._tokenizer.pad([windows[n] for n in batch], return_tensors="pt")
            with torch.inference_mode():
                found = self._model(**inputs.to(self._model.device)).logits
            if found.shape != (len(batch), 1):
                raise RerankError(f"{self.name} gave {tuple(found.shape)} logits for a batch")
            column: FloatArray = found[:, 0].float().cpu().numpy()
            return column

        logits = np.empty(len(windows), np.float32)
        for batch, found in run_batches(token_batches(lengths, BATCH_TOKENS), forward):
            logits[batch] = found
        best = np.full(len(texts), -np.inf, np.float32)
        np.maximum.at(best, owners, logits)
        return [float(score) for score in best]


def check_labels(folder: Path) -> None:
    """Raises ModelError unless the configuration is of a classifier with one label."""
    config = read_json(folder / "config.json")
    labels = config.get("num_labels", len(config.get("id2label", {"0": "", "1": ""})))
    if labels != 1:
        raise ModelError(
            f"{folder} sorts into {labels} labels; a reranker gives one score a pair, so use a "
            "model with one label"
        )


def _max_tokens(config: Any, tokenizer: Any) -> int:
    positions = int(getattr(config, "max_position_embeddings", MAX_TOKENS) or MAX_TOKENS)
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= int(config.pad_token_id or 0) + 1  # its positions are counted from there
    return min(positions, int(tokenizer.model_max_length), MAX_TOKENS)
