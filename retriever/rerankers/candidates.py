"""What a reranker reads of a document: its best passage, with the sentences beside it."""

from __future__ import annotations

import dataclasses

from xret.index.storage.segment import Span
from xret.retriever.passages import sentence_ends
from xret.types import Document

__all__ = ["MAX_CHARACTERS", "best_part", "has_letters"]

MAX_CHARACTERS = 8_192
"""Of a document, at most; longer passages are read from their beginning."""

MARGIN = 4


def best_part(document: Document, span: Span | None) -> Document:
    """The document with its best passage and the neighbours of that for its text.

    span: of the passage, None where the document is one. Neighbours are whole sentences, half
    as long as the passage on either side; at most `MAX_CHARACTERS` in all.
    """
    text = document.text
    if span is None:
        return dataclasses.replace(document, text=text[: _cut(text, MAX_CHARACTERS)])
    start, end = span
    room = min((end - start) // 2, max(MAX_CHARACTERS - (end - start), 0) // 2)
    if room:
        start, end = _widened(text, start, end, room)
    part = text[start:end]
    return dataclasses.replace(document, text=part[: _cut(part, MAX_CHARACTERS)])


def has_letters(document: Document) -> bool:
    """Whether there is anything to read."""
    return any(
        character.isprintable() and not character.isspace()
        for text in (document.title, document.text)
        for character in text
    )


def _widened(text: str, start: int, end: int, room: int) -> Span:
    """The span with the whole sentences within `room` characters before and after it."""
    first, last = max(start - room, 0), min(end + room, len(text))
    # A sentence's end is seen by its stop and what comes after it.
    margin = max(first - MARGIN, 0)
    borders = [margin + end for end in sentence_ends(text[margin : last + 1])]
    borders += [0, len(text)]
    before = [border for border in borders if first <= border <= start]
    after = [border for border in borders if end <= border <= last]
    return min(before, default=start), max(after, default=end)


def _cut(text: str, limit: int) -> int:
    """The last end of a sentence within the limit; without any, the limit."""
    if len(text) <= limit:
        return len(text)
    ends = sentence_ends(text[: limit + 1])
    return ends[-1] if ends else limit
