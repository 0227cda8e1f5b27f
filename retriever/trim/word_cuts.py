"""Texts cut into pieces word by word: each distinct word once, however often texts say it.

A tokenizer whose pre-tokenizer splits at spaces reads the words of a text one by one, and
texts repeat their words: of ten words in a million lines, nine were there before. Whether
the tokenizer at hand does so is tried, on examples and on lines of the texts themselves; where
it does not, or a text has a place where words might touch, the text is cut whole.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.retriever.trim.vocabulary import Vocabulary
from xret.types import IntArray

__all__ = ["UsedRows", "WordCuts"]

REMEMBERED = 64_000_000
"""Characters of distinct words, each with some for its place, that are kept in memory."""

_PLACE = 16
_WORDS = re.compile(" ?[^ ]+| +")
_SPACES = re.compile(r"[ \\s{}\d,+]+")
_PREPENDED = "\u0d4e"
"""A letter that makes one grapheme with what follows; others lie in the range below."""
_PREPENDED_RANGE = range(0x11000, 0x12000)

_KNOWN = frozenset(
    {"BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt"}
    | {"Precompiled", "Sequence", "Strip", "StripAccents"}
    | {"BertPreTokenizer", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation", "Split"}
    | {"UnicodeScripts", "Whitespace", "WhitespaceSplit"}
)
"""Normalisers and pre-tokenizers that look at most a character to each side."""

_EXAMPLES = (
    "The cat's 7 mats, \u201cquoted\u201d (a) b-c: x_y.Z 12 % \u00e9t\u00e9 \u03a3\u03a3 7\u00b0 D",
    "\u6f22\u5b57 \u304b\u306a \ud55c\uad6d\uc5b4 \u6587\u3001\u53e5\u3002 \u7d9a\u304d a \u0436 z",
    "\u0436 \u0441\u043b\u043e\u0432\u043e a \u0643\u062a\u0627\u0628\u060c \u05d2 "
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u093e \u0e44\u0e17\u0e22 \u0e04\u0e33 1 \u2713 2",
)


@dataclass(frozen=True, slots=True)
class UsedRows:
    """Rows that n texts use. rows, times: (t,), each row and how often it is meant;
    offsets: (n + 1,), text i has rows[offsets[i]:offsets[i + 1]]."""

    rows: IntArray
    times: IntArray
    offsets: IntArray

    def add_to(self, counts: IntArray) -> None:
        """Count the rows: counts is (rows of the vocabulary,)."""
        np.add.at(counts, self.rows, self.times)

    def within(self, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """(n,) whether all rows of each text are among those kept: (rows of the vocabulary,)."""
        return ~self._some(~kept[self.rows])

    def having(self, row: int | None) -> npt.NDArray[np.bool_]:
        """(n,) whether each text uses that row."""
        return self._some(self.rows == (-1 if row is None else row))

    def _some(self, which: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        sums = np.concatenate([[0], np.cumsum(which)])
        return np.asarray(sums[self.offsets[1:]] > sums[self.offsets[:-1]])


class WordCuts:
    """The cuts of one vocabulary, of texts behind each of some prompts.

    apart: whether words are cut alone. It turns false for good when a line shows that the
    tokenizer reads them together; what was counted before is to be counted again then.
    """

    def __init__(self, vocabulary: Vocabulary, prompts: Sequence[str]) -> None:
        self._vocabulary = vocabulary
        self._prompts = prompts
        self._added, self._unknown = _added_rows(vocabulary)
        self._forget()
        self.apart = _is_known(vocabulary.content) and all(map(self._splits, _EXAMPLES))

    def used(self, lines: Sequence[str]) -> UsedRows:
        """What each line uses behind the prompts in turn, on the way to unknown words too."""
        if self._remembered > REMEMBERED:
            self._forget()
        if lines and self.apart:
            self.apart = self._splits(self._vocabulary.prepared(self._prompts[0] + lines[0]))
        parts = [self._parts(line) for line in lines]
        self._learn(chain.from_iterable(chain(heads, rest) for heads, rest in parts))
        whole = [
            place
            for place, part in enumerate(parts)
            if self.apart and not all(map(self._joined.isdisjoint, part))
        ]
        for place in whole:
            parts[place] = self._whole(lines[place]), []
        self._learn(chain.from_iterable(parts[place][0] for place in whole))
        return self._packed(parts)

    def words(self, every: int) -> list[str]:
        """One in so many of the words in memory, prepared as the tokenizer takes them."""
        return list(self._numbers)[::every]

    def rows_of(self, words: Sequence[str]) -> UsedRows:
        """What words in memory use."""
        return self._packed([([word], []) for word in words])

    def _parts(self, line: str) -> tuple[list[str], list[str]]:
        """A line's words: those that prompts change, behind each of them, and the rest."""
        if not self.apart:
            return self._whole(line), []
        if self._vocabulary.prepares:
            return [word for text in self._whole(line) for word in _WORDS.findall(text)], []
        first, *rest = _WORDS.findall(line) or [""]
        heads = [word for prompt in self._prompts for word in _WORDS.findall(prompt + first)]
        return heads, rest

    def _whole(self, line: str) -> list[str]:
        return [self._vocabulary.prepared(prompt + line) for prompt in self._prompts]

    def _splits(self, text: str) -> bool:
        """Whether the tokenizer splits a text as it splits its words alone."""
        words = _WORDS.findall(text)
        if not all(map(_stands_alone, words)):
            return True  # is cut whole
        alone = [part for word in words for part in self._vocabulary.split(word)]
        return len(alone) >= len(words) and self._vocabulary.split(text) == alone

    def _learn(self, words: Iterable[str]) -> None:
        known = self._numbers
        new = [word for word in dict.fromkeys(words) if word not in known]
        for word, rows in zip(new, self._vocabulary.used(new), strict=True):
            known[word] = len(known)
            self._rows.extend(rows)
            self._ends.append(len(self._rows))
            self._remembered += len(word) + _PLACE
            if not _stands_alone(word) or self._is_token(word, rows):
                self._joined.add(word)

    def _is_token(self, word: str, rows: Collection[int]) -> bool:
        """Whether a word has an added token in it, before which the library splits texts."""
        if not self._added.isdisjoint(rows):
            return True
        row, token = self._unknown
        return row in rows and token in unicodedata.normalize("NFKC", word).casefold()

    def _packed(self, parts: Sequence[tuple[list[str], list[str]]]) -> UsedRows:
        words = chain.from_iterable(chain(heads, rest) for heads, rest in parts)
        numbers = np.fromiter(map(self._numbers.__getitem__, words), np.int64)
        sizes = np.array([(len(heads), len(rest)) for heads, rest in parts], np.int64)
        sizes = sizes.reshape(-1, 2)
        times = np.repeat(np.tile([1, len(self._prompts)], len(parts)), sizes.ravel())
        ends = np.frombuffer(self._ends, np.int64)
        starts, lengths = ends[numbers], ends[numbers + 1] - ends[numbers]
        before = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(before[-1]) + np.repeat(starts - before[:-1], lengths)
        rows = np.frombuffer(self._rows, np.int32)[places] if len(places) else places
        offsets = before[np.concatenate([[0], np.cumsum(sizes.sum(axis=1))]).astype(np.int64)]
        return UsedRows(rows.astype(np.int64), np.repeat(times, lengths), offsets)

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}
        self._rows, self._ends = array("i"), array("q", [0])
        self._joined: set[str] = set()
        self._remembered = 0


