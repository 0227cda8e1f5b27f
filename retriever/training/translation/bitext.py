"""Parallel text of one language as numbered words, drawn and weighted for word alignment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xret.retriever.languages.codes import ENGLISH
from xret.retriever.lexical.analysis import analyse
from xret.retriever.training.common.parallel import ParallelText, source_weight
from xret.retriever.training.translation.alignment import SentencePairs
from xret.retriever.training.translation.settings import TranslationTraining

__all__ = ["Bitext", "TermNumbers"]

MAX_TERMS = 60
"""Of a text; longer ones are left out."""

ENTRY_WEIGHT = 1.0
"""How often an entry of a word list counts, against 1 for a sentence of general text."""


class TermNumbers:
    """Terms and their numbers, in the order in which they were met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, terms: Sequence[str]) -> list[int]:
        known = self._numbers
        return [known.setdefault(term, len(known)) for term in terms]

    def terms(self) -> list[str]:
        """Every term, at its number."""
        return list(self._numbers)


@dataclass(frozen=True, slots=True)
class Bitext:
    """A language's pairs with English.

    pairs: the language on the left, English on the right. sources: pairs by their source. words:
    by language, how often pieces of text between spaces were met.
    """

    pairs: SentencePairs
    left: TermNumbers
    right: TermNumbers
    sources: Counter[str]
    words: dict[str, Counter[str]]

    @classmethod
    def of(cls, text: ParallelText, langs: Sequence[str], settings: TranslationTraining) -> Bitext:
        """Of the codes named, which are all of the first one's language.

        Where there is more than the settings take, a source's share follows its weight. Numbers
        are no terms here: they translate themselves.
        """
        chosen = _drawn(text, langs, settings)
        left, right = TermNumbers(), TermNumbers()
        pairs, weights, sources = [], [], Counter[str]()
        words = {ENGLISH: Counter[str](), langs[0]: Counter[str]()}
        for row in chosen.tolist():
            lang = text.languages[text.lang_of[row]]
            own = _words(text.others[row], lang)
            other = _words(text.english[text.english_of[row]], ENGLISH)
            if own and other and max(len(own), len(other)) <= MAX_TERMS:
                source = text.sources[text.source_of[row]]
                pairs.append((left.numbers(own), right.numbers(other)))
                sentence = row < text.sentences
                weights.append(_weight(source) if sentence else ENTRY_WEIGHT)
                sources[source] += 1
                words[langs[0]].update(text.others[row].split())
                words[ENGLISH].update(text.english[text.english_of[row]].split())
        return cls(SentencePairs.of(pairs, weights), left, right, sources, words)


def _drawn(
    text: ParallelText, langs: Sequence[str], settings: TranslationTraining
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Numbers of the rows drawn, rising."""
    codes = [number for number, lang in enumerate(text.languages) if lang in langs]
    rows = np.flatnonzero(np.isin(np.array(text.lang_of, np.int32), codes))
    shares = np.array([source_weight(source) for source in text.sources])
    drawing = np.random.default_rng(settings.seed)
    drawn = []
    for own, most in (
        (rows[rows < text.sentences], settings.sentences),
        (rows[rows >= text.sentences], settings.entries),
    ):
        if len(own) > most:
            odds = shares[np.array(text.source_of, np.int32)[own]]
            own = drawing.choice(own, most, replace=False, p=odds / odds.sum())
        drawn.append(np.sort(own))
    return np.concatenate(drawn)


def _words(text: str, lang: str) -> list[str]:
    return [term for term in analyse(text, lang) if not term.isdigit()]


def _weight(source: str) -> float:
    return min(1.0, source_weight(source))
