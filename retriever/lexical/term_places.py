"""Where in a text the terms stand that lexical search found it by."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import groupby

from xret.retriever.languages.scripts import script_of
from xret.retriever.lexical.analysis import analyse

__all__ = ["term_places"]

Place = tuple[int, int]

_WORD = re.compile(
    r"[^\W_](?:[\w\u0300-\u036f]|['’ʼ](?=[^\W_])|[^\s\w!-/:-@\[-`{-~\u2000-\u206f\u3000-\u303f])*"
)
_PAIRED = frozenset({"Hani", "Hira", "Kana", "Hang"})
_BY_SYLLABLES = frozenset({"Thai", "Laoo", "Khmr", "Mymr"})
_LONGEST_PAIR = 14
"""Characters of two written syllables."""


def term_places(text: str, lang: str, terms: Collection[str]) -> dict[str, list[Place]]:
    """(start, end) of each of these terms in a text, in code points, rising; of those it has.

    A term made of a word stands where the word does; one made of two characters or syllables of
    a script without spaces stands there alone, and such terms overlap. The terms are those of
    `analyse` in that language.

    >>> term_places("L’été à Paris, 东京塔", "fr", {"ete", "东京", "tokyo"})
    {'ete': [(2, 5)], '东京': [(15, 17)]}
    """
    wanted = frozenset(terms)
    places: dict[str, list[Place]] = {}
    for chunk in re.finditer(r"\S+", text):
        own = wanted.intersection(analyse(chunk.group(), lang))
        if own:
            for term, (start, end) in _within(chunk.group(), lang, own):
                places.setdefault(term, []).append((chunk.start() + start, chunk.start() + end))
    return places


def _within(chunk: str, lang: str, terms: frozenset[str]) -> Iterator[tuple[str, Place]]:
    """The terms of a text without white space, each at the shortest part that makes it."""
    left = set(terms)
    for word in _WORD.finditer(chunk):
        first = word.start()
        for term, (start, end) in _of_word(word.group(), lang, terms):
            left.discard(term)
            yield term, (first + start, first + end)
    for term in sorted(left):  # such as 1.000, which is one term of several words
        yield term, (0, len(chunk))


def _of_word(word: str, lang: str, terms: frozenset[str]) -> Iterator[tuple[str, Place]]:
    own = terms.intersection(analyse(word, lang))
    if not own:
        return
    scripts = {script_of(character) for character in word}
    longest = _LONGEST_PAIR if scripts & _BY_SYLLABLES else 2 if scripts & _PAIRED else 0
    located: set[tuple[str, Place]] = set()
    for place in [*_windows(word, longest), *_spaced_parts(word)]:
        part = word[slice(*place)]
        shorter = {*analyse(part[1:], lang), *analyse(part[:-1], lang)}
        for term in sorted(own.intersection(analyse(part, lang)) - shorter):
            if (term, place) not in located:
                located.add((term, place))
                yield term, place
    tail = max(word.rfind("'"), word.rfind("’"), word.rfind("ʼ")) + 1
    for term in sorted(own.difference(term for term, _ in located)):
        after = tail and analyse(word[tail:], lang) == [term]
        yield term, (tail if after else 0, len(word))


def _spaced_parts(word: str) -> Iterator[Place]:
    """Parts of a word in a script with spaces that stand beside one without."""
    mixed = [script_of(character) in _PAIRED | _BY_SYLLABLES for character in word]
    if any(mixed):
        for unspaced, run in groupby(range(len(word)), key=mixed.__getitem__):
            places = list(run)
            if not unspaced:
                yield places[0], places[-1] + 1


def _windows(word: str, longest: int) -> Iterator[Place]:
    for start in range(len(word)):
        for end in range(start + 1, min(start + longest, len(word)) + 1):
            yield start, end
