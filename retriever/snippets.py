"""The part of a passage that says most of why it was found, with the words that do marked."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from xret.retriever.answer import SNIPPET_CHARACTERS, Snippet

__all__ = ["marked_snippet"]

_BEFORE = 40
"""Characters shown before the first marked word, at least, where there are any."""

Mark = tuple[int, int, float]


def marked_snippet(text: str, marks: Sequence[Mark]) -> Snippet:
    """The stretch of a passage whose marks weigh most; the earliest of equal ones.

    marks: (start, end, weight) in the passage, in code points, in order and without overlap. The
    snippet's spans are those inside it, in its own code points; white space is single spaces.

    >>> marked_snippet("A  fish.", [(3, 7, 0.5)])
    Snippet(text='A fish.', spans=[(2, 6, 0.5)])
    """
    flat, places = _flat(text)
    moved = [(places[start], places[end - 1] + 1, weight) for start, end, weight in marks]
    if len(flat) <= SNIPPET_CHARACTERS:
        return Snippet(flat, moved)
    start = _best_start(flat, moved)
    end = _end(flat, start)
    before, after = "…" if start else "", "…" if end < len(flat) else ""
    shift = len(before) - start
    spans = [(a + shift, b + shift, weight) for a, b, weight in moved if start <= a and b <= end]
    return Snippet(before + flat[start:end] + after, spans)


def _flat(text: str) -> tuple[str, list[int]]:
    """A text with single spaces, and the place in it of each character of the text."""
    parts: list[str] = []
    places: list[int] = []
    length = 0
    for run in re.finditer(r"\s+|\S+", text):
        space = run.group().isspace()
        part = (" " if parts and run.end() < len(text) else "") if space else run.group()
        step = [length] * len(run.group()) if space else range(length, length + len(part))
        places += step
        parts.append(part)
        length += len(part)
    return "".join(parts), places


def _best_start(flat: str, marks: Sequence[Mark]) -> int:
    """Where a snippet begins: at the text's start, or at a word's some way before a mark."""
    starts = [mark[0] for mark in marks]
    ends = [mark[1] for mark in marks]
    sums = [0.0, *accumulate(weight for _, _, weight in marks)]
    best, most = 0, -1.0
    for place in [0, *(_word_start(flat, max(start - _BEFORE, 0)) for start in starts)]:
        first = bisect_left(starts, place)
        last = bisect_left(ends, _end(flat, place) + 1)
        weight = sums[max(last, first)] - sums[first]
        if weight > most + 1e-9:
            best, most = place, weight
    return best


def _word_start(flat: str, place: int) -> int:
    """The next start of a word, within what comes before a mark; where no space is near, there."""
    space = flat.find(" ", place, place + _BEFORE) if place else -1
    return space + 1 if space >= 0 else place


def _end(flat: str, start: int) -> int:
    """Where a snippet that begins there ends: at a space where there is one near."""
    limit = start + SNIPPET_CHARACTERS
    if limit >= len(flat):
        return len(flat)
    cut = flat.rfind(" ", start + SNIPPET_CHARACTERS * 3 // 4, limit)
    return cut if cut > 0 else limit
