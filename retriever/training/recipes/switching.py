"""Code-switching: words of an English text replaced by translations from bilingual lexicons.

A model that meets a query half in another language learns to put both halves in one place
(Qin et al. 2020, CoSDA-ML), without any sentence having been translated.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xret.errors import CorpusError, LanguageError
from xret.retriever.corpora.lines import read_cells
from xret.retriever.languages.codes import language_code

__all__ = ["Lexicon"]

_COLUMNS = ("lang", "english", "translation")
_MOST_TRANSLATIONS = 4
_SHORTEST = 3
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(slots=True)
class Lexicon:
    """Single English words and their translations, by language (BCP 47).

    lines: how many each file had.
    """

    words: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)

    @classmethod
    def read(cls, paths: Sequence[Path], languages: Collection[str] | None = None) -> Lexicon:
        """Read TSV files `lang<TAB>english<TAB>translation`, plain or compressed.

        languages: those to keep, None for all. Phrases are left out: what is replaced is a
        word. Raises CorpusError (file:line) for a line of another shape or a language that
        does not exist, and where nothing is left.
        """
        lexicon = cls()
        for path in paths:
            codes: dict[str, str] = {}
            for number, (lang, english, translation) in read_cells(path, *_COLUMNS):
                if lang not in codes:
                    try:
                        codes[lang] = language_code(lang)
                    except LanguageError as error:
                        raise CorpusError(f"{path}:{number}: {error}") from error
                lexicon.lines[path] = number
                if languages is None or codes[lang] in languages:
                    lexicon.add(codes[lang], english.strip(), translation.strip())
        if not lexicon.words:
            names = ", ".join(map(str, paths))
            raise CorpusError(f"{names} holds no single English word with a translation to use")
        return lexicon

    @property
    def languages(self) -> list[str]:
        return sorted(self.words)

    def add(self, lang: str, english: str, translation: str) -> None:
        """Keep one entry, unless it is a phrase or the word has translations enough."""
        if len(english) < _SHORTEST or not _WORD.fullmatch(english) or not translation:
            return
        known = self.words.setdefault(lang, {}).setdefault(english.lower(), [])
        if len(known) < _MOST_TRANSLATIONS and translation not in known:
            known.append(translation)

    def switch(self, text: str, lang: str, rng: np.random.Generator, *, share: float = 0.5) -> str:
        """The text with about that share of the words that are known put into a language."""
        words = self.words.get(lang, {})

        def replaced(match: re.Match[str]) -> str:
            found = words.get(match[0].lower())
            if found is None or rng.random() >= share:
                return match[0]
            return found[int(rng.integers(len(found)))]

        return _WORD.sub(replaced, text)
