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

__all__ = ["ExampleShares", "ModularTraining"]

_CODES = """
    fr de es it pt nl pl cs ro hu sv fi el ru uk tr ar he fa ur hi bn ta te th vi id zh ja ko
    sw zh-hant af am az be bg bs ca cy da et eu ga gl gu ha hr hy is ka kk km kn lo lt lv mk
    ml mn mr ms my ne no pa si sk sl so sq sr tl uz
"""
_LANGUAGES = tuple(_CODES.split())
"""Codes as the training files write them; English is the other side of every pair."""


@dataclass(frozen=True, slots=True)
class ExampleShares:
    """Shares of batches by direction; the rest is English to another language.

    entries: dictionary entries both ways, in place of sentences and passages.
    into_english: queries in another language, passages in English. across: two others.
    within: both in one. framed, switched: English queries with an uninformative opening, and
    with words replaced by their translations into the passage's language (lexicons).
    word_dropout: largest mean share of a query's words left out.
    """

    entries: float = 0.05
    into_english: float = 0.1
    across: float = 0.1
    within: float = 0.1
    framed: float = 0.4
    switched: float = 0.15
    word_dropout: float = 0.4


@dataclass(frozen=True, slots=True)
class ModularTraining:
    """What shapes the weights.

    languages: codes as the training files write them, English beside them. held_out: folder
    of evaluation sets whose sentences are kept out of the training text. layers: how many
    learn, from the top; those below and the word vectors stay as they are. reduction: hidden
    size by an adapter's bottleneck. trim_texts, min_count: a piece of the vocabulary stays if
    it occurs so often in at most so many sentences and so many entries of each language.
    mean_texts: general texts whose mean state is taken from every token's. scale: of a query's
    mean MaxSim before the softmax. contrastive_weight: of the passages in the batch,
    teacher_weight: of the scores that the untrained model gives the same texts in English.
    query_tokens and document_tokens: longest texts in training. pool_factor: of a document's
    vectors one in so many is kept in an index; preset: the index's. bf16: None where the machine
    is fast in it.
    """

    seed: Annotated[int, Described("What everything random follows from.")] = 0
    languages: tuple[str, ...] = _LANGUAGES
    held_out: Path | None = None
    shares: ExampleShares = field(default_factory=ExampleShares)
    layers: Annotated[int, Described("How many learn, from the top.", at_least=1)] = 4
    reduction: int = 8
    trim_texts: int = 20_000
    min_count: int = 1
    mean_texts: int = 1_000
    steps: Annotated[int, Described("Batches of 48 pairs.", at_least=1)] = 300
    batch_size: int = 48
    rate: Annotated[float, Described("Adam's, at its highest.", at_least=1e-8, at_most=1.0)] = 5e-5
    warm_up: int = 20
    scale: float = 30.0
    contrastive_weight: float = 1.0
    teacher_weight: float = 1.0
    query_tokens: int = 48
    document_tokens: int = 128
    pool_factor: float = 2.0
    preset: str = "compact"
    checkpoint_steps: int = 50
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
