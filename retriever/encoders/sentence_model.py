"""Models of sentence-transformers run by torch: bi-encoders and late interaction.

Local files only, and never code from them; what was loaded is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from tokenizers import Tokenizer
from torch import Tensor
from transformers import XmodModel

from xret.errors import ModelError, XretError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.precision import Precision, choose_precision, set_precision
from xret.retriever.encoders.stanford import restore_stanford
from xret.retriever.encoders.text_model import Features, Task, Through, text_offsets
from xret.retriever.encoders.word_model import has_own_head, load_own_model
from xret.retriever.encoders.word_pooling import WordPooling
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import check_loadable, is_stanford, read_json
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.models.soundness import check_sound
from xret.retriever.xmod.xmod import XmodAdapters, adapter_spelling, prepare_xmod
from xret.types import FloatArray, IntArray

__all__ = ["SentenceModel"]

# Where batches stop gaining: larger ones leave a CPU's caches; a GPU needs many to be busy.
CPU_BATCH_TOKENS, INT8_BATCH_TOKENS, GPU_BATCH_TOKENS = 4_096, 512, 131_072
STATIC_MAX_TOKENS = 8_192
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class SentenceModel:
    """A `SentenceTransformer` or a `MultiVectorEncoder` as a `TextModel`.

    adapters: its X-MOD adapters, None for any other backbone.
    """

    def __init__(
        self,
        model: SentenceTransformer | MultiVectorEncoder,
        options: EncoderOptions,
        adapters: XmodAdapters | None,
    ) -> None:
        self.model = model
        self.adapters = adapters
        self.late = isinstance(model, MultiVectorEncoder)
        self._single = self.late and options.single_vector
        weighs = any(isinstance(module, WordPooling) for module in model)  # by their lengths
        by_angle = self.late or model.similarity_fn_name == "cosine"
        self.unit = self._single or (by_angle and not weighs)
        self.dim = int(model.get_embedding_dimension() or 0)
        self.max_tokens = _max_tokens(model, options.max_tokens)
        device = str(model.device)
        small = INT8_BATCH_TOKENS if options.precision == "int8" else CPU_BATCH_TOKENS
        default = small if device == "cpu" else GPU_BATCH_TOKENS
        self.batch_tokens = options.batch_tokens or default
        self._prompts: dict[str, str | None] = {
            "query": model.prompts.get("query"),
            "document": next((p for n in _DOCUMENT_PROMPTS if (p := model.prompts.get(n))), None),
        }

    @classmethod
    def load(cls, folder: Path, kind: Kind, *, options: EncoderOptions) -> SentenceModel:
        """Load a model folder of any layout, in the precision asked for.

        Raises ModelError for what cannot be loaded or does not fit together.
        """
        check_loadable(folder)
        device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
        precision = choose_precision(Precision(options.precision or "fp32"), device)
        try:
            model = _load(folder, kind, options, device)
        except XretError:
            raise
        except Exception as error:  # the libraries raise whatever the files make them trip over
            raise ModelError(f"{folder} cannot be loaded: {error}") from error
        check_sound(folder, model)
        if is_stanford(folder) and isinstance(model, MultiVectorEncoder):
            with quiet_libraries():
                restore_stanford(folder, model, options)
        backbone = model.transformers_model
        adapters = prepare_xmod(backbone) if isinstance(backbone, XmodModel) else None
        model.train(False)
        set_precision(model, precision)
        return cls(model, options, adapters)

    @cached_property
    def tokens(self) -> Tokenizer | None:
        """A copy of the tokenizer that cuts and pads nothing; None for one written in Python."""
        tokenizer: Any = self.model.tokenizer
        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        if not isinstance(backend, Tokenizer):
            return None
        copy: Tokenizer = Tokenizer.from_str(backend.to_str())
        copy.no_truncation()
        copy.no_padding()
        return copy

    def prompt(self, task: Task) -> str | None:
        """What is set before every text of a task."""
        return self._prompts[task]

    def features(self, texts: Sequence[str], task: Task) -> Features:
        """Tokenised, with the prompt of the task, cut to the model's length."""
        prompt = self._prompts[task]
        encoded: Any = self.model.preprocess(list(texts), prompt=prompt, task=task)
        batch = dict(encoded)
        if "offsets" in batch:  # word vectors: all texts in one row, no padding
            ends = [*batch["offsets"].tolist()[1:], len(batch["input_ids"])]
            lengths = np.diff([0, *ends]).astype(np.int64)
            return Features(batch, lengths, np.zeros(len(texts), np.bool_))
        mask = batch["attention_mask"].bool()
        offsets = None
        if (encodings := getattr(encoded, "encodings", None)) is not None:
            # What the tokenizer cut off it keeps beside the text: nothing is read twice.
            cut = np.array([bool(one.overflowing) for one in encodings])
            if task == "query":
                offsets = [text_offsets(one.offsets, len(prompt or "")) for one in encodings]
        else:
            cut = (mask.sum(dim=1) >= (self.model.max_seq_length or 1 << 30)).numpy()
        if "query_expansion_positions" in batch:
            mask = mask | batch["query_expansion_positions"].bool()
        return Features(batch, mask.sum(dim=1).numpy().astype(np.int64), cut, offsets)

    def spans(self, text: str, task: Task) -> list[tuple[int, int]] | None:
        """Where in a text each of its vectors stands; None where it has one vector."""
        encoded: Any = self.model.preprocess([text], prompt=self._prompts[task], task=task)
        encodings = getattr(encoded, "encodings", None)
        if not self.late or self._single or encodings is None or "offsets" in encoded:
            return None
        kept = self._kept(dict(encoded), task)
        offsets = text_offsets(encodings[0].offsets, len(self._prompts[task] or ""))
        offsets += [(0, 0)] * (len(kept) - len(offsets))  # tokens that a query is filled up with
        if any(isinstance(module, WordPooling) for module in self.model):
            offsets = _with_continuations(offsets, kept)
        return [offset for offset, has_vector in zip(offsets, kept, strict=True) if has_vector]

    def _kept(self, batch: dict[str, Any], task: Task) -> list[bool]:
        """Which tokens of one text get a vector: as the modules behind the transformer say.

        They are given zeros as its states.
        """
        transformer: Any = self.model[0]
        others: list[Any] = list(self.model)[1:]
        width = transformer.get_embedding_dimension()
        batch["token_embeddings"] = torch.zeros((*batch["input_ids"].shape, width))
        device = self.model.device
        batch = {n: v.to(device) if isinstance(v, Tensor) else v for n, v in batch.items()}
        with torch.inference_mode():
            for module in others:
                tasked = "task" in getattr(module, "forward_kwargs", ())
                batch = module(batch, task=task) if tasked else module(batch)
        kept: list[bool] = batch["attention_mask"].bool()[0].tolist()
        return kept if any(kept) else [True, *kept[1:]]

    def vectors(
        self, features: Features, rows: IntArray, adapters: Sequence[Through] | None, task: Task
    ) -> list[FloatArray]:
        """One forward pass over some of the tokenised texts, padded to the longest of them."""
        if "offsets" in features.batch:
            batch = _bags(features, rows)
        else:
            width = int(features.lengths[rows].max())
            left = getattr(self.model.tokenizer, "padding_side", "right") == "left"
            batch = _rows(features, rows, width, left=left)
        if self.adapters is not None and adapters is not None:
            width = batch["input_ids"].shape[1]
            batch["lang_ids"] = _lang_ids(self.adapters, adapters, width)
        device = self.model.device
        batch = {n: v.to(device) if isinstance(v, Tensor) else v for n, v in batch.items()}
        with torch.inference_mode():
            made = self.model(batch, task=task)
            if not self.late:
                return list(made["sentence_embedding"].float().cpu().numpy()[:, None, :])
            if self._single:
                return list(_text_vectors(made).float().cpu().numpy()[:, None, :])
            mask = made["attention_mask"].bool()
            mask[:, 0] |= ~mask.any(dim=1)  # a text of punctuation alone keeps one vector
            packed = made["token_embeddings"][mask].float().cpu().numpy()
            ends = np.cumsum(mask.sum(dim=1).cpu().numpy())
        return np.split(packed, ends[:-1])


