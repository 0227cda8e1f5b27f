"""An X-MOD model's folder by its settings and tables of contents: whose each tensor and row is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xret.errors import LanguageError, ModelError
from xret.retriever.models.folder_change import finish_change
from xret.retriever.models.layout import read_json
from xret.retriever.models.weight_file import ZEROS, StoredTensor, WeightFile
from xret.retriever.xmod.spellings import XMOD_ADAPTERS, adapter_name

__all__ = ["CARDS", "CONFIG", "POOLING", "ROWS_SETTING", "TOKENIZER", "WEIGHTS", "XmodFolder"]

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
WORD_ROWS = "embeddings.word_embeddings.weight"
"""Rows of `LanguageAdapter.rows` that go into the model's table of word embeddings: (p, d)."""

EMPHASIS = "1_WordPooling/emphasis"
"""Those that go into the emphasis of a `WordPooling`: (p,)."""

CARDS = "adapter_cards"
"""Folder of the cards of languages that were added: LANG.json."""

POOLING = EMPHASIS.partition("/")[0]
ROWS_SETTING = "vocabulary_rows"
"""In config.json: language to [first, end) of the vocabulary rows that came with it."""

_ADAPTER = re.compile(r"(encoder\.layer\.\d+\.output\.)adapter_modules\.([^.]+)\.(.+)")
_SCALED = "_scale"
_HEADS = ("lm_head.decoder.weight", "lm_head.decoder.bias", "lm_head.bias")