@lru_cache(maxsize=65_536)
def _may_end(character: str) -> bool:
    """Whether what a normaliser makes of a character ends with it, if a space follows."""
    if character.isascii():
        return "!" <= character <= "~"
    kind = unicodedata.category(character)
    alone = kind[0] in "LMNP" or kind in ("So", "Sm", "Sc")
    last = unicodedata.normalize("NFKD", character)[-1]
    prepended = character == _PREPENDED or ord(character) in _PREPENDED_RANGE
    return alone and not last.isspace() and not prepended


@lru_cache(maxsize=65_536)
def _may_start(character: str) -> bool:
    """Whether a character makes no grapheme with a space before it."""
    first = unicodedata.normalize("NFKD", character)[0]
    return _may_end(character) and unicodedata.category(first)[0] != "M"


def _stands_alone(word: str) -> bool:
    """Whether both ends of a word, with the space before it, are cut alike beside others."""
    first = word[word[:1] == " " :][:1]
    return first != "" and _may_start(first) and _may_end(word[-1])


def _is_known(content: dict[str, Any]) -> bool:
    """Whether every step before the model looks at the neighbours of a character only."""
    steps = [*_steps(content.get("normalizer")), *_steps(content.get("pre_tokenizer"))]
    added = content.get("added_tokens") or ()
    return all(map(_is_local, steps)) and not any(" " in token["content"] for token in added)


def _steps(step: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if step is not None:
        yield step
        for inner in (*step.get("normalizers", ()), *step.get("pretokenizers", ())):
            yield from _steps(inner)


def _is_local(step: dict[str, Any]) -> bool:
    if step.get("type") != "Replace":
        return step.get("type") in _KNOWN
    text = step["pattern"].get("String")
    if text is not None:
        return " " not in text or text == " "
    return _SPACES.fullmatch(step["pattern"]["Regex"]) is not None


def _added_rows(vocabulary: Vocabulary) -> tuple[frozenset[int], tuple[int | None, str]]:
    """Rows of added tokens but the unknown one; that one's row and its text in small letters."""
    tokens = {token["content"] for token in vocabulary.content.get("added_tokens") or ()}
    unknown = vocabulary.unknown
    rows = frozenset(vocabulary.rows[token] for token in tokens) - {unknown}
    return rows, (unknown, "" if unknown is None else vocabulary.pieces[unknown].casefold())