def _load(
    folder: Path, kind: Kind, options: EncoderOptions, device: str
) -> SentenceTransformer | MultiVectorEncoder:
    loader = MultiVectorEncoder if kind is Kind.LATE_INTERACTION else SentenceTransformer
    prompts = None if options.prompts is None else dict(options.prompts)
    with quiet_libraries():
        if has_own_head(folder):
            return load_own_model(folder, _languages(folder, options), prompts=prompts).to(device)
        return loader(
            str(folder),
            device=device,
            prompts=prompts,
            local_files_only=True,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
            config_kwargs=_languages(folder, options),
        )


def _languages(folder: Path, options: EncoderOptions) -> dict[str, Any]:
    """Of an X-MOD model, the adapters to load: the others' weights are then never read."""
    installed = read_json(folder / "config.json").get("languages")
    if options.adapters is None or not isinstance(installed, list):
        return {}
    return {
        "languages": [adapter_spelling(name, installed) for name in options.adapters],
        "default_language": None,
    }


def _max_tokens(model: Any, wanted: int | None) -> int:
    """Tokens of a document that are read; the position table may hold fewer than promised."""
    transformer = model[0]
    if model.max_seq_length is None or model.max_seq_length > 1 << 24:
        return wanted or STATIC_MAX_TOKENS
    backbone = model.transformers_model
    positions = getattr(getattr(backbone, "embeddings", None), "position_embeddings", None)
    if positions is not None:
        # XLM-R's family counts positions from the padding id on.
        offset = 0 if positions.padding_idx is None else positions.padding_idx + 1
        model.max_seq_length = min(model.max_seq_length, positions.num_embeddings - offset)
    longest = getattr(transformer, "document_length", None) or model.max_seq_length
    if wanted is not None and wanted < longest:
        transformer.document_length = longest = wanted
    return int(longest)


