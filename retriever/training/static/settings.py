"""Settings of the embedded encoder's training, resolved once and never changed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from xret.retriever.training.common.described import Described

__all__ = ["LANGUAGES", "StaticTraining"]

LANGUAGES = (
    "fr",
    "de",
    "es",
    "it",
    "pt",
    "nl",
    "pl",
    "cs",
    "ro",
    "hu",
    "sv",
    "fi",
    "el",
    "ru",
    "uk",
    "tr",
    "ar",
    "he",
    "fa",
    "ur",
    "hi",
    "bn",
    "ta",
    "te",
    "th",
    "vi",
    "id",
    "zh",
    "ja",
    "ko",
    "sw",
    "zh-hant",
)
"""Codes as the training files write them; English is the other side of every pair."""


@dataclass(frozen=True, slots=True)
class StaticTraining:
    """What shapes the weights. Sizes are rows, steps or texts; rates are Adam's.

    teacher: folder of a small English sentence encoder (BERT, mean pooling) in safetensors,
    or None to train without one. held_out: folder of evaluation sets whose sentences are
    kept out of the training text. general_weight: see `parallel.SOURCE_WEIGHTS`.
    language_power, tokenizer_power: languages are drawn by their size to this power.
    lexicon_share, mixed_share: batches of dictionary entries, and of all languages at once.
    review_share: pooled steps among the late-interaction ones, so that whole texts stay near.
    passage_share, swap_share: late-interaction batches with passages of several sentences as
    documents, and with the query in the other language.
    word_dropout: largest mean share of a query's words left out. framing_share: queries that
    get an uninformative question opening.
    """

    seed: Annotated[int, Described("What everything random follows from.")] = 0
    languages: tuple[str, ...] = LANGUAGES
    teacher: Annotated[
        Path | None,
        Described("Folder of a small English sentence encoder to learn from."),
    ] = None
    held_out: Path | None = None
    dim: int = 256
    vocabulary_size: int = 131_072
    tokenizer_sentences: int = 12_000
    tokenizer_entries: int = 30_000
    tokenizer_power: float = 0.2
    max_pieces: int = 96
    language_power: float = 0.5
    lexicon_share: float = 0.5
    mixed_share: float = 0.1
    pooled_steps: int = 800
    pooled_batch: int = 2_048
    pooled_rate: float = 0.01
    maxsim_steps: int = 2_400
    maxsim_batch: int = 192
    review_share: float = 0.3
    maxsim_rate: float = 0.003
    passage_share: float = 0.6
    swap_share: float = 0.35
    word_dropout: float = 0.4
    framing_share: float = 0.4
    query_power: float = 1.5
    teacher_weight: float = 1.0
    checkpoint_steps: int = 250
    threads: int = 2

    def describe(self) -> str:
        """One canonical line of JSON: equal settings, equal text. Folders are told by content."""
        settings = dataclasses.asdict(self)
        for name in ("teacher", "held_out"):
            settings[name] = getattr(self, name) is not None
        return json.dumps(settings, sort_keys=True, default=str)
