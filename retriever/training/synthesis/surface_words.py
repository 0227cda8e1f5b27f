"""Words that people write for the terms of the text analysis: library for `librari`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

from tokenizers import Tokenizer

from xret.retriever.encoders.wordpieces import CONTINUATION, IS_UNSPACED
from xret.retriever.lexical.analysis import analyse
from xret.retriever.models.location import model_location
from xret.retriever.models.registry import DEFAULT_ENCODER

__all__ = ["SurfaceWords"]

WORD_START = "\u2581"
"""What SentencePiece writes before the first piece of a word."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


class SurfaceWords:
    """texts: by language, from whose words the most frequent is taken; else the shortest word of
    the embedded encoder's vocabulary that has the term; else the term itself."""

    def __init__(self, texts: dict[str, Sequence[str]]) -> None:
        self._texts = texts
        self._by_lang: dict[str, dict[str, str]] = {}

    def word(self, term: str, lang: str) -> str:
        """The word for a term of a language, by its base code."""
        if IS_UNSPACED.search(term):
            return term
        if lang not in self._by_lang:
            counted = Counter(word for text in self._texts.get(lang, ()) for word in _words(text))
            usual = (word for word, _ in counted.most_common())
            shortest = sorted(self._vocabulary, key=lambda word: (len(word), word))
            self._by_lang[lang] = _first_words(shortest, lang) | _first_words(usual, lang)
        return self._by_lang[lang].get(term, term)

    @cached_property
    def _vocabulary(self) -> list[str]:
        path = model_location(DEFAULT_ENCODER) / "tokenizer.json"
        pieces = Tokenizer.from_file(str(path)).get_vocab()
        words = (piece.removeprefix(WORD_START) for piece in pieces)
        return [
            word.lower() for word in words if word.isalpha() and not word.startswith(CONTINUATION)
        ]


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _first_words(words: Iterable[str], lang: str) -> dict[str, str]:
    first: dict[str, str] = {}
    for word in words:
        terms = analyse(word, lang)
        if len(terms) == 1:
            first.setdefault(terms[0], word)
    return first
