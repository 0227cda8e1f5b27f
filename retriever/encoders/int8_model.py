"""A BERT or X-MOD encoder run by the compiled int8 kernels: no torch, no onnxruntime.

Texts are packed, without padding; each token's activations have a scale of their own, so that
a text's vectors are the same, bit for bit, whatever else is encoded with it and by however
many threads.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from xret.errors import LanguageError, ModelError
from xret.index.scoring.kernel_path import NUMPY, kernel_path, kernel_reasons
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.int8_folder import WORDS, Int8Folder
from xret.retriever.encoders.int8_layers import Int8Layers
from xret.retriever.encoders.text_model import Features, Task, Through, text_offsets
from xret.retriever.encoders.text_tokens import prompt_tokens, text_tokens
from xret.retriever.models.tokenizer_file import check_tokenizer
from xret.types import FloatArray, IntArray

__all__ = ["FAST_PATHS", "Int8Model", "kernels_lack"]

FAST_PATHS = ("amx", "vnni", "avx2")
"""Paths of the kernels that are faster than torch in float32."""

_BATCH_TOKENS = 4_096
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")
_SHORTEST_SHARE = 256
_SMALLEST = np.float32(1e-9)


def kernels_lack(*, any_path: bool = False) -> str:
    """Why this machine does not run the kernels, or does so slowly; "" where it runs them.

    any_path: a slow one will do.
    """
    path = kernel_path()
    if path in FAST_PATHS or (any_path and path != NUMPY):
        return ""
    if path == NUMPY:
        return kernel_reasons()["portable"] or "XRET_KERNEL asks for NumPy"
    return f"the processor has neither AVX2 nor AVX-512 VNNI (its kernels are the {path} ones)"


class Int8Model:
    """The model of one folder as a `TextModel`.

    names: BCP 47 codes of its adapters, in the order of `Int8Folder.spellings`.
    """

    def __init__(self, folder: Int8Folder, options: EncoderOptions, names: Sequence[str]) -> None:
        self.folder = folder
        self.dim = folder.shape.dim
        self.late = folder.head.pooling is None
        self._single = self.late and options.single_vector
        by_angle = (folder.settings.get("similarity_fn_name") or "cosine") == "cosine"
        self.unit = self.late or by_angle
        self.batch_tokens = options.batch_tokens or _BATCH_TOKENS
        self._path = kernel_path()
        self._spellings = dict(zip(names, folder.spellings, strict=True))
        self._layers = Int8Layers(folder.weights, folder.prefix, folder.shape)
        self._tokenizer = folder.tokenizer()
        check_tokenizer(folder.path, self._tokenizer.get_vocab_size() - 1, self._rows)
        self._prompts = _prompts(folder, options)
        longest = _longest(folder)
        own = folder.transformer.get("document_length") or longest
        self.max_tokens = min(options.max_tokens or own, own)
        limit = folder.transformer.get("query_length") or longest
        self._lengths: dict[Task, int] = {"query": min(limit, longest), "document": self.max_tokens}
        if self.late:
            self._mean = folder.mean()
            self._marks = np.array(sorted(folder.marks(self._tokenizer)), np.int64)
            self._openings = self._prompt_ids()
        self._check_tables()

    @classmethod
    def load(cls, folder: Path, options: EncoderOptions, names: Sequence[str] = ()) -> Int8Model:
        """Open a folder that `Int8Folder.lacks` nothing; ModelError for damaged weights."""
        return cls(Int8Folder(folder), options, names)

    @cached_property
    def tokens(self) -> Tokenizer:
        """The tokenizer, cutting and padding nothing."""
        return self.folder.tokenizer()

    def features(self, texts: Sequence[str], task: Task) -> Features:
        """Tokenised, with the prompt of the task, cut to the model's length."""
        self._tokenizer.enable_truncation(self._lengths[task])
        prompt = self._prompts[task]
        encodings = self._tokenizer.encode_batch([prompt + text for text in texts])
        ids = [np.array(encoding.ids, np.int64) for encoding in encodings]
        offsets = None
        if task == "query":
            offsets = [text_offsets(encoding.offsets, len(prompt)) for encoding in encodings]
        cut = np.array([bool(encoding.overflowing) for encoding in encodings], np.bool_)
        # A text without a token, in a vocabulary without marks, is one unknown one.
        unknown = np.array([self._unknown], np.int64)
        ids = [row if len(row) else unknown for row in ids]
        return Features(ids, np.array([len(row) for row in ids], np.int64), cut, offsets)

    def vectors(
        self,
        features: Features,
        rows: IntArray,
        adapters: Sequence[Through] | None,
        task: Task,  # noqa: ARG002
    ) -> list[FloatArray]:
        """One forward pass over some of the tokenised texts, as they are, without padding."""
        texts: list[IntArray] = [features.batch[row] for row in rows.tolist()]
        lengths = [len(ids) for ids in texts]
        offsets = np.cumsum([0, *lengths]).astype(np.int64)
        states = self._embeddings(np.concatenate(texts))
        for text, start in zip(texts, offsets.tolist(), strict=False):
            states[start : start + len(text)] += self._positions(text)
        self._forward(states, offsets, adapters)
        return [
            self._text_vectors(states[start:end], ids)
            for ids, (start, end) in zip(texts, itertools.pairwise(offsets.tolist()), strict=True)
        ]

    def spans(self, text: str, task: Task) -> list[tuple[int, int]] | None:
        """Where in a text each of its vectors stands; None where it has one vector."""
        if not self.late or self._single:
            return None
        self._tokenizer.enable_truncation(self._lengths[task])
        prompt = self._prompts[task]
        encoding = self._tokenizer.encode(prompt + text)
        ids = np.array(encoding.ids or [self._unknown], np.int64)
        kept = text_tokens(ids, marks=self._marks, openings=self._openings)
        offsets = text_offsets(encoding.offsets, len(prompt)) or [(0, 0)]
        return list(itertools.compress(offsets, kept.tolist()))

    def _text_vectors(self, states: FloatArray, ids: IntArray) -> FloatArray:
        """(k, d) what the head makes of a text's states."""
        head = self.folder.head
        if self._single:
            return _unit(states.sum(axis=0, keepdims=True))
        if head.pooling is not None:
            text = states[:1] if head.pooling == "cls" else states.mean(axis=0, keepdims=True)
            return _unit(text) if head.unit else text
        kept = text_tokens(ids, marks=self._marks, openings=self._openings)
        return _unit(states[kept] - self._mean)

    def _forward(
        self, states: FloatArray, offsets: IntArray, adapters: Sequence[Through] | None
    ) -> None:
        buffers, which = self._adapters_of(offsets, adapters)

        def work(first: int, last: int) -> None:
            self._layers.encode(self._path, states, offsets, buffers, which, first=first, last=last)

        cuts = _shares(offsets)
        if len(cuts) == 2:
            work(0, cuts[1])
            return
        with ThreadPoolExecutor(len(cuts) - 1) as pool:
            for _ in pool.map(work, cuts[:-1], cuts[1:]):
                pass

    def _adapters_of(
        self, offsets: IntArray, adapters: Sequence[Through] | None
    ) -> tuple[list[npt.NDArray[np.uint8]], npt.NDArray[np.int32] | None]:
        """Weights of the adapters in use, and the number of each token's among them."""
        if adapters is None:
            if len(self._spellings) > 1:
                raise LanguageError(
                    f"the model has {len(self._spellings)} language adapters and was not told "
                    "which to use"
                )
            if not self._spellings:
                return [], None
            adapters = [next(iter(self._spellings))] * (len(offsets) - 1)
        by_token: list[str] = []
        for adapter, n in zip(adapters, np.diff(offsets).tolist(), strict=True):
            names = [adapter] * n if isinstance(adapter, str) else list(adapter)[:n]
            by_token += [*names, *[names[-1]] * (n - len(names))]
        numbers: dict[str, int] = {}
        buffers: list[npt.NDArray[np.uint8]] = []
        for name in dict.fromkeys(by_token):
            if name not in self._spellings:
                known = ", ".join(sorted(self._spellings))
                raise LanguageError(f"the model has no adapter {name!r}; it has {known}")
            buffer = self._layers.adapter(self._spellings[name])
            numbers[name] = -1 if buffer is None else len(buffers)
            buffers += [] if buffer is None else [buffer]
        return buffers, np.array([numbers[name] for name in by_token], np.int32)

    def _embeddings(self, ids: IntArray) -> FloatArray:
        """(t, d) rows of the vocabulary, plus that of the first segment."""
        if ids.size and int(ids.max()) >= self._rows:
            raise ModelError(
                f"token id {ids.max()} does not exist in a vocabulary of {self._rows}: the "
                "tokenizer is that of another model"
            )
        # Each row is read once; in a batch most are there many times.
        numbers, inverse = np.unique(ids, return_inverse=True)
        rows = self.folder.weights.rows(self.folder.prefix + WORDS, numbers)
        rows += self._segment
        states: FloatArray = rows[inverse]
        return states

    def _positions(self, ids: IntArray) -> FloatArray:
        first, padding = self.folder.first_position, self.folder.padding
        if not first:
            return self._position_table[: len(ids)]
        real = ids != padding  # a text may name the padding; it has no place then
        places: FloatArray = self._position_table[np.cumsum(real) * real + padding]
        return places

    @cached_property
    def _position_table(self) -> FloatArray:
        return self._table("position_embeddings")

    @cached_property
    def _segment(self) -> FloatArray:
        return self._table("token_type_embeddings")[:1]

    @cached_property
    def _rows(self) -> int:
        return self.folder.weights.shape(self.folder.prefix + WORDS)[0]

    @cached_property
    def _unknown(self) -> int:
        token = self.folder.tokenizer_config.get("unk_token")
        return self._tokenizer.token_to_id(str(token)) or 0

    def _table(self, name: str) -> FloatArray:
        weights, tensor = self.folder.weights, f"{self.folder.prefix}embeddings.{name}.weight"
        return weights.array(tensor)

    def _check_tables(self) -> None:
        """Raises ModelError where a table does not fit the layers or holds odd numbers."""
        weights = self.folder.weights
        names = [WORDS, *(f"embeddings.{n}_embeddings.weight" for n in ("position", "token_type"))]
        for name in names:
            shape = weights.shape(self.folder.prefix + name)
            if len(shape) != 2 or shape[1] != self.dim or not shape[0]:
                raise ModelError(f"{weights.path}: {name} is {shape}, not (n, {self.dim})")
        if not np.isfinite(self._position_table).all() or not np.isfinite(self._segment).all():
            raise ModelError(f"{weights.path}: the tables of positions are damaged")

    def _prompt_ids(self) -> list[IntArray]:
        """Tokens of each prompt that a text may begin with, without marks."""
        prompts = (*self._prompts.values(), *self.folder.head_prompts())
        self._tokenizer.no_truncation()
        return prompt_tokens(self._tokenizer, prompts, marks=self._marks)


