"""Vectors of English text from a small sentence encoder, for the student to come near to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from xret.errors import ModelError
from xret.retriever.models.published import published_file
from xret.types import FloatArray, IntArray

__all__ = ["SentenceTeacher", "TeacherVectors", "encode_english", "read_english"]

_LONGEST = 64
_TOKENS_A_BATCH = 8_192
_TEXTS_A_BATCH = 1_024
_TEXTS_A_FILE = 20_000
_SAMPLE = 60_000


class SentenceTeacher:
    """A BERT encoder with mean pooling over its tokens (Reimers and Gurevych 2019)."""

    def __init__(self, model: Any, tokenizer: Tokenizer) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.dim: int = model.config.hidden_size

    @classmethod
    def load(cls, folder: Path) -> SentenceTeacher:
        """Open a folder with config.json, tokenizer.json and model.safetensors, never a pickle.

        Raises ModelError when a file is missing or does not load.
        """
        from transformers import AutoModel

        names = ("config.json", "tokenizer.json", "model.safetensors")
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ModelError(f"{folder} is no teacher: no {', '.join(missing)} there")
        try:
            model = AutoModel.from_pretrained(
                folder, dtype=torch.bfloat16, use_safetensors=True, local_files_only=True
            )
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # each library raises its own
            raise ModelError(f"{folder} cannot be loaded as a teacher: {error}") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(_LONGEST)
        return cls(model.eval(), tokenizer)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        """(n, dim) float16 of unit length; texts of like length should stand together."""
        vectors = np.empty((len(texts), self.dim), np.float16)
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        order = sorted(range(len(ids)), key=lambda position: len(ids[position]))
        start = 0
        while start < len(order):
            longest = len(ids[order[min(len(order), start + 64) - 1]])
            size = max(8, min(_TEXTS_A_BATCH, _TOKENS_A_BATCH // max(1, longest)))
            batch = order[start : start + size]
            vectors[batch] = self._encode_batch([ids[position] for position in batch])
            start += size
        return vectors

    def _encode_batch(self, ids: list[list[int]]) -> FloatArray:
        width = max(len(row) for row in ids)
        tokens = torch.zeros((len(ids), width), dtype=torch.long)
        mask = torch.zeros((len(ids), width), dtype=torch.long)
        for position, row in enumerate(ids):
            tokens[position, : len(row)] = torch.tensor(row)
            mask[position, : len(row)] = 1
        # Without padding the mask is left out: attention is then much faster.
        given = None if bool(mask.all()) else mask
        with torch.inference_mode():
            hidden = self._model(input_ids=tokens, attention_mask=given).last_hidden_state.float()
            mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
            vectors: FloatArray = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors


class TeacherVectors:
    """Teacher vectors brought to the student's width by their principal axes."""

    def __init__(self, vectors: npt.NDArray[np.float16], *, dim: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 2])
        sample = rng.choice(len(vectors), min(_SAMPLE, len(vectors)), replace=False)
        seen = vectors[np.sort(sample)].astype(np.float32)
        self._mean = seen.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov((seen - self._mean).T))
        self._axes = np.ascontiguousarray(axes[:, ::-1][:, :dim], dtype=np.float32)
        self._vectors = vectors
        self._dim = dim

    def take(self, english: IntArray) -> torch.Tensor:
        """(n, dim) float32 of unit length, for those English texts."""
        vectors = (self._vectors[english].astype(np.float32) - self._mean) @ self._axes
        missing = self._dim - vectors.shape[1]
        padded = np.pad(vectors, ((0, 0), (0, missing))) if missing else vectors
        return torch.nn.functional.normalize(torch.from_numpy(padded), dim=1)


def encode_english(texts: Sequence[str], teacher: SentenceTeacher, folder: Path) -> Iterator[int]:
    """Encode into `teacher-*.safetensors` files, keeping those already there; yields the count."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    for number, start in enumerate(range(0, len(order), _TEXTS_A_FILE)):
        path = folder / f"teacher-{number:05}.safetensors"
        which = order[start : start + _TEXTS_A_FILE]
        if not path.is_file():
            vectors = teacher.encode([texts[position] for position in which.tolist()])
            with published_file(path) as part:
                save_file({"texts": which.astype(np.int64), "vectors": vectors}, part)
        yield min(len(order), start + _TEXTS_A_FILE)


def read_english(folder: Path, n_texts: int, width: int) -> npt.NDArray[np.float16]:
    """(n, width) float16: what `encode_english` wrote."""
    vectors = np.zeros((n_texts, width), np.float16)
    for path in sorted(folder.glob("teacher-*.safetensors")):
        tensors = load_file(path)
        vectors[tensors["texts"]] = tensors["vectors"]
    return vectors
