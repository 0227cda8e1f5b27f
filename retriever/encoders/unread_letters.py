"""Letters of a text that a model's vocabulary cannot write: they become the unknown piece.

What is told is told by the tokenizer itself, so it holds for every model, trimmed or not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from xret.retriever.languages.scripts import script_of
from xret.retriever.passages import Tokens

__all__ = ["LetterReader", "UnreadLetters"]

_NOWHERE = ("\U0010fffd", "\U000f1234")
"""Characters for private use: two that no vocabulary has."""


@dataclass(frozen=True, slots=True)
class UnreadLetters:
    """How many letters a text has, and how many of each script no piece writes."""

    letters: int = 0
    scripts: Counter[str] = field(default_factory=Counter)

    @property
    def mostly(self) -> bool:
        """Whether more than half of the letters are not read."""
        return 2 * self.scripts.total() > self.letters

    @property
    def wholly(self) -> bool:
        """Whether there are letters, and none is read."""
        return 0 < self.letters == self.scripts.total()

    def described(self) -> str:
        """For a message, such as `12 of 14 letters (Ethi)`."""
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

    def unread(self, text: str) -> UnreadLetters:
        """Letters that are not read, counted only where they may be most of the text's.

        Letters alone are asked first, then the text itself: pieces of several letters may
        read what single ones do not.
        """
        if text.isascii() or all(map(self._reads, set(text))):
            return UnreadLetters()
        letters = [place for place, character in enumerate(text) if script_of(character)]
        alone = [place for place in letters if not self._reads(text[place])]
        if 2 * len(alone) <= len(letters):
            return UnreadLetters(len(letters))
        encoded = self._tokens.encode(text, add_special_tokens=False)
        read: set[int] = set()
        for row, (start, end) in zip(encoded.ids, encoded.offsets, strict=True):
            if row not in self._silent:
                read.update(range(start, end))
        scripts = Counter(script_of(text[place]) for place in alone if place not in read)
        return UnreadLetters(len(letters), scripts)

    def _reads(self, character: str) -> bool:
        known = self._known.get(character)
        if known is None:
            known = not script_of(character) or not self._silent.issuperset(self._ids(character))
            self._known[character] = known
        return known

    def _ids(self, text: str) -> list[int]:
        return list(self._tokens.encode(text, add_special_tokens=False).ids)
