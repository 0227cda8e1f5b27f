"""A language learnt by masked words in texts of it (Devlin et al. 2019): its mask, its adapter."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
)

from xret.errors import LanguageError, ModelError, TrainingError
from xret.retriever.corpora.lines import read_lines
from xret.retriever.models.layout import check_loadable, read_json
from xret.retriever.models.module_card import ModuleCard
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.modules.madx import MadxAdapter, madx_flaw
from xret.retriever.modules.madx_languages import MadxLanguages
from xret.retriever.modules.named_weights import named_weights, transformer_of
from xret.retriever.modules.sparse import SparseMask
from xret.retriever.training.common.fitting import FitSettings, fit, training_arguments
from xret.retriever.training.common.thread import SoundLosses
from xret.retriever.training.modules.base import freeze_languages, open_base
from xret.retriever.training.modules.rows import LEAST_ROWS
from xret.retriever.training.modules.sparse import learn_sparse_mask
from xret.types import Progress

__all__ = ["learn_language_adapter", "learn_language_mask", "masked_word_loss", "read_texts"]

MASKED_SHARE = 0.15
MAX_TOKENS = 128
HELD_OUT_EVERY, MOST_HELD_OUT = 10, 200
_HEADS = ("lm_head.", "cls.predictions.", "vocab_transform.", "vocab_projector.")


class _MaskedWordsTrainer(SoundLosses, Trainer):
    pass


class TiedMaskedWords(nn.Module):
    """A transformer that guesses words by their embeddings, for want of a head of its own."""

    def __init__(self, transformer: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer
        self.output = nn.Identity()

    def get_output_embeddings(self) -> nn.Module:
        """What states go through before they are compared with the words' vectors."""
        return self.output

    @property
    def base_model(self) -> nn.Module:
        return self.transformer

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """labels: (b, t) ids of the hidden words, -100 elsewhere."""
        made = self.transformer(input_ids=input_ids, attention_mask=attention_mask)
        hidden = self.output(made.last_hidden_state[labels != -100])
        whole: Any = self.transformer
        rows = whole.get_input_embeddings().weight
        size = (rows.shape[1],)
        likeness = functional.layer_norm(hidden, size) @ functional.layer_norm(rows, size).T
        loss = functional.cross_entropy(
            likeness / math.sqrt(rows.shape[1]), labels[labels != -100], reduction="sum"
        )
        return {"loss": loss / max(1, len(hidden))}


def read_texts(path: Path) -> list[str]:
    """The lines of a file. Raises CorpusError for what is no text, TrainingError for too few."""
    lines = [line for _, line in read_lines(path) if line.strip()]
    if len(lines) < LEAST_ROWS:
        raise TrainingError(
            f"{path} has {len(lines)} lines of text; a language is learnt from at least "
            f"{LEAST_ROWS}, and well from tens of thousands"
        )
    return lines


def learn_language_mask(
    folder: Path,
    lines: Sequence[str],
    *,
    keep: int | float,
    settings: FitSettings,
    card: ModuleCard,
    l1: float = 0.0,
) -> Generator[Progress, None, SparseMask]:
    """The mask of a language from its texts; weights of the transformer only.

    In X-MOD texts go through the adapter of the language that the card names, and neither
    embeddings nor adapters learn. The card gets the loss of masked words in lines held out,
    before and after. Raises ModelError for an X-MOD model without that language, and
    TrainingError.
    """
    model = _masked_words(folder, card.lang)
    inside = {id(parameter) for parameter in transformer_of(model).parameters()}
    for parameter in named_weights(model).values():
        parameter.requires_grad_(id(parameter) in inside)
    freeze_languages(model)
    text = _MaskedText.of(folder, lines)
    before = text.loss(model, settings)
    mask = yield from learn_sparse_mask(
        model, lambda whole, stage: text.train(whole, settings, stage), keep=keep, card=card, l1=l1
    )
    mask.apply(model)
    results = {"loss_before": before, "loss_after": text.loss(model, settings)}
    return SparseMask(mask.changes, replace(mask.card, results={**card.results, **results}))


