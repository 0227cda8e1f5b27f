"""Where the words of xret-static stand in a text as its writer spelt it.

`wordpieces.split_words` reads a text in its normal form, which has other characters, and fewer
or more of them: composed letters, no vowel points, no Arabic article. Here each character of
the normal form keeps the place that it comes from.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

from xret.retriever.encoders.wordpieces import (
    ARABIC_ARTICLE,
    IS_UNSPACED,
    LETTERS,
    MARKS,
    NOT_LATIN,
    RUN_PREFIX,
    WORD,
)

__all__ = ["PlacedWord", "placed_words"]

_DROPPED = re.compile(MARKS)
_ARTICLE = re.compile(ARABIC_ARTICLE)
_CHUNK = re.compile(r"\S+|\s+")
_JOINING = re.compile("[\u1160-\u11ff\uff9e\uff9f]")
"""Letters that a normal form joins to the one before, and that are no marks."""

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word as `split_words` returns it. places: of each of its characters, (start, end) of what
    it comes from in the text; that of a mark before it is the first letter's."""

    word: str
    places: list[Place]

    @property
    def place(self) -> Place:
        """Where the whole word stands."""
        return self.places[0][0], self.places[-1][1]


def placed_words(text: str) -> list[PlacedWord]:
    """The words of `split_words` in their order, each with its place.

    >>> [(one.word, one.place) for one in placed_words("The ﬁsh")]
    [('the', (0, 3)), ('fish', (4, 7))]
    """
    normal, places = _placed_normal(text)
    words = []
    for match in WORD.finditer(normal):
        word, own = match.group(), places[match.start() : match.end()]
        if word[0] > "\u0dff" and IS_UNSPACED.match(word):
            word, own = RUN_PREFIX + word, [own[0], *own]
        words.append(PlacedWord(word, own))
    return words


def _placed_normal(text: str) -> tuple[str, list[Place]]:
    """The normal form, and the place of each of its characters."""
    letters: list[str] = []
    places: list[Place] = []
    for chunk in _CHUNK.finditer(text):
        for part, place in _lowered(chunk.group(), chunk.start()):
            letters.append(part)
            places += repeat(place, len(part))
    lowered = "".join(letters)
    if NOT_LATIN.search(lowered):
        lowered, places = _without(_DROPPED, lowered, places)
        lowered, places = _without(_ARTICLE, lowered.translate(LETTERS), places)
    return lowered, places


def _lowered(chunk: str, first: int) -> Iterator[tuple[str, Place]]:
    """NFKC in lower case, part by part; the whole as one part where parts do not add up to it."""
    whole = (chunk if chunk.isascii() else unicodedata.normalize("NFKC", chunk)).lower()
    clusters = list(_clusters(chunk))
    parts = [unicodedata.normalize("NFKC", chunk[a:b]).lower() for a, b in clusters]
    # Only a sigma at the end of a word is another in lower case than it is alone.
    if "".join(parts).replace("σ", "ς") != whole.replace("σ", "ς"):
        yield whole, (first, first + len(chunk))
        return
    start = 0
    for part, (a, b) in zip(parts, clusters, strict=True):
        yield whole[start : start + len(part)], (first + a, first + b)
        start += len(part)


def _clusters(chunk: str) -> Iterator[Place]:
    """Each letter with the marks on it."""
    start = 0
    for place in range(1, len(chunk) + 1):
        letter = chunk[place : place + 1]
        joined = (
            unicodedata.category(letter)[0] == "M" or _JOINING.match(letter) if letter else None
        )
        if not joined:
            yield start, place
            start = place


def _without(pattern: re.Pattern[str], text: str, places: list[Place]) -> tuple[str, list[Place]]:
    """A text without what a pattern matches."""
    parts, kept, end = [], [], 0
    for match in pattern.finditer(text):
        parts.append(text[end : match.start()])
        kept += places[end : match.start()]
        end = match.end()
    return "".join([*parts, text[end:]]), kept + places[end:]
