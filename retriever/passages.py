"""Long texts as passages: by tokens, on sentence borders, with an overlap.

A passage ends after a sentence where one ends within the limit, else at a space, else
between two tokens; Thai, Khmer and Lao, which mark no sentences with stops, are cut at the
spaces between their phrases. Passages are spans of the text itself, so nothing is lost.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

__all__ = ["MIN_TOKENS", "Passage", "PassageSplitter", "Tokens", "sentence_ends"]

# Stops that end a sentence wherever they stand: full-width, Devanagari, Arabic, Urdu,
# Ethiopic, Armenian, Khmer, Burmese, Tibetan, Meetei, Sinhala, Mongolian.
_STOPS = "。！？｡．।॥؟۔።፧፨։៕។၊။།༎꯫෴᠃᠉‼⁇⁈⁉"
_CLOSING = "\"'”’»›)\\]）」』】》〉｣"
_ENDS = re.compile(
    f"(?:[{_STOPS}]+[{_CLOSING}]*|[.!?…]+[{_CLOSING}]*(?=\\s|$)|\\n)\\s*"  # a line break ends too
)
_SPACES = re.compile(r"\s+")


MIN_TOKENS = 8

WINDOW = 1 << 16
"""Characters of a text that are told into tokens at once: a token takes some hundred bytes."""


@dataclass(frozen=True, slots=True)
class Passage:
    """text[start:end] of a document, in code points; `tokens` without special ones."""

    start: int
    end: int
    tokens: int


def sentence_ends(text: str) -> list[int]:
    """Where sentences end, white space after them included, in rising order.

    >>> sentence_ends("One. Two? 3.14 雨。雪")
    [5, 10, 17]
    """
    return [match.end() for match in _ENDS.finditer(text) if match.end() < len(text)]


class Tokens(Protocol):
    """What splitting needs of a tokenizer, such as `tokenizers.Tokenizer`."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Any:
        """An object with `ids` and `offsets`, (start, end) of each token in the text."""
        ...


@dataclass(frozen=True, slots=True)
class _Borders:
    """Places at which a text may be cut, in rising order; starts: of every token."""

    starts: Sequence[int]
    sentences: Sequence[int]
    spaces: Sequence[int]


class PassageSplitter:
    """Splits texts for one tokenizer, whose truncation and padding must be off.

    max_tokens: most tokens of a passage, at least 8, special tokens not counted.
    overlap: most tokens that a passage repeats of the one before it; it begins with a
    whole sentence where one begins within them, else with a word.
    """

    def __init__(self, tokenizer: Tokens, *, max_tokens: int = 256, overlap: int = 32) -> None:
        if max_tokens < MIN_TOKENS or not 0 <= overlap <= max_tokens // 2:
            raise ValueError(
                f"max_tokens is {max_tokens} and overlap {overlap}; passages have at least 8 "
                "tokens and repeat at most half of them"
            )
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.overlap = overlap

    def split(self, text: str) -> list[Passage]:
        """Passages in order; together they cover the text, each within the limit."""
        spaces = _ends_of_spaces(text)
        borders = _Borders(self._starts(text, spaces), array("q", sentence_ends(text)), spaces)
        passages: list[Passage] = []
        start = reached = 0
        while True:
            end, tokens = self._end(text, borders, start, reached)
            if end <= reached and start < reached:
                # Cutting changed the tokens so much that the overlap fills the passage.
                start = reached
                continue
            passages.append(Passage(start, end, tokens))
            if end >= len(text):
                return passages
            reached = end
            start = self._next_start(borders, start, end)

    def _starts(self, text: str, spaces: Sequence[int]) -> Sequence[int]:
        """Where each token starts; rising, though several may start at one character.

        Long texts are read in windows that end where white space does, as far as there is any.
        """
        starts: array[int] = array("q")
        first = 0
        while first < len(text):
            last = min(first + WINDOW, len(text))
            at = bisect_right(spaces, last) - 1
            if last < len(text) and at >= 0 and spaces[at] > first:
                last = spaces[at]
            encoded = self._tokenizer.encode(text[first:last], add_special_tokens=False)
            starts.extend(accumulate((first + offset[0] for offset in encoded.offsets), max))
            first = last
        return starts

    def _end(self, text: str, borders: _Borders, start: int, reached: int) -> tuple[int, int]:
        """The last good border within the limit, and the tokens of the passage up to it.

        A piece of text may have other tokens than it had within the whole, so it is read by
        itself, and the border moved back until the limit is kept.
        """
        first = bisect_left(borders.starts, start)
        fits = len(borders.starts) - first <= self.max_tokens
        limit = len(text) if fits else borders.starts[first + self.max_tokens]
        while True:
            end = limit
            if limit < len(text):
                end = _border(borders, limit, beyond=max(start, reached)) or max(limit, start + 1)
            tokens = self._count(text[start:end])
            if tokens <= self.max_tokens or end - start <= 1:
                return end, tokens
            at = bisect_left(borders.starts, end) - (tokens - self.max_tokens)
            moved = borders.starts[at] if 0 <= at < len(borders.starts) else start
            limit = moved if start < moved < end else start + (end - start) // 2

    def _next_start(self, borders: _Borders, start: int, end: int) -> int:
        """Where the passage after this one starts: at most `overlap` tokens before its end."""
        if not self.overlap:
            return end
        at = max(bisect_left(borders.starts, end) - self.overlap, 0)
        earliest = max(borders.starts[at], start + 1)
        for places in (borders.sentences, borders.spaces):
            at = bisect_left(places, earliest)
            if at < len(places) and places[at] < end:
                return places[at]
        return min(earliest, end)

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _border(borders: _Borders, limit: int, *, beyond: int) -> int | None:
    """The last end of a sentence up to a limit, else of a word; None where there is neither."""
    for places in (borders.sentences, borders.spaces):
        at = bisect_right(places, limit) - 1
        if at >= 0 and places[at] > beyond:
            return places[at]
    return None


def _ends_of_spaces(text: str) -> Sequence[int]:
    return array("q", (match.end() for match in _SPACES.finditer(text)))
