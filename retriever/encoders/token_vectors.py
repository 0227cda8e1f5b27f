"""Token states to token vectors, marks and prompts left out; a sentence-transformers module.

What a pretrained encoder's last states have in common says nothing about a text and makes all
of them alike (Ethayarajh 2019; Mu and Viswanath 2018): the vectors are compared by angle after
the mean state of general text is taken away. The marks around a text and the words of its
prompt are the same in every text, and get no vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules import Module
from torch import Tensor
from torch.nn import functional

__all__ = ["TokenVectors"]

_SMALLEST = 1e-9


class TokenVectors(Module):
    """States (b, t, d) minus their mean, at unit length; the mask says which have a vector.

    prompts: what texts may begin with, as written. pool_factor: of a document's vectors one in
    so many is kept in an index, like ones joined (`pool_tokens`); preset: the index's, empty for
    its own default. precision: "int8" where the model is meant to be run so. sentence_embedding is
    added: the mean of all states, marks and prompt included, at unit length.
    """

    # The base class's own declaration.
    config_keys: list[str] = ["dim", "prompts", "pool_factor", "precision", "preset"]  # noqa: RUF012

    def __init__(
        self,
        dim: int,
        prompts: Sequence[str] = (),
        pool_factor: float = 1.0,
        precision: str = "fp32",
        preset: str = "",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dim = dim
        self.prompts = list(prompts)
        self.pool_factor = pool_factor
        self.precision = precision
        self.preset = preset
        self.register_buffer("mean", torch.zeros(dim))
        self._marks = torch.zeros(0, dtype=torch.int64)
        self._openings: list[Tensor] = []

    def on_model_ready(self, model: Any) -> None:
        """Learn from the tokenizer which tokens are marks, and which make up the prompts."""
        tokenizer = model.tokenizer
        self._marks = torch.tensor(sorted(set(tokenizer.all_special_ids)))
        unknown = tokenizer.unk_token_id
        if unknown is not None:  # stands for a part of the text
            self._marks = self._marks[self._marks != unknown]
        known = {*self.prompts, *(prompt for prompt in model.prompts.values() if prompt)}
        rows = [tokenizer(prompt.rstrip())["input_ids"] for prompt in sorted(known)]
        marks = set(self._marks.tolist())
        self._openings = [torch.tensor([i for i in row if i not in marks]) for row in rows]

    @property
    def marks(self) -> list[int]:
        """Ids of the tokens that stand for no part of a text, ascending."""
        ids: list[int] = self._marks.tolist()
        return ids

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """token_embeddings (b, t, d) to vectors of unit length, attention_mask to those kept."""
        hidden: Tensor = features["token_embeddings"].float()
        ids: Tensor = features["input_ids"]
        attended = features["attention_mask"].bool()
        total = (hidden * attended[:, :, None]).sum(dim=1)
        vectors = functional.normalize(hidden - self.mean, dim=2, eps=_SMALLEST)
        return {
            **features,
            "token_embeddings": vectors,
            "attention_mask": self.kept(ids, attended).long(),
            "sentence_embedding": functional.normalize(total, dim=1, eps=_SMALLEST),
        }

    def kept(self, ids: Tensor, attended: Tensor) -> Tensor:
        """(b, t) bool: tokens of the text itself."""
        kept = attended & ~torch.isin(ids, self._marks.to(ids.device))
        for opening in self._openings:
            opening = opening.to(ids.device)
            # After the mark at the start, where there is one.
            for first in (0, 1):
                end = first + len(opening)
                if not len(opening) or end > ids.shape[1]:
                    continue
                begins = (ids[:, first:end] == opening).all(dim=1)
                kept[:, first:end] &= ~begins[:, None]
        return kept

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write config.json and model.safetensors; there is no other form."""
        Path(output_path).mkdir(parents=True, exist_ok=True)
        self.save_config(output_path)
        self.save_torch_weights(output_path)

    @classmethod
    def load(  # type: ignore[override]
        cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any
    ) -> TokenVectors:
        """Open what `save` wrote."""
        known = ("token", "cache_folder", "revision", "local_files_only")
        where = {name: kwargs[name] for name in known if name in kwargs}
        module = cls(**cls.load_config(model_name_or_path, subfolder=subfolder, **where))
        cls.load_torch_weights(model_name_or_path, subfolder=subfolder, model=module, **where)
        return module
