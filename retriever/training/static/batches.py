"""Drawing the rows of a step: a pure function of the seed and the step's number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.retriever.training.static.pieces import PieceArray
from xret.retriever.training.static.settings import StaticTraining
from xret.types import FloatArray, IntArray

__all__ = ["PairSampler", "Passages"]

ChanceArray = npt.NDArray[np.float64]

_MOST_SENTENCES = 5
_VARIANT_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class _Pool:
    """Rows of one language and kind, with their cumulative chances."""

    rows: IntArray
    cumulative: ChanceArray

    def draw(self, rng: np.random.Generator, size: int) -> IntArray:
        return self.rows[np.searchsorted(self.cumulative, rng.random(size))]


@dataclass(frozen=True, slots=True)
class Passages:
    """n passages of neighbouring rows: rows (t,), group (t,) rising from 0 to n - 1,
    asked (n,), the row of each passage that its query is made of."""

    rows: IntArray
    group: IntArray
    asked: IntArray


class PairSampler:
    """Draws batches of sentence pairs and of dictionary entries.

    rows: (n, 3) int32 as `ParallelText.rows`; the first `sentences` are sentence pairs.
    weights: (s,), one a source. Most batches are of one language, so that the negatives are
    hard; mixed ones keep the languages in one space.
    """

    def __init__(
        self, rows: PieceArray, sentences: int, weights: FloatArray, settings: StaticTraining
    ) -> None:
        self._rows = rows
        self._sentences = sentences
        self._settings = settings
        self._weights = weights[rows[:, 0]]
        self._texts = self._pools(0, sentences)
        self._entries = self._pools(sentences, len(rows))

    def pooled(self, rng: np.random.Generator) -> IntArray:
        """Rows of one pooled step: entries, mixed languages or one language."""
        settings = self._settings
        kind, size = rng.random(), settings.pooled_batch
        if kind < settings.lexicon_share and self._entries[0]:
            return self._draw(rng, self._entries, size, mixed=rng.random() < 0.3)
        mixed = kind < settings.lexicon_share + settings.mixed_share
        return self._draw(rng, self._texts, size, mixed=mixed)

    def entries(self, rng: np.random.Generator, size: int) -> IntArray:
        """Dictionary entries, mostly of one language."""
        return self._draw(rng, self._entries, size, mixed=rng.random() < 0.3)

    def sentences(self, rng: np.random.Generator, size: int) -> IntArray:
        """Sentence rows, nearly always of one language."""
        return self._draw(rng, self._texts, size, mixed=rng.random() < 0.1)

    def passages(self, rng: np.random.Generator, size: int) -> Passages:
        """Each drawn row with up to four that follow it in the same source and language."""
        first = self.sentences(rng, size)
        lengths = rng.integers(1, _MOST_SENTENCES + 1, size)
        group = np.repeat(np.arange(size), lengths)
        step = np.arange(len(group)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = np.minimum(first[group] + step, self._sentences - 1)
        same = (self._rows[rows, :2] == self._rows[first[group], :2]).all(axis=1)
        rows, group = rows[same], group[same]
        lengths = np.bincount(group, minlength=size)
        starts = np.cumsum(lengths) - lengths
        asked = rows[starts + (rng.random(size) * lengths).astype(np.int64)]
        return Passages(rows, group, asked)

    def _pools(self, start: int, end: int) -> tuple[list[_Pool], ChanceArray]:
        pools, sizes = [], []
        for code, language in enumerate(self._settings.languages):
            rows = np.flatnonzero(self._rows[start:end, 1] == code) + start
            if not len(rows):
                continue
            cumulative = np.cumsum(self._weights[rows], dtype=np.float64)
            share = _VARIANT_SHARE if language == "zh-hant" else 1.0
            sizes.append(share * cumulative[-1] ** self._settings.language_power)
            pools.append(_Pool(rows, cumulative / cumulative[-1]))
        chances = np.array(sizes, np.float64) / max(1e-12, sum(sizes))
        return pools, chances

    def _draw(
        self,
        rng: np.random.Generator,
        pools: tuple[list[_Pool], ChanceArray],
        size: int,
        *,
        mixed: bool,
    ) -> IntArray:
        languages, chances = pools
        if not mixed:
            return languages[rng.choice(len(languages), p=chances)].draw(rng, size)
        sizes = rng.multinomial(size, chances)
        parts = [pool.draw(rng, n) for pool, n in zip(languages, sizes, strict=True) if n]
        return np.concatenate(parts)
