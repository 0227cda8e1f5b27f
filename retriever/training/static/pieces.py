"""Texts as flat arrays of piece ids, cut once and read by every step."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.retriever.encoders.wordpieces import WordPieces, split_words
from xret.types import IntArray

__all__ = ["WORD_START", "PieceArray", "Pieces", "cut_texts"]

PieceArray = npt.NDArray[np.int32]

WORD_START = 1 << 30
"""Added to the id of a piece that begins a word."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """n ragged texts: flagged (t,) int32, ids plus WORD_START at words; offsets (n + 1,)."""

    flagged: PieceArray
    offsets: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def ids(self) -> PieceArray:
        """(t,) plain ids."""
        return self.flagged & np.int32(WORD_START - 1)

    def counts(self, vocabulary_size: int) -> IntArray:
        """How often each piece occurs."""
        return np.bincount(self.ids, minlength=vocabulary_size).astype(np.int64)

    def take(self, texts: IntArray, *, longest: int) -> Pieces:
        """Those texts in that order, each cut to its first `longest` pieces."""
        starts = self.offsets[texts]
        lengths = np.minimum(self.offsets[texts + 1] - starts, longest)
        offsets = _offsets(lengths)
        flat = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Pieces(self.flagged[flat], offsets)

    def joined(self, groups: IntArray, n_groups: int) -> Pieces:
        """Neighbouring texts of one group as one text; groups (n,) rise from 0."""
        lengths = np.bincount(groups, weights=np.diff(self.offsets), minlength=n_groups)
        return Pieces(self.flagged, _offsets(lengths.astype(np.int64)))

    def without_words(self, rng: np.random.Generator, *, share: float) -> Pieces:
        """Whole words left out: of each text a share drawn between 0 and twice `share`."""
        word = np.cumsum(self.flagged >= WORD_START)
        chance = rng.random(int(word[-1]) + 1 if len(word) else 1)
        text = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        kept = chance[word] >= (rng.random(len(self)) * share * 2)[text]
        emptied = np.bincount(text[kept], minlength=len(self)) == 0
        kept |= emptied[text]
        lengths = np.bincount(text[kept], minlength=len(self))
        return Pieces(self.flagged[kept], _offsets(lengths))

    def after(self, openings: Pieces, chosen: IntArray) -> Pieces:
        """Each text behind openings[chosen], or alone where chosen is negative."""
        parts: list[PieceArray] = []
        for position, opening in enumerate(chosen.tolist()):
            own = self.flagged[self.offsets[position] : self.offsets[position + 1]]
            if opening >= 0:
                start, end = openings.offsets[opening], openings.offsets[opening + 1]
                own = np.concatenate([openings.flagged[start:end], own])
            parts.append(own)
        lengths = np.array([len(part) for part in parts], np.int64)
        return Pieces(np.concatenate(parts), _offsets(lengths))


def cut_texts(texts: Sequence[str], pieces: WordPieces, *, longest: int) -> Pieces:
    """Cut every text, keeping its first `longest` pieces."""
    flagged = array("i")
    offsets = np.zeros(len(texts) + 1, np.int64)
    for position, text in enumerate(texts):
        ids: list[int] = []
        for number in pieces.number(split_words(text)):
            unit = pieces.pieces[number]
            ids.append(unit[0] | WORD_START)
            ids.extend(unit[1:])
            if len(ids) >= longest:
                break
        flagged.extend(ids[:longest])
        offsets[position + 1] = len(flagged)
        pieces.forget()
    return Pieces(np.array(flagged, dtype=np.int32), offsets)


def _offsets(lengths: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
