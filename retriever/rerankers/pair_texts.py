"""Questions and passages as the tokens that a cross-encoder reads, in windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xret.errors import RerankError
from xret.types import Document

__all__ = [
    "BATCH_TOKENS",
    "CHUNK",
    "MIN_PASSAGE_TOKENS",
    "PairWindows",
    "overlap_of",
    "pair_windows",
    "passage_room",
    "passage_text",
]

BATCH_TOKENS = 8_192
"""Of a forward pass, padding counted."""

CHUNK = 8
"""Passages between two looks at the clock."""

MIN_PASSAGE_TOKENS = 32
OVERLAP = 32

Window = dict[str, list[int]]
"""A pair's input ids, and whatever else its tokenizer says of them, without padding."""


@dataclass(frozen=True, slots=True)
class PairWindows:
    """owners: of each window, the number of its passage. start: where in every window the
    passage's tokens begin, behind the whole question and its marks."""

    windows: list[Window]
    owners: list[int]
    start: int


def passage_text(passage: Document) -> str:
    """Title and text, a line each."""
    return f"{passage.title}\n{passage.text}" if passage.title else passage.text


def passage_room(asked: int, marks: int, *, max_tokens: int, name: str) -> int:
    """Tokens that a window has for its passage, beside a question of `asked` and the marks.

    Raises RerankError for a question that leaves fewer than `MIN_PASSAGE_TOKENS`: it is never
    cut.
    """
    room = max_tokens - asked - marks
    if room < MIN_PASSAGE_TOKENS:
        raise RerankError(
            f"the question has {asked} tokens, and {name} reads {max_tokens} together with a "
            "passage; ask a shorter one, or use another reranker"
        )
    return room


def overlap_of(room: int) -> int:
    """Tokens that two windows of a passage have in common."""
    return min(OVERLAP, room // 4)


def pair_windows(
    tokenizer: Any, query: str, passages: Sequence[str], *, max_tokens: int, name: str
) -> PairWindows:
    """Every passage behind the whole question, in as many windows as it needs.

    tokenizer: of transformers, a fast one. max_tokens: of a window, special ones included.
    Raises RerankError as `passage_room` does.
    """
    asked = len(tokenizer(query, add_special_tokens=False)["input_ids"])
    marks = tokenizer.num_special_tokens_to_add(pair=True)
    room = passage_room(asked, marks, max_tokens=max_tokens, name=name)
    encoded = tokenizer(
        [query] * len(passages),
        list(passages),
        truncation="only_second",
        max_length=max_tokens,
        stride=overlap_of(room),
        return_overflowing_tokens=True,
    )
    owners = [int(n) for n in encoded.pop("overflow_to_sample_mapping")]
    names = [key for key in encoded if key in tokenizer.model_input_names]
    windows = [{key: list(encoded[key][n]) for key in names} for n in range(len(owners))]
    sides = encoded.sequence_ids(0)
    start = sides.index(1) if 1 in sides else len(sides)
    return PairWindows(windows, owners, start)
