"""The cross-encoder that learns: made of an encoder's folder, its pairs tokenised and routed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from xret.errors import ConfigError, ModelError
from xret.retriever.languages.router import LanguageRouter
from xret.retriever.models.layout import check_loadable, read_json
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.models.tokenizer_file import check_tokenizer
from xret.retriever.modules.base import model_base
from xret.retriever.modules.madx_folder import read_language_adapters, save_language_adapters
from xret.retriever.modules.madx_languages import MadxLanguages
from xret.retriever.modules.named_weights import head_names, named_weights
from xret.retriever.rerankers.pair_routing import PairRouting, routed_tokens
from xret.retriever.rerankers.trained_layout import LANGUAGES_FOLDER
from xret.retriever.training.modules.base import freeze_languages
from xret.retriever.training.recipes.drawing import Drawn
from xret.retriever.xmod.pair_model import (
    leave_out_adapters,
    prepare_xmod_pairs,
    xmod_pair_model,
)

__all__ = ["PairStudent"]

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
)
_XMOD = "xmod"
_POOLER, _POOLER_STD = "pooler.dense.", 0.02


class PairStudent:
    """A `...ForSequenceClassification` of one label in training.

    router: by which a language finds its adapter, None for a model without. languages: MAD-X's
    adapters, which are attached while it learns.
    """

    def __init__(
        self,
        folder: Path,
        model: Any,
        tokenizer: Any,
        *,
        routing: PairRouting | None,
        max_tokens: int,
        languages: MadxLanguages | None = None,
        drawn: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.model = model
        self.routing = routing
        self.languages = languages
        self.router = None if languages is None else LanguageRouter(languages.adapters)
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._drawn = tuple(drawn)
        self._put_back: Callable[[], None] | None = None
        if model.config.model_type == _XMOD:
            self.router = LanguageRouter(prepare_xmod_pairs(model).adapters)
            if routing == "none":
                self._put_back = leave_out_adapters(model)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        routing: PairRouting | None,
        max_tokens: int,
        seed: int,
        adapters: Path | None = None,
    ) -> PairStudent:
        """Make a cross-encoder of the encoder in a folder, with a head drawn from the seed; one
        that is a cross-encoder already keeps its own.

        routing: of a model with language adapters, split where None; others take none. adapters:
        a folder of MAD-X's, for other models than X-MOD. Language adapters are frozen, and X-MOD's
        embeddings. Raises ModelError for a folder that holds no encoder, or adapters of another
        one, ConfigError for a routing of a model without language adapters.
        """
        check_loadable(folder)
        kind = read_json(folder / "config.json").get("model_type")
        if not isinstance(kind, str):
            raise ModelError(
                f"{folder} holds no transformer: its config.json names no model_type; start from "
                "an encoder such as multilingual-e5-small, mBERT or X-MOD"
            )
        if kind == _XMOD and adapters is not None:
            raise ConfigError(
                f"--language-adapters: {folder.name} is an X-MOD model, which has language "
                "adapters of its own (xret lang add)"
            )
        if kind != _XMOD and adapters is None and routing is not None:
            raise ConfigError(
                f"--pair-routing {routing}: {folder.name} ({kind}) has no language adapters to "
                "route a pair through; give it some by --language-adapters"
            )
        tokenizer = _tokenizer(folder)
        with quiet_libraries():
            model = _pair_model(folder, kind, seed)
        known = tokenizer.get_vocab()
        check_tokenizer(folder, max(known.values()), model.get_input_embeddings().num_embeddings)
        model = model.float()
        student = cls(
            folder,
            model,
            tokenizer,
            routing=(routing or "split") if kind == _XMOD or adapters is not None else None,
            max_tokens=max_tokens,
            languages=None if adapters is None else _with_languages(model, folder, adapters),
            drawn=_drawn_pooler(model, folder, seed),
        )
        student._freeze()
        return student

    @property
    def n_trainable(self) -> int:
        """How many numbers may learn."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    @property
    def head(self) -> dict[str, nn.Parameter]:
        """Weights beside the transformer, and those in it that were drawn, by name."""
        weights = named_weights(self.model)
        return {name: weights[name] for name in (*head_names(self.model), *self._drawn)}

    def scores(self, drawn: Sequence[Drawn]) -> Tensor:
        """(b, m) logits of b questions and the m passages of each, the answer first."""
        inputs = self._inputs(drawn)
        logits: Tensor = self.model(**inputs).logits
        return logits.float().view(len(drawn), -1)

    def save(self, folder: Path) -> None:
        """Write the model as transformers does, in float32, with its tokenizer's own files and
        its language adapters beside it."""
        if self._put_back is not None:
            self._put_back()
        if self.languages is not None:
            self.languages.detach()
            values = {lang: self.languages.value(lang) for lang in self.languages.adapters}
            save_language_adapters(values, folder / LANGUAGES_FOLDER)
        with quiet_libraries():
            self.model.save_pretrained(folder)
        for name in _TOKENIZER_FILES:
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, folder / name)

    def _inputs(self, drawn: Sequence[Drawn]) -> Mapping[str, Any]:
        pairs = [(one.query, text) for one in drawn for text in (one.positive, *one.negatives)]
        encoded = self._tokenizer(
            [query.text for query, _ in pairs],
            [text.text for _, text in pairs],
            truncation="longest_first",
            max_length=self._max_tokens,
            padding=True,
            return_tensors="pt",
        )
        device = self.model.device
        inputs: dict[str, Any] = {name: ids.to(device) for name, ids in encoded.items()}
        if self.router is None or self.routing is None:
            return inputs
        length, rows = inputs["input_ids"].shape[1], []
        for number, (query, text) in enumerate(pairs):
            sides = encoded.sequence_ids(number)
            start = sides.index(1) if 1 in sides else length
            numbers = [self._adapter(one.lang) for one in (query, text)]
            rows.append(
                routed_tokens(
                    self.routing,
                    query=numbers[0],
                    document=numbers[1],
                    start=start,
                    length=length,
                )
            )
        inputs["lang_ids"] = torch.tensor(rows)
        return inputs

    def _adapter(self, lang: str) -> int:
        assert self.router is not None  # noqa: S101
        return self.router.adapters.index(self.router.route(lang).adapter)

    def _freeze(self) -> None:
        self.model.requires_grad_(True)
        freeze_languages(self.model)
        if self.languages is not None:
            for lang in self.languages.adapters:
                self.languages.module(lang).requires_grad_(False)
        for parameter in self.head.values():
            parameter.requires_grad_(True)


