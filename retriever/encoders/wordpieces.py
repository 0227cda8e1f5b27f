"""Text into words, and words into the vocabulary's pieces.

Spaced scripts are cut at their words; Chinese, Japanese, Thai, Khmer, Lao and Burmese, which
write none, are cut into pieces and every piece counts as a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from xret.errors import ModelError

__all__ = [
    "ARABIC_ARTICLE",
    "COMBINING",
    "CONTINUATION",
    "IS_UNSPACED",
    "LETTERS",
    "MARKS",
    "NOT_LATIN",
    "RUN_PREFIX",
    "UNKNOWN",
    "UNSPACED",
    "WORD",
    "TextPieces",
    "WordPieces",
    "normalize",
    "split_words",
]

RUN_PREFIX = "\u2581"
"""Set before a run of an unspaced script, so that all its pieces are continuations."""

CONTINUATION = "##"
UNKNOWN = "[UNK]"

_SEEN_LIMIT = 400_000

_INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f"
MARKS = f"[{_INVISIBLE}\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]"
_MARKS = re.compile(MARKS)
NOT_LATIN = re.compile(f"[{_INVISIBLE}\u0590-\u10ff\u1780-\u17ff]")

# The article with its joined conjunctions and prepositions, as light stemmers for Arabic
# remove it (Larkey, Ballesteros and Connell 2002); the letters are the unified ones below.
ARABIC_ARTICLE = (
    "\\b(?:[\u0648\u0641]?[\u0628\u06a9\u0644]?\u0627\u0644|[\u0648\u0641]?\u0644\u0644)"
    "(?=[\u0621-\u06d3]{3})"
)
_ARABIC_ARTICLE = re.compile(ARABIC_ARTICLE)

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
COMBINING = (
    "\u0300-\u036f\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0980-\u0983"
    "\u09bc-\u09cd\u09d7\u0a3c-\u0a4d\u0b82\u0bbe-\u0bcd\u0bd7\u0c00-\u0c04\u0c3e-\u0c56"
    "\u0d3e-\u0d4d"
)
WORD = re.compile(
    f"[{UNSPACED}]{{1,16}}"
    f"|[^\\W\\d_{UNSPACED}](?:[^\\W\\d_{UNSPACED}]|[{COMBINING}]){{0,39}}"
    "|\\d{1,12}"
)
IS_UNSPACED = re.compile(f"[{UNSPACED}]")


def _letters() -> dict[int, int]:
    """One letter for those that Arabic, Persian and Urdu spell apart; ASCII for all digits."""
    alef, heh, yeh, kaf = 0x0627, 0x0647, 0x06CC, 0x06A9
    table = {0x064A: yeh, 0x0649: yeh, 0x0643: kaf, 0x06C1: heh, 0x06C0: heh, 0x0629: heh}
    table |= dict.fromkeys((0x0622, 0x0623, 0x0625, 0x0671), alef)
    for code in range(0x0590, 0x1100):
        digit = unicodedata.digit(chr(code), None)
        if digit is not None:
            table[code] = ord("0") + digit
    return table


LETTERS = _letters()


def normalize(text: str) -> str:
    """NFKC, lower case, no vowel points or invisible marks, one spelling of each letter.

    >>> normalize("\\u0663 \\uff21b \\u0643\\u064e")
    '3 ab \\u06a9'
    """
    lowered = (text if text.isascii() else unicodedata.normalize("NFKC", text)).lower()
    if not NOT_LATIN.search(lowered):
        return lowered
    return _ARABIC_ARTICLE.sub("", _MARKS.sub("", lowered).translate(LETTERS))


def split_words(text: str) -> list[str]:
    """Words and numbers of a text in order, normalised; runs of unspaced scripts are marked.

    >>> split_words("The Cat-7!")
    ['the', 'cat', '7']
    """
    return [
        RUN_PREFIX + word if word[0] > "\u0dff" and IS_UNSPACED.match(word) else word
        for word in WORD.findall(normalize(text))
    ]


@dataclass(frozen=True, slots=True)
class TextPieces:
    """Pieces of a text in order, and where the word of each starts and ends in it."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class WordPieces:
    """Words as numbers, with the pieces that each number stands for.

    A word seen before costs one dictionary lookup. Numbers are given in the order of first
    sight and mean nothing outside this object; `forget` bounds the memory.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.vocabulary_size: int = tokenizer.get_vocab_size()
        self._dropped = {tokenizer.token_to_id(UNKNOWN), tokenizer.token_to_id(RUN_PREFIX)}
        self.pieces: list[tuple[int, ...]] = []
        self._number_of_pieces: dict[tuple[int, ...], int] = {}
        self._numbers_of_word: dict[str, tuple[int, ...]] = {}

    @classmethod
    def load(cls, path: Path) -> WordPieces:
        """Read a `tokenizers` WordPiece file; ModelError when it is missing or is not one."""
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelError(f"{path} is not a readable tokenizer file: {error}") from error

    def forget(self) -> None:
        """Drop the words seen so far when they have become too many."""
        if len(self._numbers_of_word) > _SEEN_LIMIT:
            self.pieces = []
            self._number_of_pieces = {}
            self._numbers_of_word = {}

    def number(self, words: Iterable[str]) -> list[int]:
        """Numbers of the words in order; a word without a known piece gives none."""
        known = self._numbers_of_word
        found: list[int] = []
        for word in words:
            numbers = known.get(word)
            found.extend(self._learn(word) if numbers is None else numbers)
        return found

    def ids(self, text: str) -> list[int]:
        """Piece ids of a text in order, without the unknown ones."""
        return [piece for number in self.number(split_words(text)) for piece in self.pieces[number]]

    def encode(self, sequence: str, *, add_special_tokens: bool = False) -> TextPieces:  # noqa: ARG002
        """The pieces of a text, each at the start of its word; see `passages.Tokens`."""
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        for word in WORD.finditer(sequence):
            pieces = self.ids(word.group())
            ids += pieces
            offsets += [word.span()] * len(pieces)
        return TextPieces(ids, offsets)

    def placed(self, word: str, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Where each number of a word stands. places: of each of the word's characters."""
        numbers = self.number([word])
        if word[0] != RUN_PREFIX:
            return [(places[0][0], places[-1][1])] * len(numbers)
        encoded = self.tokenizer.encode(word, add_special_tokens=False)
        pieces = zip(encoded.ids, encoded.offsets, strict=True)
        spans = [span for piece, span in pieces if piece not in self._dropped]
        return [(places[start][0], places[end - 1][1]) for start, end in spans]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of pieces of each text."""
        return [len(self.ids(text)) for text in texts]

    def _learn(self, word: str) -> tuple[int, ...]:
        encoded = self.tokenizer.encode(word, add_special_tokens=False).ids
        ids = tuple(piece for piece in encoded if piece not in self._dropped)
        units = [(piece,) for piece in ids] if word[0] == RUN_PREFIX else [ids] if ids else []
        numbers = tuple(self._intern(unit) for unit in units)
        self._numbers_of_word[word] = numbers
        return numbers

    def _intern(self, unit: tuple[int, ...]) -> int:
        number = self._number_of_pieces.get(unit)
        if number is None:
            number = len(self.pieces)
            self.pieces.append(unit)
            self._number_of_pieces[unit] = number
        return number
