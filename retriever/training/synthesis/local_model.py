"""Questions by a causal language model in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.rerankers.weights import load_weights
from xret.retriever.training.synthesis.prompt import (
    SYSTEM,
    plain_prompt,
    prompt_messages,
    read_reply,
)
from xret.retriever.training.synthesis.questions import SyntheticQuestion
from xret.retriever.training.synthesis.source_passages import SourcePassage

__all__ = ["LocalGenerator"]

MAX_NEW_TOKENS = 160


class LocalGenerator:
    """Takes the likeliest token each time, so that one folder gives the same questions again."""

    def __init__(self, name: str, fingerprint: str, model: Any, tokenizer: Any) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self._model = model
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path) -> LocalGenerator:
        """Raises ModelError for a folder that holds no causal model in safetensors."""
        from transformers import AutoModelForCausalLM

        model, tokenizer = load_weights(folder, AutoModelForCausalLM)
        facts = {"kind": "questions-1", "prompt": SYSTEM}
        return cls(folder.name, model_fingerprint(folder, facts), model, tokenizer)

    def ask(self, passage: SourcePassage, lang: str) -> SyntheticQuestion:
        """One forward pass over the prompt, and one for each token of the answer."""
        text, opened = self._prompt(passage.as_read(), lang)
        ids = self._tokenizer(text, return_tensors="pt", add_special_tokens=not opened)
        prompt = ids["input_ids"].to(self._model.device)
        with torch.inference_mode():
            answer = self._model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=MAX_NEW_TOKENS,
                do_sample=False,
                num_beams=1,
                pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
            )[0, prompt.shape[1] :]
        written = self._tokenizer.decode(answer, skip_special_tokens=True)
        question, summary = read_reply(written if opened else f"Summary:{written}")
        return SyntheticQuestion(
            question,
            summary,
            requests=1,
            prompt_tokens=prompt.shape[1],
            completion_tokens=len(answer),
        )

    def _prompt(self, text: str, lang: str) -> tuple[str, bool]:
        """What it reads, and whether its tokenizer wrote that as a chat."""
        if not self._tokenizer.chat_template:
            return plain_prompt(text, lang), False
        messages = prompt_messages(text, lang)
        chat = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return str(chat), True