def _with_languages(model: Any, folder: Path, adapters: Path) -> MadxLanguages:
    return MadxLanguages.attach(model, read_language_adapters(adapters, base=model_base(folder)))


@torch.no_grad()
def _drawn_pooler(model: Any, folder: Path, seed: int) -> list[str]:
    """Names of what a classifier of BERT's kind reads the pair by, where the encoder does not have
    it: it is missing, or zeros, through which nothing is learnt, and is drawn from the seed."""
    weights = {n: weight for n, weight in named_weights(model).items() if n.startswith(_POOLER)}
    stored: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            stored.update(_POOLER + name.rpartition(_POOLER)[2] for name in file.keys())  # noqa: SIM118
    if weights.keys() <= stored and any(bool(weight.any()) for weight in weights.values()):
        return []
    generator = torch.Generator().manual_seed(seed)
    for name, weight in weights.items():
        drawn = torch.randn(weight.shape, generator=generator) * _POOLER_STD
        weight.copy_(drawn if name.endswith("weight") else torch.zeros_like(drawn))
    return list(weights)


def _pair_model(folder: Path, kind: str, seed: int) -> Any:
    architectures = read_json(folder / "config.json").get("architectures") or [""]
    classifies = str(architectures[0]).endswith("ForSequenceClassification")
    if kind == _XMOD and not classifies:
        return xmod_pair_model(folder, seed=seed)
    torch.manual_seed(seed)  # a head may be drawn
    labels: dict[str, Any] = {} if classifies else {"num_labels": 1}
    try:
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            **labels,
        )
    except Exception as error:  # the libraries raise whatever the files make them trip over
        raise ModelError(f"{folder} cannot become a cross-encoder: {error}") from error
    if model.config.num_labels != 1:
        raise ModelError(
            f"{folder} sorts into {model.config.num_labels} labels; a reranker has one score a pair"
        )
    return model.train(False)


def _tokenizer(folder: Path) -> Any:
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the libraries raise whatever the files make them trip over
        raise ModelError(f"the tokenizer in {folder} cannot be read: {error}") from error
    if not tokenizer.is_fast:
        raise ModelError(f"{folder} has no tokenizer.json, by which pairs are cut")
    return tokenizer