def _prompts(folder: Int8Folder, options: EncoderOptions) -> dict[Task, str]:
    prompts = {**(folder.settings.get("prompts") or {}), **(options.prompts or {})}
    document = next((p for name in _DOCUMENT_PROMPTS if (p := prompts.get(name))), "")
    return {"query": str(prompts.get("query") or ""), "document": str(document)}


def _longest(folder: Int8Folder) -> int:
    """Tokens of a text; the table of positions may hold fewer than promised."""
    said = folder.transformer.get("max_seq_length") or folder.tokenizer_config.get(
        "model_max_length"
    )
    return min(int(said or folder.positions), folder.positions)


def _shares(offsets: IntArray) -> list[int]:
    """Where to cut texts for the threads: in shares of about as many tokens."""
    n, tokens = len(offsets) - 1, int(offsets[-1])
    threads = min(_threads(), n, tokens // _SHORTEST_SHARE)
    inner = np.searchsorted(offsets, tokens * np.arange(1, max(threads, 1)) // max(threads, 1))
    return [0, *sorted(set(inner.tolist()) - {0, n}), n]


def _threads() -> int:
    """As torch counts them: $OMP_NUM_THREADS, else the processors of this process."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    unit: FloatArray = vectors / np.maximum(lengths, _SMALLEST)[:, None]
    return unit
