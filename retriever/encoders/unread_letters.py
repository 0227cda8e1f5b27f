"""Letters of a text that a model's vocabulary cannot write: they become the unknown piece.

What is told is told by the tokenizer itself, so it holds for every model, trimmed or not.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from xret.retriever.languages.scripts import script_of
from xret.retriever.passages import Tokens

__all__ = ["LetterReader", "UnreadLetters"]

OPENING = 64
"""Characters of a text that are looked at first for something that is read."""

_ASCII_WORD = re.compile("[A-Za-z0-9]")

_NOWHERE = ("\U0010fffd", "\U000f1234")
"""Characters for private use: two that no vocabulary has."""


@dataclass(frozen=True, slots=True)
class UnreadLetters:
    """How many letters a text has, and how many of each script no piece writes. silent: whether
    no piece but the unknown one is of the text at all."""

    letters: int = 0
    scripts: Counter[str] = field(default_factory=Counter)
    silent: bool = False

    @property
    def mostly(self) -> bool:
        """Whether nothing is read, or less than half of the letters."""
        return self.silent or 2 * self.scripts.total() > self.letters

    @property
    def wholly(self) -> bool:
        """Whether nothing is read, or there are letters and none of them is."""
        return self.silent or 0 < self.letters == self.scripts.total()

    def described(self) -> str:
        """For a message, such as `12 of 14 letters (Ethi)`."""
        if not self.scripts:
            return "a single word"
        scripts = ", ".join(script for script, _ in self.scripts.most_common())
        return f"{self.scripts.total():,} of {self.letters:,} letters ({scripts})"


class LetterReader:
    """Which letters a tokenizer reads; each is looked up once."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._known: dict[str, bool] = {}
        unknown, other = (self._ids(character) for character in _NOWHERE)
        # Bytes differ where the unknown piece is the same.
        self._silent = {*self._ids(" "), *(unknown if unknown == other else ())}
        self._ascii = all(map(self._reads, "abcdefghijklmnopqrstuvwxyz0123456789"))

    def unread(self, text: str) -> UnreadLetters:
        """Letters that are not read, counted only where they may be most of the text's.

        Letters alone are asked first, then the text itself: pieces of several letters may
        read what single ones do not.
        """
        if self._ascii and text.isascii() and _ASCII_WORD.search(text):
            return UnreadLetters()
        silent = self._is_silent(text)
        if not silent and (text.isascii() or all(map(self._reads, set(text)))):
            return UnreadLetters()
        letters = [place for place, character in enumerate(text) if script_of(character)]
        alone = [place for place in letters if not self._reads(text[place])]
        if silent:  # the whole is an unknown word, though a letter may be known by itself
            scripts = Counter(script_of(text[place]) for place in letters)
            return UnreadLetters(len(letters), scripts, silent=True)
        if 2 * len(alone) <= len(letters):
            return UnreadLetters(len(letters))
        encoded = self._tokens.encode(text, add_special_tokens=False)
        read: set[int] = set()
        for row, (start, end) in zip(encoded.ids, encoded.offsets, strict=True):
            if row not in self._silent:
                read.update(range(start, end))
        scripts = Counter(script_of(text[place]) for place in alone if place not in read)
        return UnreadLetters(len(letters), scripts)

    def _is_silent(self, text: str) -> bool:
        """Whether every piece is the unknown one; mostly the text's beginning tells."""
        return self._silent.issuperset(self._ids(text[:OPENING])) and (
            len(text) <= OPENING or self._silent.issuperset(self._ids(text))
        )

    def _reads(self, character: str) -> bool:
        known = self._known.get(character)
        if known is None:
            known = not script_of(character) or not self._silent.issuperset(self._ids(character))
            self._known[character] = known
        return known

    def _ids(self, text: str) -> list[int]:
        return list(self._tokens.encode(text, add_special_tokens=False).ids)
