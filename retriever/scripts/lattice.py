"""Chinese and Japanese out of pinyin and romaji: the likeliest way through a lattice of words.

Spaces say little there: people set them between syllables, words, or not at all. So the letters
between two punctuation marks are read as one string, every stretch of it that spells a word is
an edge of a lattice, and the cheapest path by how rare words are, alone and behind each other, is
the reading. Tones, as marks or digits, are left out: they tell little apart that words do not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

__all__ = ["Lattice", "pinyin_letters", "romaji_letters"]

EDGES = 10
"""Words of one spelling that are tried, the commonest."""
LONGEST = 26
"""Letters of a word's spelling, at most."""
UNREAD_COST = 14.0
"""What a letter costs that no word takes."""
INSIDE_COST = 1.5
"""What it costs to begin or end a word inside of what was written together."""
BACKOFF = 1.0
"""What a word costs behind one that it was not seen behind."""

_TONES = re.compile(r"(?<=[a-z])[1-5](?![0-9])")
_ROMAJI = (
    ("sya", "sha"),
    ("syu", "shu"),
    ("syo", "sho"),
    ("tya", "cha"),
    ("tyu", "chu"),
    ("tyo", "cho"),
    ("zya", "ja"),
    ("zyu", "ju"),
    ("zyo", "jo"),
    ("jya", "ja"),
    ("jyu", "ju"),
    ("jyo", "jo"),
    ("tch", "cch"),
    ("hu", "fu"),
    ("shfu", "shu"),
    ("chfu", "chu"),
)
_LONG = (("ou", "o"), ("oo", "o"), ("uu", "u"), ("aa", "a"), ("ee", "e"), ("ei", "e"), ("ii", "i"))


def pinyin_letters(text: str) -> str:
    """Plain pinyin without tones.

    >>> pinyin_letters("lv4 xing2")
    'lu xing'
    """
    return _TONES.sub("", text).replace("u:", "u").replace("v", "u").replace("'", "")


def romaji_letters(text: str) -> str:
    """Plain romaji, one spelling for each sound, long vowels short.

    >>> romaji_letters("toukyou"), romaji_letters("Tokyo".lower())
    ('tokyo', 'tokyo')
    """
    spelt = re.sub(r"(?<![sc])hu", "fu", text.replace("'", "").replace("-", ""))
    for old, new in (*_ROMAJI[:13], *_LONG):
        spelt = spelt.replace(old, new)
    spelt = re.sub(r"(?<![a-z])si|(?<=[aeioun])si", "shi", spelt)
    spelt = re.sub(r"(?<![a-z])ti|(?<=[aeioun])ti", "chi", spelt)
    spelt = re.sub(r"(?<![a-z])tu|(?<=[aeioun])tu", "tsu", spelt)
    spelt = re.sub(r"(?<=[aeiou])zi|(?<![a-z])zi", "ji", spelt)
    return re.sub("m(?=[bp])", "n", spelt)


class Lattice:
    """words: with the spellings of each, as plain letters, and its cost; bigrams: by the numbers
    of two words, the cost of the second behind the first, -1 for a beginning and an end."""

    def __init__(
        self,
        words: Sequence[str],
        spellings: Sequence[Sequence[str]],
        costs: Sequence[float],
        bigrams: Mapping[tuple[int, int], float],
    ) -> None:
        self._words, self._spellings = words, spellings
        self._costs, self._bigrams = costs, bigrams

    def read(self, letters: str) -> tuple[str, float]:
        """The reading of letters and spaces, and what it costs."""
        text = letters.replace(" ", "")
        if not text:
            return "", 0.0
        breaks = self._breaks(letters)
        # By place, the cheapest ways to it by their last words: (cost, place before, word before).
        ways: list[dict[int, tuple[float, int, int]]] = [{} for _ in range(len(text) + 1)]
        ways[0][-1] = (0.0, 0, -1)
        for at in range(len(text)):
            if ways[at]:
                self._extend(ways, at, text, breaks)
        number = min(ways[-1], key=lambda last: ways[-1][last][0])
        cost, at = ways[-1][number][0], len(text)
        said: list[str] = []
        while at:
            _, before, previous = ways[at][number]
            said.append(self._words[number] if number >= 0 else text[before:at])
            at, number = before, previous
        return "".join(reversed(said)), cost

    def _extend(
        self,
        ways: list[dict[int, tuple[float, int, int]]],
        at: int,
        text: str,
        breaks: frozenset[int],
    ) -> None:
        cheapest = min(ways[at], key=lambda last: ways[at][last][0])
        least = ways[at][cheapest][0]
        _keep(ways[at + 1], -2, (least + UNREAD_COST, at, cheapest))
        inside = 0.0 if at in breaks else INSIDE_COST
        before = sorted(ways[at].items(), key=lambda way: way[1][0])[:8]
        for end in range(at + 1, min(len(text), at + LONGEST) + 1):
            numbers = self._by_spelling.get(text[at:end])
            if not numbers:
                continue
            extra = inside + (0.0 if end in breaks else INSIDE_COST)
            for number in numbers:
                own = self._costs[number] + BACKOFF
                cost, last = min(
                    (way[0] + self._bigrams.get((last, number), own), last) for last, way in before
                )
                _keep(ways[end], number, (cost + extra, at, last))

    @staticmethod
    def _breaks(letters: str) -> frozenset[int]:
        """Places in the letters without spaces where one was."""
        ends, at = [0], 0
        for part in letters.split():
            at += len(part)
            ends.append(at)
        return frozenset(ends)

    @cached_property
    def _by_spelling(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for number, spellings in enumerate(self._spellings):
            for spelling in spellings:
                found[spelling].append(number)
        return {
            spelling: sorted(numbers, key=lambda number: self._costs[number])[:EDGES]
            for spelling, numbers in found.items()
        }


def _keep(
    ways: dict[int, tuple[float, int, int]], number: int, way: tuple[float, int, int]
) -> None:
    if number not in ways or way < ways[number]:
        ways[number] = way
