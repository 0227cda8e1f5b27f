"""A text as the words that people see, whatever an encoder's vocabulary makes of them.

Words of spaced scripts are runs of letters, digits and marks, with the apostrophes and joiners
inside them. Chinese, Japanese, Thai, Lao, Khmer, Burmese and Tibetan write no spaces: there the
encoder's own pieces are the words, which in its vocabulary are often whole ones.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby, pairwise

from xret.retriever.languages.scripts import script_counts, script_of

__all__ = ["main_script_of", "owners", "word_spans"]

Place = tuple[int, int]

_UNSPACED = frozenset(["Hani", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"])
_JOINERS = frozenset("'’ʼ\u200c\u200d")
_SPACE, _SPACED, _WITHOUT_SPACES, _SYMBOL = range(4)


def word_spans(text: str, pieces: Collection[Place]) -> list[Place]:
    """The words of a text in order, then everything between them but white space.

    pieces: (start, end) of the encoder's, at which runs without spaces and symbols are cut, but
    never before a mark.

    >>> text = "L'eau, 气候变化"
    >>> [text[a:b] for a, b in word_spans(text, [(7, 9), (9, 11)])]
    ["L'eau", ',', '气候', '变化']
    """
    cuts = sorted({place for piece in pieces for place in piece})
    spans: list[Place] = []
    kinds = list(_kinds(text))
    for kind, run in groupby(range(len(text)), key=kinds.__getitem__):
        places = list(run)
        start, end = places[0], places[-1] + 1
        if kind == _SPACED:
            spans.append((start, end))
        elif kind != _SPACE:
            inside = cuts[bisect_right(cuts, start) : bisect_right(cuts, end - 1)]
            borders = [place for place in inside if unicodedata.category(text[place])[0] != "M"]
            spans += pairwise([start, *borders, end])
    return spans


def owners(spans: Sequence[Place], place: Place) -> int | None:
    """The number of the word that most of a piece is of; None where it is of none.

    spans: of words, in order.
    """
    start, end = place
    first = max(bisect_right(spans, (start, start)) - 1, 0)
    best, shared = None, 0
    for number in range(first, len(spans)):
        left, right = spans[number]
        if left >= end:
            break
        common = min(right, end) - max(left, start)
        if common > shared:
            best, shared = number, common
    return best


def main_script_of(word: str) -> str:
    """The ISO 15924 code of most of a word's letters; empty where it has none."""
    counts = script_counts(word)
    return counts.most_common(1)[0][0] if counts else ""


def _kinds(text: str) -> Iterator[int]:
    before = _SPACE
    for place, character in enumerate(text):
        before = _kind(character, before, text[place + 1 : place + 2])
        yield before


def _kind(character: str, before: int, behind: str) -> int:
    """What a character is part of. before: what the one before it is; behind: the next one."""
    if character.isspace():
        return _SPACE
    category = unicodedata.category(character)[0]
    if category == "M" and before != _SPACE:
        return before
    if category in "LM":
        return _WITHOUT_SPACES if script_of(character) in _UNSPACED else _SPACED
    inside = before == _SPACED and behind.isalnum() and script_of(behind) not in _UNSPACED
    return _SPACED if category == "N" or (character in _JOINERS and inside) else _SYMBOL