def _with_continuations(offsets: list[tuple[int, int]], kept: list[bool]) -> list[tuple[int, int]]:
    """Offsets of words, where those of their first pieces stood."""
    words = list(offsets)
    first = None
    for place, (start, end) in enumerate(offsets):
        first = place if kept[place] else first
        if first is not None and first != place and end > start:
            words[first] = (words[first][0], end)
    return words


def _text_vectors(made: dict[str, Tensor]) -> Tensor:
    """(b, d): the model's own vector of each text, or the mean of its vectors."""
    if "sentence_embedding" in made:
        return made["sentence_embedding"]
    mask = made["attention_mask"][:, :, None]
    return (made["token_embeddings"] * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)


def _lang_ids(adapters: XmodAdapters, chosen: Sequence[Through], width: int) -> Tensor:
    """(b,) ids where every text has one adapter, else (b, width), one a token."""
    if all(isinstance(adapter, str) for adapter in chosen):
        return adapters.ids([str(adapter) for adapter in chosen])
    rows = []
    for adapter in chosen:
        names = [adapter] * width if isinstance(adapter, str) else list(adapter)[:width]
        rows.append(adapters.ids([*names, *[names[-1]] * (width - len(names))]))
    return torch.stack(rows)


def _rows(features: Features, rows: IntArray, width: int, *, left: bool) -> dict[str, Any]:
    """Some rows of every tensor of the batch, cut to their longest text."""
    n = len(features.lengths)
    chosen = torch.from_numpy(rows)
    batch = {}
    for name, value in features.batch.items():
        if isinstance(value, Tensor) and value.shape[:1] == (n,):
            value = value[chosen]
            if value.dim() > 1:
                value = value[:, -width:] if left else value[:, :width]
        batch[name] = value
    return batch


def _bags(features: Features, rows: IntArray) -> dict[str, Any]:
    """Some texts of a batch without padding: their ids in one row, and where each starts."""
    starts = features.batch["offsets"].tolist()
    lengths = features.lengths[rows]
    ids = [
        features.batch["input_ids"][starts[row] : starts[row] + n]
        for row, n in zip(rows.tolist(), lengths.tolist(), strict=True)
    ]
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    return {"input_ids": torch.cat(ids), "offsets": torch.from_numpy(offsets)}
