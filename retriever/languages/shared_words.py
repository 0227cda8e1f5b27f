"""Words that a language spells as English does and means otherwise: German *Gift* is poison.

An encoder of many languages has one vector for the pieces that languages share, and where English
texts are most of what it learnt from, that is the English meaning. The shipped table names such
words of each language with what they mean there; `SharedWords.conditioned` puts that in their
place before a text is encoded, so that a shared piece has a vector for each language. Which words
these are was found in parallel text and lexicons (`benchmarks/shared_words.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import xxhash

__all__ = ["ConditionedText", "SharedWords", "shipped_shared_words"]

_FILE = Path(__file__).parent / "data" / "shared_words.tsv"
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class ConditionedText:
    """A text with meanings in the place of shared words.

    changes: of each such word, (start, end) of the meaning in `text` and of the word in the text
    as it was, in code points and in order.
    """

    text: str
    changes: Sequence[tuple[int, int, int, int]] = ()

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where text[start:end] was before; the whole word for a part of its meaning."""
        first, last = start, end
        for meant_start, meant_end, word_start, word_end in self.changes:
            if meant_start < end:
                last = word_end if end <= meant_end else end + word_end - meant_end
            if meant_start <= start:
                first = word_start if start < meant_end else start + word_end - meant_end
        return first, last


@dataclass(frozen=True)
class SharedWords:
    """An open table: by language, lower-case words and what they mean in English.

    fingerprint: of the file's content, by which an index knows what its texts were read with.
    """

    meanings: Mapping[str, Mapping[str, str]]
    fingerprint: str

    def conditioned(self, text: str, lang: str) -> ConditionedText:
        """The text in that language (BCP 47) with the meanings of its shared words."""
        meanings = self.meanings.get(lang.partition("-")[0])
        if meanings is None:
            return ConditionedText(text)
        parts: list[str] = []
        changes: list[tuple[int, int, int, int]] = []
        end = length = 0
        for match in _WORD.finditer(text):
            meaning = meanings.get(match.group().lower())
            if meaning is None:
                continue
            parts += (text[end : match.start()], meaning)
            start = length + match.start() - end
            length, end = start + len(meaning), match.end()
            changes.append((start, length, *match.span()))
        if not changes:
            return ConditionedText(text)
        return ConditionedText("".join([*parts, text[end:]]), changes)


@lru_cache(maxsize=1)
def shipped_shared_words() -> SharedWords:
    """The table of the package."""
    content = _FILE.read_bytes()
    meanings: dict[str, dict[str, str]] = {}
    for line in content.decode("utf-8").splitlines():
        lang, word, meaning = line.split("\t")
        meanings.setdefault(lang, {})[word] = meaning
    return SharedWords(meanings, xxhash.xxh3_64(content).hexdigest())
