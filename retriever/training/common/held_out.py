"""Finding training text that evaluation sets contain, so that it can be left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from xret.errors import CorpusError, LanguageError
from xret.retriever.corpora.lines import read_lines
from xret.retriever.encoders.wordpieces import RUN_PREFIX, split_words
from xret.retriever.languages.codes import language_code

__all__ = ["HeldOut"]

_WORDS = 8
_CHARACTERS = 20
_SHORTEST = 10
_UNSPACED = frozenset({"zh", "zh-hant", "ja", "th"})


class HeldOut:
    """Sentences and long n-grams of evaluation text, by language.

    A text overlaps when it equals an evaluation text after normalisation, or shares 8
    words in a row with one (20 characters where words are not spaced).
    """

    def __init__(self) -> None:
        self._seen: dict[str, set[int]] = {}

    @classmethod
    def read(cls, folder: Path, languages: tuple[str, ...]) -> HeldOut:
        """All `corpus.jsonl` and `queries.jsonl` (or `.gz`) below a folder, in those languages.

        Raises CorpusError (file:line) for a record without text and lang.
        """
        held_out = cls()
        codes: dict[str, str] = {}
        names = ("corpus.jsonl", "corpus.jsonl.gz", "queries.jsonl", "queries.jsonl.gz")
        for path in sorted(path for name in names for path in folder.rglob(name)):
            for text, spelling in _texts(path):
                if spelling not in codes:
                    codes[spelling] = _code(spelling, languages)
                if codes[spelling] in languages:
                    held_out.add(text, codes[spelling])
        return held_out

    def add(self, text: str, lang: str) -> None:
        """Keep one evaluation text out."""
        self._seen.setdefault(lang, set()).update(_keys(text, lang))

    def overlaps(self, text: str, lang: str) -> bool:
        """Whether a training text of that language is (partly) evaluation text."""
        seen = self._seen.get(lang)
        if seen is None or len(text) < _SHORTEST:
            return False
        return not seen.isdisjoint(_keys(text, lang))


def _keys(text: str, lang: str) -> set[int]:
    words = split_words(text)
    if lang in _UNSPACED:
        # The mark stands where a run was cut, which is not where another text's run is.
        run = "".join(words).replace(RUN_PREFIX, "")
        grams = {hash(run[i : i + _CHARACTERS]) for i in range(len(run) - _CHARACTERS + 1)}
    else:
        grams = {hash(tuple(words[i : i + _WORDS])) for i in range(len(words) - _WORDS + 1)}
    grams.add(hash("".join(words).replace(RUN_PREFIX, "")))
    return grams


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in read_lines(path):
        try:
            record = json.loads(line)
            yield str(record["text"]), str(record["lang"])
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(f"{path}:{number}: no JSON record with text and lang") from error


def _code(spelling: str, languages: tuple[str, ...]) -> str:
    """The code of the training files; empty for a language they do not have."""
    try:
        code = language_code(spelling).lower()
    except LanguageError:
        return ""
    # A script may be named that the training files leave out.
    return next((name for name in (code, code.partition("-")[0]) if name in languages), "")