def learn_language_adapter(
    folder: Path,
    lines: Sequence[str],
    *,
    bottleneck: int,
    invertible: bool,
    settings: FitSettings,
    card: ModuleCard,
) -> Generator[Progress, None, MadxAdapter]:
    """MAD-X's adapter of a language from its texts; the model keeps its bits.

    The card names the language, and gets the loss of masked words in lines held out, before
    and after. Raises ModelError for X-MOD, which has adapters of its own, and TrainingError.
    """
    model = _masked_words(folder, card.lang)
    model.requires_grad_(False)
    start = MadxAdapter.start(
        model, bottleneck=bottleneck, invertible=invertible, seed=settings.seed, card=card
    )
    lang = card.lang or ""
    attached = MadxLanguages.attach(model, {lang: start})
    text = _MaskedText.of(folder, lines)
    before = text.loss(model, settings)
    yield from text.train(model, settings, "language adapter")
    results = {"loss_before": before, "loss_after": text.loss(model, settings)}
    card = replace(card, results={**card.results, **results})
    adapter = MadxAdapter.learnt(attached.module(lang), card)
    if madx_flaw(adapter.layers, adapter.coupling):
        raise TrainingError("training made a weight that is no number; lower the learning rate")
    return adapter


@dataclass(frozen=True, slots=True)
class _MaskedText:
    """Lines to learn from, tokenised, and every tenth (at most 200) to measure with."""

    collator: Any
    trained: list[dict[str, Any]]
    held_out: list[dict[str, Any]]

    @classmethod
    def of(cls, folder: Path, lines: Sequence[str]) -> _MaskedText:
        tokenizer = _tokenizer(folder)
        rows = _tokenised(tokenizer, lines)
        held_out = rows[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY][:MOST_HELD_OUT]
        kept_out = {id(row) for row in held_out}
        trained = [row for row in rows if id(row) not in kept_out]
        collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED_SHARE)
        return cls(collator, trained, held_out)

    def train(self, model: nn.Module, settings: FitSettings, stage: str) -> Iterator[Progress]:
        """Train what requires a gradient, in place."""
        arguments = training_arguments(TrainingArguments, settings, remove_unused_columns=False)
        with torch.random.fork_rng():
            trainer = _MaskedWordsTrainer(
                model, arguments, data_collator=self.collator, train_dataset=self.trained
            )
            yield from fit(trainer, stage)

    def loss(self, model: nn.Module, settings: FitSettings) -> float:
        """Of the lines held out."""
        return masked_word_loss(model, self.collator, self.held_out, seed=settings.seed)


@torch.no_grad()
def masked_word_loss(
    model: nn.Module, collator: Any, rows: Sequence[Mapping[str, Any]], *, seed: int
) -> float:
    """Mean cross-entropy, in nats, of words hidden in those texts; the seed hides the same."""
    mode = model.training
    device = next(model.parameters()).device
    model.train(False)
    losses = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for first in range(0, len(rows), 32):
            batch = {k: v.to(device) for k, v in collator(rows[first : first + 32]).items()}
            losses.append(float(model(**batch)["loss"]))
    model.train(mode)
    return sum(losses) / len(losses)


def _masked_words(folder: Path, lang: str | None) -> Any:
    """The base with its own head for masked words, else with its embeddings as one."""
    check_loadable(folder)
    if read_json(folder / "config.json").get("model_type") == "xmod":
        try:
            return TiedMaskedWords(transformer_of(open_base(folder, lang=lang)))
        except LanguageError as error:
            raise ModelError(
                f"{error}; a language is added to a model with language adapters by: xret lang add"
            ) from error
    named = {name for path in folder.glob("*.safetensors") for name in _names(path)}
    if not any(name.startswith(_HEADS) for name in named):
        return TiedMaskedWords(transformer_of(open_base(folder)))
    try:
        with quiet_libraries():
            return AutoModelForMaskedLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
    except Exception as error:  # the libraries raise whatever the files make them trip over
        raise ModelError(f"{folder} cannot be loaded: {error}") from error


def _names(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def _tokenizer(folder: Path) -> Any:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.mask_token is None:
        raise ModelError(f"the tokenizer in {folder} has no token for a masked word ([MASK])")
    return tokenizer


def _tokenised(tokenizer: Any, lines: Sequence[str]) -> list[dict[str, Any]]:
    longest = min(MAX_TOKENS, tokenizer.model_max_length)
    encoded = tokenizer(
        list(lines),
        truncation=True,
        max_length=longest,
        return_special_tokens_mask=True,
        return_token_type_ids=False,
    )
    names = ("input_ids", "attention_mask", "special_tokens_mask")
    return [
        dict(zip(names, row, strict=True)) for row in zip(*(encoded[n] for n in names), strict=True)
    ]
