"""Language models asked whether a passage answers a question: the logit of yes over that of no."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xret.errors import ModelError, RerankError
from xret.retriever.encoders.batches import run_batches, token_batches
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.layout import read_json
from xret.retriever.rerankers.pair_texts import BATCH_TOKENS, MIN_PASSAGE_TOKENS, passage_text
from xret.retriever.rerankers.reranker import scored_until
from xret.retriever.rerankers.weights import load_weights
from xret.types import Document, FloatArray, IntArray, Query

__all__ = ["YES_NO_ARCHITECTURES", "YesNoModel"]

MAX_TOKENS = 1_024
CHUNK = 4
"""Passages between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What stands before the question, between it and the passage, and after; two answers.

    answers: spellings of yes and of no, the first pair that are tokens each.
    """

    before: str
    between: str
    after: str
    answers: tuple[tuple[str, str], ...]


# As the model's card has it (Zhang et al. 2025).
_QWEN3 = _Prompt(
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n<Instruct>: Given a web search query, retrieve relevant passages that "
    "answer the query\n<Query>: ",
    "\n<Document>: ",
    "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    (("yes", "no"),),
)
# Nogueira et al. 2020; in other languages than English Bonifacio et al. 2021 answer yes and no.
_MONOT5 = _Prompt("Query: ", " Document: ", " Relevant:", (("▁true", "▁false"), ("▁yes", "▁no")))
_MT5 = _Prompt("Query: ", " Document: ", " Relevant:", (("▁yes", "▁no"), ("▁true", "▁false")))

YES_NO_ARCHITECTURES = {
    "Qwen3ForCausalLM": _QWEN3,
    "T5ForConditionalGeneration": _MONOT5,
    "MT5ForConditionalGeneration": _MT5,
}
"""By the class that a folder's configuration names."""


class YesNoModel:
    """A decoder (Qwen3-Reranker) or an encoder with one (monoT5).

    The passage alone is cut where a prompt is longer than the model reads; the question never.
    """

    weight = 0.9

    def __init__(
        self, name: str, fingerprint: str, model: Any, tokenizer: Any, prompt: _Prompt
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.max_tokens = min(int(tokenizer.model_max_length), MAX_TOKENS)
        self._model = model
        self._tokenizer = tokenizer
        self._prompt = prompt
        self._answers = _answer_ids(name, tokenizer, prompt)
        self._turn = threading.Lock()

    @classmethod
    def load(cls, folder: Path, *, name: str) -> YesNoModel:
        """Raises ModelError for a folder that holds no such model, or one that is not whole."""
        from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

        named = str((read_json(folder / "config.json").get("architectures") or [""])[0])
        prompt = YES_NO_ARCHITECTURES.get(named)
        if prompt is None:
            known = ", ".join(YES_NO_ARCHITECTURES)
            raise ModelError(f"{folder} is a {named}; one of these can say yes or no: {known}")
        kind = AutoModelForCausalLM if named.endswith("CausalLM") else AutoModelForSeq2SeqLM
        model, tokenizer = load_weights(folder, kind)
        return cls(name, model_fingerprint(folder, {"kind": "yes-no"}), model, tokenizer, prompt)

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        """Logit of yes minus that of no; see `Reranker.scores`."""
        scored = partial(self._scored, query.text)
        return scored_until(passages, scored, until=until, chunk=CHUNK)

    def _scored(self, query: str, passages: Sequence[Document]) -> list[float]:
        prompts = self._prompts(query, [passage_text(passage) for passage in passages])
        answer = self._decoded if self._model.config.is_encoder_decoder else self._continued
        yes, no = self._answers

        def forward(batch: IntArray) -> FloatArray:
            with torch.inference_mode():
                logits = answer([prompts[n] for n in batch])
            margin: FloatArray = (logits[:, yes] - logits[:, no]).float().cpu().numpy()
            return margin

        scores = np.empty(len(prompts), np.float32)
        lengths = [len(prompt) for prompt in prompts]
        for batch, found in run_batches(token_batches(lengths, BATCH_TOKENS), forward):
            scores[batch] = found
        return [float(score) for score in scores]

    def _prompts(self, query: str, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each prompt, whole but for the passage's end."""
        with self._turn:
            before = self._ids(self._prompt.before + query + self._prompt.between)
            after = self._ids(self._prompt.after)
            passages = [self._ids(text) for text in texts]
        end = [self._tokenizer.eos_token_id] if self._model.config.is_encoder_decoder else []
        room = self.max_tokens - len(before) - len(after) - len(end)
        if room < MIN_PASSAGE_TOKENS:
            raise RerankError(
                f"the question takes {len(before) + len(after)} tokens with the prompt, and "
                f"{self.name} reads {self.max_tokens}; ask a shorter one, or use another reranker"
            )
        return [[*before, *passage[:room], *after, *end] for passage in passages]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _padded(self, prompts: Sequence[Sequence[int]], *, left: bool) -> dict[str, Any]:
        longest = max(map(len, prompts))
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.full((len(prompts), longest), pad)
        mask = torch.zeros((len(prompts), longest), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            place = slice(longest - len(prompt), longest) if left else slice(0, len(prompt))
            ids[row, place] = torch.tensor(prompt)
            mask[row, place] = 1
        device = self._model.device
        return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}

    def _continued(self, prompts: Sequence[Sequence[int]]) -> Any:
        """(n, vocabulary) logits of what comes after each prompt."""
        inputs = self._padded(prompts, left=True)
        positions = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
        return self._model(**inputs, position_ids=positions, logits_to_keep=1).logits[:, -1]

    def _decoded(self, prompts: Sequence[Sequence[int]]) -> Any:
        """(n, vocabulary) logits of the first word of each answer."""
        inputs = self._padded(prompts, left=False)
        start = self._model.config.decoder_start_token_id
        first = torch.full((len(prompts), 1), start, device=self._model.device)
        return self._model(**inputs, decoder_input_ids=first).logits[:, 0]


def _answer_ids(name: str, tokenizer: Any, prompt: _Prompt) -> tuple[int, int]:
    known = tokenizer.get_vocab()
    for yes, no in prompt.answers:
        if yes in known and no in known:
            return known[yes], known[no]
    spellings = " or ".join(f"{yes!r} and {no!r}" for yes, no in prompt.answers)
    raise ModelError(f"{name} has no tokens {spellings} to answer with")
