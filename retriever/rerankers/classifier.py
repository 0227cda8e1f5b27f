"""Sequence classifiers with one score: cross-encoders that read question and passage together."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xret.errors import ModelError, RerankError
from xret.retriever.encoders.batches import run_batches, token_batches
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.layout import read_json
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.rerankers.onnx_classifier import CLASSIFIER_FACTS
from xret.retriever.rerankers.pair_languages import PairLanguages
from xret.retriever.rerankers.pair_texts import (
    BATCH_TOKENS,
    CHUNK,
    PairWindows,
    pair_windows,
    passage_text,
)
from xret.retriever.rerankers.reranker import scored_until
from xret.retriever.rerankers.trained_layout import RerankLayout
from xret.retriever.rerankers.weights import load_weights
from xret.types import Document, FloatArray, IntArray, Query

__all__ = ["SequenceClassifier", "load_pair_model", "pair_tokens"]

MAX_TOKENS = 512
"""Of a pair, where a model would read more: time grows with it faster than quality."""


class SequenceClassifier:
    """A model of `...ForSequenceClassification` with one label; a higher logit is better.

    A passage that is longer than the model reads beside the question is read in windows, and
    scores what its best does.
    """

    weight = 0.9

    def __init__(
        self,
        name: str,
        fingerprint: str,
        model: Any,
        tokenizer: Any,
        languages: PairLanguages | None = None,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.max_tokens = pair_tokens(model.config, tokenizer)
        self._model = model
        self._tokenizer = tokenizer
        self._languages = languages
        self._turn = threading.Lock()

    @classmethod
    def load(cls, folder: Path, *, name: str, routing: str | None = None) -> SequenceClassifier:
        """Open a folder; raises what `load_pair_model` does."""
        model, tokenizer, languages = load_pair_model(folder, routing)
        facts = dict(CLASSIFIER_FACTS)
        if languages is not None:
            facts["routing"] = languages.routing
        return cls(name, model_fingerprint(folder, facts), model, tokenizer, languages)

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        """The logit of each pair's best window; see `Reranker.scores`."""
        scored = partial(self._scored, query)
        return scored_until(passages, scored, until=until, chunk=CHUNK)

    def _scored(self, query: Query, passages: Sequence[Document]) -> list[float]:
        texts = [passage_text(passage) for passage in passages]
        with self._turn:  # a fast tokenizer's truncation is the object's own
            pairs = pair_windows(
                self._tokenizer, query.text, texts, max_tokens=self.max_tokens, name=self.name
            )
        langs = [passages[n].lang for n in pairs.owners]
        logits = np.empty(len(langs), np.float32)
        if self._languages is None:
            self._read(pairs, list(range(len(langs))), logits, lambda _: {})
        else:
            self._read_by_language(self._languages, query.lang, langs, pairs, logits)
        best = np.full(len(texts), -np.inf, np.float32)
        np.maximum.at(best, pairs.owners, logits)
        return [float(score) for score in best]

    def _read_by_language(
        self,
        languages: PairLanguages,
        query_lang: str,
        langs: Sequence[str],
        pairs: PairWindows,
        logits: FloatArray,
    ) -> None:
        """Windows whose language masks are the same together; masks are weights, so one turn."""

        def routed(batch: Sequence[int]) -> dict[str, Any]:
            of_batch = [langs[n] for n in batch]
            length = max(len(pairs.windows[n]["input_ids"]) for n in batch)
            return languages.inputs(query_lang, of_batch, start=pairs.start, length=length)

        for group in languages.groups(query_lang, langs):
            with self._turn:
                languages.select(query_lang, langs[group[0]])
                self._read(pairs, group, logits, routed)

    def _read(
        self,
        pairs: PairWindows,
        chosen: Sequence[int],
        logits: FloatArray,
        more: Callable[[Sequence[int]], dict[str, Any]],
    ) -> None:
        """Put the logits of the chosen windows into their places. more: inputs of a batch."""

        def forward(batch: IntArray) -> FloatArray:
            numbers = [chosen[n] for n in batch]
            inputs = self._tokenizer.pad([pairs.windows[n] for n in numbers], return_tensors="pt")
            with torch.inference_mode():
                found = self._model(**inputs.to(self._model.device), **more(numbers)).logits
            if found.shape != (len(batch), 1):
                raise RerankError(f"{self.name} gave {tuple(found.shape)} logits for a batch")
            column: FloatArray = found[:, 0].float().cpu().numpy()
            return column

        lengths = [len(pairs.windows[n]["input_ids"]) for n in chosen]
        for batch, found in run_batches(token_batches(lengths, BATCH_TOKENS), forward):
            logits[[chosen[n] for n in batch]] = found


def load_pair_model(folder: Path, routing: str | None) -> tuple[Any, Any, PairLanguages | None]:
    """The model in a folder with the ranking adapter that lies in it, its tokenizer, and its
    language modules.

    routing: through whose language pairs go, the folder's own where None. Raises ModelError
    for a folder whose model is none, has several labels, lacks weights or has them pickled,
    needs code that comes with it, or has adapters and no routing; ConfigError for a routing
    where there are no languages.
    """
    check_labels(folder)
    from transformers import AutoModelForSequenceClassification

    model, tokenizer = load_weights(folder, AutoModelForSequenceClassification)
    layout = RerankLayout.read(folder)
    if layout.adapter is not None:
        RankingAdapter.load(folder / layout.adapter).attach(model)
    languages = PairLanguages.load(model, folder, layout, layout.with_routing(routing))
    return model, tokenizer, languages


def check_labels(folder: Path) -> None:
    """Raises ModelError unless the configuration is of a classifier with one label."""
    config = read_json(folder / "config.json")
    labels = config.get("num_labels", len(config.get("id2label", {"0": "", "1": ""})))
    if labels != 1:
        raise ModelError(
            f"{folder} sorts into {labels} labels; a reranker gives one score a pair, so use a "
            "model with one label"
        )


def pair_tokens(config: Any, tokenizer: Any) -> int:
    """How many tokens of a pair a model reads at once."""
    positions = int(getattr(config, "max_position_embeddings", MAX_TOKENS) or MAX_TOKENS)
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= int(config.pad_token_id or 0) + 1  # its positions are counted from there
    return min(positions, int(tokenizer.model_max_length), MAX_TOKENS)
