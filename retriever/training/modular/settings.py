"""Settings of the modular encoder's training, resolved once and never changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from xret.errors import LanguageError
from xret.retriever.training.common.described import Described
from xret.retriever.training.static.settings import LANGUAGES

__all__ = ["ExampleShares", "ModularShape", "ModularTraining"]


@dataclass(frozen=True, slots=True)
class ModularShape:
    """Sizes of the transformer. reduction: hidden size by an adapter's bottleneck."""

    layers: int = 4
    heads: int = 4
    feed_forward: int = 1_024
    reduction: int = 4
    max_tokens: int = 512


@dataclass(frozen=True, slots=True)
class ExampleShares:
    """Shares of batches by direction; the rest is English to another language.

    entries: dictionary entries both ways, in place of sentences and passages.
    into_english: queries in another language, passages in English. across: two others.
    within: both in one. framed, switched: English queries with an uninformative opening, and
    with words replaced by their translations into the passage's language (lexicons).
    word_dropout: largest mean share of a query's words left out.
    """

    entries: float = 0.25
    into_english: float = 0.25
    across: float = 0.15
    within: float = 0.12
    framed: float = 0.4
    switched: float = 0.15
    word_dropout: float = 0.4


@dataclass(frozen=True, slots=True)
class ModularTraining:
    """What shapes the weights.

    languages: codes as the training files write them, English beside them. held_out: folder
    of evaluation sets whose sentences are kept out of the training text. rate: Adam's for the
    transformer, words_rate for the word vectors, 0 to freeze them. query_tokens and
    document_tokens: longest texts in training. teacher_weight: of the static encoder's scores
    of the same texts in English, 0 for none; anchor_weight: of how far English moves from it.
    extrapolation: the trained weights are carried on from the start by so many times the way
    that they went (Zheng et al. 2024); 1 leaves them. bf16: None where the machine is fast in it.
    """

    seed: Annotated[int, Described("What everything random follows from.")] = 0
    languages: tuple[str, ...] = LANGUAGES
    held_out: Path | None = None
    shape: ModularShape = field(default_factory=ModularShape)
    shares: ExampleShares = field(default_factory=ExampleShares)
    steps: Annotated[int, Described("Batches of 128 pairs.", at_least=1)] = 700
    batch_size: int = 128
    rate: Annotated[float, Described("Adam's, at its highest.", at_least=1e-8, at_most=1.0)] = 2e-4
    words_rate: float = 0.0
    warm_up: int = 100
    scale: float = 30.0
    single_weight: float = 0.5
    teacher_weight: float = 1.0
    anchor_weight: float = 5.0
    extrapolation: float = 1.3
    query_tokens: int = 40
    document_tokens: int = 96
    checkpoint_steps: int = 100
    threads: Annotated[int, Described("Of the CPU.", at_least=1)] = 2
    bf16: bool | None = None
    device: Annotated[str | None, Described("cpu or cuda; cpu where none is given.")] = None

    def without(self, languages: Sequence[str]) -> ModularTraining:
        """The same with fewer languages; LanguageError for one that is not among them."""
        from xret.retriever.languages.codes import language_code  # options are read without it

        left_out = {language_code(spelling) for spelling in languages}
        known = {language_code(spelling): spelling for spelling in self.languages}
        if unknown := sorted(left_out - known.keys()):
            raise LanguageError(
                f"{', '.join(unknown)} cannot be left out: training has {', '.join(known)}"
            )
        kept = tuple(spelling for code, spelling in known.items() if code not in left_out)
        return dataclasses.replace(self, languages=kept)

    def describe(self) -> str:
        """One canonical line of JSON: equal settings, equal text. A run may go on with another
        rate, with other threads and on another device."""
        settings = dataclasses.asdict(self)
        for name in ("rate", "threads", "device"):
            del settings[name]
        settings["held_out"] = self.held_out is not None  # told by its content
        return json.dumps(settings, sort_keys=True, default=str)
