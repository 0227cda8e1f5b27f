"""Settings of the modular encoder's training, resolved once and never changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xret.errors import LanguageError
from xret.retriever.languages.codes import language_code
from xret.retriever.training.modular.examples import ExampleShares
from xret.retriever.training.modular.start import ModularShape
from xret.retriever.training.static.settings import LANGUAGES

__all__ = ["ModularTraining"]


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

    seed: int = 0
    languages: tuple[str, ...] = LANGUAGES
    held_out: Path | None = None
    shape: ModularShape = field(default_factory=ModularShape)
    shares: ExampleShares = field(default_factory=ExampleShares)
    steps: int = 700
    batch_size: int = 128
    rate: float = 2e-4
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
    threads: int = 2
    bf16: bool | None = None
    device: str | None = None

    def without(self, languages: Sequence[str]) -> ModularTraining:
        """The same with fewer languages; LanguageError for one that is not among them."""
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
        return json.dumps(settings, sort_keys=True, default=str)
