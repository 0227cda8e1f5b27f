"""Settings of a translation table's training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from xret.retriever.training.common.described import Described

__all__ = ["TABLE_LANGUAGES", "TranslationTraining"]

_CODES = """
    am ar bg bn ca cs da de el es et fa fi fr ha he hi hr hu id it ja ko lt nl no pl pt ro ru sk so
    sv sw ta te th tr uk ur vi yo zh
"""
TABLE_LANGUAGES = tuple(_CODES.split())
"""Languages that a table is made for by default, where the parallel text has them."""


@dataclass(frozen=True, slots=True)
class TranslationTraining:
    """What shapes a table from a language to English.

    held_out: folder of evaluation sets whose sentences are kept out of the text. leave_out:
    sources of the text not to use, `name` or `name:lang`.
    """

    languages: tuple[str, ...] = TABLE_LANGUAGES
    leave_out: tuple[str, ...] = ()
    held_out: Path | None = None
    sentences: Annotated[int, Described("Sentence pairs of a language, at most.", at_least=1)] = (
        40_000
    )
    entries: Annotated[int, Described("Entries of word lists, at most.", at_least=0)] = 60_000
    iterations: Annotated[int, Described("Rounds of learning each way.", at_least=1)] = 5
    terms: Annotated[int, Described("Terms of a language kept, the most frequent.", at_least=1)] = (
        30_000
    )
    least: Annotated[
        float,
        Described("Translations less probable than this are dropped.", at_least=0, at_most=1),
    ] = 0.05
    cumulative: Annotated[
        float,
        Described("Share of a term's translations that is kept.", at_least=0, at_most=1),
    ] = 0.95
    most: Annotated[int, Described("Translations of a term, at most.", at_least=1, at_most=255)] = 8
    seed: Annotated[int, Described("What everything random follows from.", at_least=0)] = 0