@dataclass(frozen=True, slots=True)
class XmodFolder:
    """What lies in a folder. prefix: before the encoder's tensors, as `roberta.` in xmod-base.

    pooling: the weights of a `WordPooling`, None where there is none.
    """

    folder: Path
    config: Mapping[str, Any]
    weights: WeightFile
    prefix: str
    pooling: WeightFile | None

    @classmethod
    def open(cls, folder: Path) -> XmodFolder:
        """Raises ModelError for a folder without an X-MOD model in one safetensors file."""
        finish_change(folder)
        config = read_json(folder / CONFIG)
        if config.get("model_type") != "xmod" or not isinstance(config.get("languages"), list):
            found = config.get("model_type")
            raise ModelError(
                f"{folder} has no X-MOD adapters"
                + (f": its model is of type {found!r}" if found else "")
            )
        if not (folder / WEIGHTS).is_file():
            _refuse_weights(folder)
        weights = WeightFile.open(folder / WEIGHTS)
        found = sorted(name for name in weights.tensors if name.endswith(WORD_ROWS))
        if not found:
            raise ModelError(f"{folder} holds no X-MOD encoder: no tensor ends in {WORD_ROWS}")
        pooling = folder / POOLING / WEIGHTS
        model = cls(
            folder,
            config,
            weights,
            found[0].removesuffix(WORD_ROWS),
            WeightFile.open(pooling) if pooling.is_file() else None,
        )
        model.check_rows()
        return model

    @property
    def spellings(self) -> tuple[str, ...]:
        """Installed languages as the checkpoint writes them; the position is the id."""
        return tuple(self.config["languages"])

    @property
    def languages(self) -> dict[str, str]:
        """BCP 47 code to the checkpoint's spelling."""
        return {adapter_name(spelling): spelling for spelling in self.spellings}

    def spelling(self, lang: str) -> str:
        """Raises LanguageError for a language that is not installed."""
        if lang not in self.languages:
            raise LanguageError(
                f"{self.folder} has no adapter for {lang!r}; it has "
                f"{', '.join(sorted(self.languages))}"
            )
        return self.languages[lang]

    def new_spelling(self, lang: str) -> str:
        """How a language is spelt here that is not installed yet."""
        regional = any("_" in spelling for spelling in self.spellings)
        return XMOD_ADAPTERS.get(lang, lang) if regional else lang

    def adapter_tensors(self, spelling: str) -> dict[str, str]:
        """Tensors of one language: name without the language to name in the file."""
        owned = {}
        for name in self.weights.tensors:
            match = _ADAPTER.fullmatch(name.removeprefix(self.prefix))
            if match is not None and match[2] == spelling:
                owned[f"{match[1]}adapter.{match[3]}"] = name
        return owned

    def adapter_zeros(self, spelling: str) -> dict[str, tuple[int, ...]]:
        """Tensors of one language that the file leaves out as zeros, to their shapes."""
        owned = {}
        for name, shape in self.zeros.items():
            match = _ADAPTER.fullmatch(name.removeprefix(self.prefix))
            if match is not None and match[2] == spelling:
                owned[f"{match[1]}adapter.{match[3]}"] = shape
        return owned

    @property
    def zeros(self) -> dict[str, tuple[int, ...]]:
        """Tensors that the file leaves out because all their numbers are 0, to their shapes."""
        written = json.loads(self.weights.metadata.get(ZEROS, "{}"))
        return {str(name): tuple(shape) for name, shape in written.items()}

    @property
    def adapter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors that an adapter of this model has, to their shapes."""
        spelling = self.spellings[0]
        stored = self.adapter_tensors(spelling)
        return {
            name: self.weights.tensors[place].shape for name, place in stored.items()
        } | self.adapter_zeros(spelling)

    def stored_name(self, name: str, spelling: str) -> str:
        """Where a tensor of an adapter lies in the file."""
        layer, _, rest = name.partition(".output.adapter.")
        return f"{self.prefix}{layer}.output.adapter_modules.{spelling}.{rest}"

    def is_adapter(self, name: str) -> bool:
        """Whether a tensor of the file belongs to one language."""
        return _ADAPTER.fullmatch(name.removeprefix(self.prefix)) is not None

    @property
    def n_rows(self) -> int:
        return int(self.config["vocab_size"])

    @property
    def rows(self) -> dict[str, tuple[int, int]]:
        """Language to the rows [first, end) that came with it, in the order of the rows."""
        found = self.config.get(ROWS_SETTING) or {}
        return dict(
            sorted(
                ((lang, (first, end)) for lang, (first, end) in found.items()),
                key=lambda entry: entry[1],
            )
        )

    @property
    def n_base_rows(self) -> int:
        """Rows that the model has had before languages brought any."""
        return next((first for first, _ in self.rows.values()), self.n_rows)

    def tables(self, file: WeightFile) -> list[str]:
        """Tensors of a weight file with a row for each entry of the vocabulary."""
        if file is self.pooling:
            names = {EMPHASIS.partition("/")[2]}
        else:
            names = {f"{self.prefix}{WORD_ROWS}", *_HEADS}
        names |= {f"{name}{_SCALED}" for name in names}
        return [name for name in file.tensors if name in names]

    def check_rows(self) -> None:
        """Raises ModelError where settings and tables disagree about the rows."""
        end = self.n_base_rows
        try:
            for lang, (first, after) in self.rows.items():
                if first != end or after < first or lang not in self.languages:
                    raise ValueError(f"{lang} is said to have rows {first} to {after}")
                end = after
            if end != self.n_rows:
                raise ValueError(f"the rows of languages end at {end}")
            for file in filter(None, (self.weights, self.pooling)):
                for name in self.tables(file):
                    if file.tensors[name].shape[0] != self.n_rows:
                        raise ValueError(f"{name} has {file.tensors[name].shape[0]} rows")
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{self.folder / CONFIG} does not fit the model: of {self.n_rows} vocabulary "
                f"rows, {error}"
            ) from None

    def stored(self, spelling: str) -> list[StoredTensor]:
        """Rows of the table of contents that belong to a language."""
        return [self.weights.tensors[name] for name in self.adapter_tensors(spelling).values()]


def _refuse_weights(folder: Path) -> None:
    if (folder / f"{WEIGHTS}.index.json").is_file():
        raise ModelError(
            f"{folder} has its weights in several files, and languages are changed in one; write "
            "it as one: load it with transformers and call save_pretrained with a larger "
            "max_shard_size, such as '50GB'"
        )
    if (folder / "pytorch_model.bin").is_file():
        raise ModelError(
            f"{folder} has its weights in pickle form only (pytorch_model.bin), which can run code "
            "and is not read; convert them to safetensors where the file is trusted"
        )
    raise ModelError(f"{folder} holds no {WEIGHTS}")
