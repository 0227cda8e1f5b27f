"""Token vectors to word vectors: one a word, weighted in queries; a sentence-transformers module.

The pieces of a word are summed, so that an index holds a vector a word and no fragments. A
query's words do not count alike: each vector's length is the word's share of the query, and
MaxSim, which is linear in the query's vectors, weighs it by that (Hofstätter et al. 2022
weigh ColBERT's vectors so). Documents' vectors are of unit length.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules import Module
from torch import Tensor, nn
from torch.nn import functional

from xret.retriever.encoders.wordpieces import CONTINUATION, IS_UNSPACED, RUN_PREFIX

__all__ = ["WordPooling"]

_STARTS, _JOINS, _SILENT = 0, 1, 2
_LARGEST_WEIGHT = 4.0
_SMALLEST = 1e-9


class WordPooling(Module):
    """Sums pieces to words by weight, words to a text; one pass gives the vectors of both.

    A piece weighs exp(context . its token vector), and gain says which dimensions of the
    token vectors enter the sums. A word's vector is its sum at unit length with a share of its
    text's direction in it; in a query its length is its share: that of its sum to
    `query_power`, times exp(mean emphasis of its pieces' vocabulary rows). Special tokens and
    the bare mark of a word's start get no vector. In the batch a word stands at its first
    piece; the mask says which positions those are.
    """

    forward_kwargs: set[str] = {"task"}  # noqa: RUF012 (the base class's own declaration)
    config_keys: list[str] = ["vocabulary_size", "dim", "query_power"]  # noqa: RUF012

    def __init__(self, vocabulary_size: int, dim: int, query_power: float = 1.5) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.vocabulary_size = vocabulary_size
        self.dim = dim
        self.query_power = query_power
        self.emphasis = nn.Parameter(torch.zeros(vocabulary_size))
        self.context = nn.Parameter(torch.zeros(dim))
        self.gain = nn.Parameter(torch.ones(dim))
        self.text_shares = nn.Parameter(torch.zeros(2))  # of queries and of documents
        self.register_buffer(
            "roles", torch.zeros(vocabulary_size, dtype=torch.uint8), persistent=False
        )

    def on_model_ready(self, model: Any) -> None:
        """Learn from the tokenizer which pieces start a word, go on with one, or say nothing."""
        tokenizer = model.tokenizer
        roles = torch.full((self.vocabulary_size,), _STARTS, dtype=torch.uint8)
        special = set(tokenizer.all_special_ids)
        for token, row in tokenizer.get_vocab().items():
            if row >= self.vocabulary_size:
                continue
            if row in special or token == RUN_PREFIX:
                roles[row] = _SILENT
            elif token.startswith(CONTINUATION) and not IS_UNSPACED.search(token):
                roles[row] = _JOINS
        self.roles: Tensor = roles.to(self.emphasis.device)

    def forward(
        self, features: dict[str, Any], task: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """token_embeddings (b, t, d) to words of the same shape; attention_mask to where they are.

        sentence_embedding is added: (b, d), one vector a text, at unit length.
        """
        hidden: Tensor = features["token_embeddings"].float() / math.sqrt(self.dim)
        ids: Tensor = features["input_ids"]
        roles = torch.where(features["attention_mask"].bool(), self.roles[ids], _SILENT)
        starts, at = _word_starts(roles)
        real = (roles != _SILENT).float()
        weights = (hidden @ self.context).clamp(-_LARGEST_WEIGHT, _LARGEST_WEIGHT).exp() * real
        weighed = hidden * self.gain * weights[:, :, None]
        summed = torch.zeros_like(hidden).scatter_add(1, at[:, :, None].expand_as(hidden), weighed)
        lengths = torch.linalg.vector_norm(summed, dim=2).clamp_min(_SMALLEST)
        texts = functional.normalize(summed.sum(dim=1), dim=1, eps=_SMALLEST)
        mixing = self.text_shares[0 if task == "query" else 1]
        words = summed / lengths[:, :, None] + mixing * texts[:, None]
        words = functional.normalize(words, dim=2, eps=_SMALLEST)
        if task == "query":
            said = _word_means(self.emphasis[ids], real, at)
            said = said.clamp(-_LARGEST_WEIGHT, _LARGEST_WEIGHT).exp()
            shares = lengths**self.query_power * said * starts
            shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(_SMALLEST)
            words = words * shares[:, :, None]
        return {
            **features,
            "token_embeddings": words,
            "attention_mask": starts.long(),
            "sentence_embedding": texts,
        }

    def _apply(self, fn: Any, recurse: bool = True) -> WordPooling:
        """Moves to another device, but stays in float32: weights are exponents here."""
        kept = [parameter.detach().clone() for parameter in self.parameters()]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for parameter, whole in zip(self.parameters(), kept, strict=True):
            if parameter.dtype != torch.float32:
                parameter.data = whole.to(parameter.device)
        return self

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write config.json and model.safetensors; there is no other form."""
        Path(output_path).mkdir(parents=True, exist_ok=True)
        self.save_config(output_path)
        self.save_torch_weights(output_path)

    @classmethod
    def load(  # type: ignore[override]
        cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any
    ) -> WordPooling:
        """Open what `save` wrote."""
        known = ("token", "cache_folder", "revision", "local_files_only")
        where = {name: kwargs[name] for name in known if name in kwargs}
        config = cls.load_config(model_name_or_path, subfolder=subfolder, **where)
        made = cls(**config)
        cls.load_torch_weights(model_name_or_path, subfolder=subfolder, model=made, **where)
        return made


def _word_starts(roles: Tensor) -> tuple[Tensor, Tensor]:
    """(b, t) bool, where words start; (b, t) int64, where the word of each position starts.

    A continuation behind no word of its own starts one.
    """
    behind = functional.pad(roles[:, :-1], (1, 0), value=_SILENT)
    starts = (roles == _STARTS) | ((roles == _JOINS) & (behind == _SILENT))
    positions = torch.arange(roles.shape[1], device=roles.device).expand_as(roles)
    at = torch.where(starts, positions, 0).cummax(dim=1).values
    return starts, at


def _word_means(values: Tensor, real: Tensor, at: Tensor) -> Tensor:
    """(b, t): the mean of a word's pieces where the word starts, of those that are real."""
    sums = torch.zeros_like(values).scatter_add(1, at, values * real)
    return sums / torch.zeros_like(values).scatter_add(1, at, real).clamp_min(1)
