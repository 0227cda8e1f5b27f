"""What a model folder says of an encoder that the int8 kernels can run: read, or refused.

The layouts are those of sentence-transformers: BERT, XLM-R or X-MOD with the norm behind each
block, and then either a pooling (with or without a normalisation) or our `TokenVectors`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from xret.errors import ModelError
from xret.retriever.encoders.int8_layers import LayerShape
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import read_json, text_pooling
from xret.retriever.models.mapped_weights import MappedWeights
from xret.types import FloatArray

__all__ = ["HEAD", "Int8Folder", "recommended_precision"]

HEAD = "1_TokenVectors"
WEIGHTS, TOKENIZER, WORDS = (
    "model.safetensors",
    "tokenizer.json",
    "embeddings.word_embeddings.weight",
)

_FROM_PADDING = ("xmod", "roberta", "xlm-roberta")
"""Architectures that count positions from behind the padding's id."""

_NAMED = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
_SETTLED = {"max_seq_length", "query_length", "document_length", "do_lower_case"}
_TEXT_ONLY = {"transformer_task", "modality_config", "module_output_name"}


@dataclass(frozen=True, slots=True)
class Int8Head:
    """How states become vectors. pooling: "mean" or "cls", None for vectors of tokens.

    unit: whether a text's vector is scaled to length 1 before it is handed on.
    """

    pooling: str | None
    unit: bool


class Int8Folder:
    """A folder's settings, as far as the kernels need them; nothing heavy is read before use."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.config = read_json(folder / "config.json")
        self.transformer = read_json(folder / "sentence_bert_config.json")
        self.settings = read_json(folder / "config_sentence_transformers.json")
        self.tokenizer_config = read_json(folder / "tokenizer_config.json")

    def lacks(self, as_kind: Kind) -> str:
        """Why the kernels cannot run this model, "" where they can."""
        config, kind = self.config, self.config.get("model_type")
        if kind != "bert" and kind not in _FROM_PADDING:
            return f"it is of type {kind!r}, not BERT or X-MOD"
        if config.get("pre_norm") or config.get("is_decoder") or config.get("add_cross_attention"):
            return "it normalises before each block, or is a decoder"
        if config.get("hidden_act", "gelu") != "gelu":
            return f"its activation is {config['hidden_act']!r}, not gelu"
        if config.get("position_embedding_type", "absolute") != "absolute":
            return "its positions are relative"
        if not (self.path / WEIGHTS).is_file() or not (self.path / TOKENIZER).is_file():
            return f"it has no {WEIGHTS} or no {TOKENIZER}"
        unknown = self.transformer.keys() - _SETTLED - _TEXT_ONLY
        if unknown or self.transformer.get("do_lower_case"):
            return "its transformer has settings that the kernels do not know"
        if self.tokenizer_config.get("padding_side", "right") != "right":
            return "it pads texts on the left"
        late = as_kind is Kind.LATE_INTERACTION
        if self._head is None or (self._head.pooling is None) != late:
            return "it ends in modules that the kernels do not know"
        return self.shape.lacks()

    @cached_property
    def shape(self) -> LayerShape:
        return LayerShape.of(self.config)

    @property
    def head(self) -> Int8Head:
        assert self._head is not None  # noqa: S101
        return self._head

    @cached_property
    def _head(self) -> Int8Head | None:
        try:
            rows = json.loads((self.path / "modules.json").read_text(encoding="utf-8"))
            names = [str(row["type"]).rsplit(".", 1)[-1] for row in rows]
            paths = [str(row.get("path", "")) for row in rows]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if not names or names[0] not in ("Transformer", "XmodTransformer") or paths[0]:
            return None
        if names[1:] == ["TokenVectors"] and paths[1] == HEAD:
            return Int8Head(None, unit=True)
        if names[1:] in (["Pooling"], ["Pooling", "Normalize"]):
            pooling = text_pooling(read_json(self.path / paths[1] / "config.json"))
            return None if pooling is None else Int8Head(pooling, unit=len(names) == 3)
        return None

    @property
    def spellings(self) -> tuple[str, ...]:
        """X-MOD's languages as the file spells them; empty for other models."""
        found = self.config.get("languages") if self.config["model_type"] == "xmod" else None
        return tuple(map(str, found or ()))

    @cached_property
    def weights(self) -> MappedWeights:
        return MappedWeights.open(self.path / WEIGHTS)

    @property
    def prefix(self) -> str:
        """What stands before the encoder's tensors; ModelError where there are none."""
        found = sorted(name for name in self.weights.names if name.endswith(WORDS))
        if not found:
            raise ModelError(f"{self.path / WEIGHTS} holds no encoder: no tensor ends in {WORDS}")
        return found[0].removesuffix(WORDS)

    def tokenizer(self) -> Tokenizer:
        """A tokenizer that cuts and pads nothing; ModelError for a file that is none."""
        try:
            tokenizer = Tokenizer.from_file(str(self.path / TOKENIZER))
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelError(f"{self.path / TOKENIZER} is no tokenizer: {error}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def marks(self, tokenizer: Tokenizer) -> frozenset[int]:
        """Ids of tokens that stand for no part of a text."""
        named = {**read_json(self.path / "special_tokens_map.json"), **self.tokenizer_config}
        tokens = [named.get(f"{name}_token") for name in _NAMED if name != "unk"]
        for more in ("additional_special_tokens", "extra_special_tokens"):
            extra = named.get(more) or []
            tokens += extra.values() if isinstance(extra, Mapping) else extra
        texts = [str(t.get("content")) if isinstance(t, Mapping) else str(t) for t in tokens if t]
        ids = (tokenizer.token_to_id(text) for text in texts)
        return frozenset(number for number in ids if number is not None)

    @property
    def positions(self) -> int:
        """Tokens that the table of positions has room for."""
        rows: int = self.weights.shape(f"{self.prefix}embeddings.position_embeddings.weight")[0]
        return rows - self.first_position

    @property
    def first_position(self) -> int:
        """The position of a text's first token."""
        kind = self.config["model_type"]
        return self.padding + 1 if kind in _FROM_PADDING else 0

    @property
    def padding(self) -> int:
        return int(self.config.get("pad_token_id") or 0)

    def mean(self) -> FloatArray:
        """(d,) what `TokenVectors` takes from each state."""
        path = self.path / HEAD / WEIGHTS
        mean = MappedWeights.open(path).array("mean")
        if mean.shape != (self.shape.dim,) or not np.isfinite(mean).all():
            raise ModelError(f"{path} holds no mean of {self.shape.dim} finite numbers")
        return mean

    def head_prompts(self) -> list[str]:
        """What `TokenVectors` was told that texts may begin with."""
        said = read_json(self.path / HEAD / "config.json").get("prompts") or []
        return [str(prompt) for prompt in said]


def recommended_precision(folder: Path) -> str:
    """How a model is meant to be run where nobody says it: "int8" or "fp32"."""
    said = read_json(folder / HEAD / "config.json").get("precision")
    return "int8" if said == "int8" else "fp32"
