"""Scores that compare across languages: each counted from what its language scores anyway.

A question gives documents in its own language, and in languages like it, higher scores for
nothing. So each language has a background of documents (`index.search.languages`), the question
is scored with all of it, and a document's calibrated score is its distance from the mean of its
language's background in units of that background's spread: the z-norm and t-norm of speaker
verification (Auckenthaler, Carey and Lloyd-Thomas 2000). No judgements are needed, and since a
background is no larger where there are more documents, pools of any sizes compare.

The spread is the fourth root of the mean fourth power above the mean, times a factor that makes
it the standard deviation of normal scores: what has to compare is the upper end, and there a
question's own language has the longer tail. Measured in benchmarks/calibration.py.

A language with few documents borrows: its mean and spread are drawn towards what the other
languages say of this question, moved by how the language differs from them in general
(`LanguageOffsets`, learnt from the index by `index.search.pseudo_questions`).

Sums are rounded once, whatever the order of the documents, and the roots are square roots, so
that every machine and every cut into segments comes to the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from xret.index.search.languages import BACKGROUND, LanguageGroups
from xret.types import IntArray

__all__ = [
    "Calibration",
    "LanguageOffsets",
    "LanguageScale",
    "background_scale",
    "trust",
    "upper_spread",
    "weighted_mean",
]

MEAN_PRIOR = 20
SPREAD_PRIOR = 200
"""As how many documents what is borrowed counts, falling to nothing at `BACKGROUND`."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LanguageOffsets:
    """How languages differ in what a question gives to them, in general: for questions in one
    language. shifts: (L,) of their means, in spreads; ratios: (L,) of their spreads."""

    shifts: Floats
    ratios: Floats


@dataclass(frozen=True, slots=True)
class LanguageScale:
    """Where a question's scores begin in each language and how far they spread: (L,) each."""

    means: Floats
    spreads: Floats

    def of(self, scores: npt.NDArray[np.number], numbers: npt.NDArray[np.integer]) -> Floats:
        """Calibrated scores: (n,) float64 of (n,) scores and the documents' languages.

        In float64 scores of one language keep their order: no two that differ become equal.
        """
        means = np.take(self.means, numbers, mode="clip")
        spreads = np.take(self.spreads, numbers, mode="clip")
        calibrated: Floats = (scores.astype(np.float64) - means) / spreads
        return calibrated


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a search of one commit needs to calibrate its questions.

    groups: the documents' languages. background: for each segment, rising positions of the
    documents that stand for the languages that may be found, two or more. owners: (b,) their
    languages, segment by segment. offsets: of each question, None where no language has to
    borrow. fixed: take spreads and differences of means from the offsets alone, and only one
    mean and spread of all languages together from the question. by_language: for each language
    and segment, which documents may be found, where candidates are chosen language by language.
    """

    groups: LanguageGroups
    background: tuple[IntArray, ...]
    owners: IntArray
    offsets: Sequence[LanguageOffsets | None]
    fixed: bool = False
    by_language: Sequence[tuple[npt.NDArray[np.bool_] | None, ...]] = ()

    @property
    def of_candidates(self) -> Calibration:
        """What chooses the documents that are ranked by this."""
        return self

    def numbers(self, which: Sequence[int] | None = None) -> npt.NDArray[np.uint16]:
        """The languages of all documents, segment by segment; which: of these segments."""
        numbers = self.groups.numbers
        numbers = numbers if which is None else tuple(numbers[segment] for segment in which)
        return numbers[0] if len(numbers) == 1 else np.concatenate(numbers)

    def scale(
        self, query: int, scores: npt.NDArray[np.number], owners: IntArray | None = None
    ) -> LanguageScale:
        """Of a question, by number, from its scores with the background, in any unit.

        owners: the languages of these scores, where they are not of the whole background.
        """
        return background_scale(
            scores.astype(np.float64),
            self.owners if owners is None else owners,
            len(self.groups.langs),
            offsets=self.offsets[query],
            fixed=self.fixed,
        )

    def of_row(
        self, query: int, row: npt.NDArray[np.number], which: Sequence[int], least: float
    ) -> Floats:
        """Calibrated scores of all documents of some segments, in whatever unit they are.

        row: of one question, segment by segment; below `least` for documents that may not be
        found, which are -inf then.
        """
        numbers = self.numbers(which)
        places = self._places(which)
        places = places[row[places] >= least]
        scale = self.scale(query, row[places], numbers[places].astype(np.int64))
        calibrated: Floats = np.where(row >= least, scale.of(row, numbers), -np.inf)
        return calibrated

    def of_words(self, query: int, row: npt.NDArray[np.number]) -> Floats:  # noqa: ARG002
        """Calibrated scores by words of all documents, segment by segment.

        How languages differ in general is learnt of vectors, and says nothing here: a language
        with few documents borrows what the others say of this question as it is.
        """
        places = self._places(range(len(self.groups.numbers)))
        n_langs = len(self.groups.langs)
        scores = row[places].astype(np.float64)
        scale = background_scale(scores, self.owners, n_langs, fixed=self.fixed)
        return scale.of(row, self.numbers())

    def _places(self, which: Sequence[int]) -> IntArray:
        """Of the background in these segments, counted through them."""
        sizes = [len(self.groups.numbers[segment]) for segment in which]
        starts = np.cumsum([0, *sizes])
        there = [self.background[s] + start for s, start in zip(which, starts, strict=False)]
        return np.concatenate(there)


def background_scale(
    scores: Floats,
    owners: IntArray,
    n_langs: int,
    *,
    offsets: LanguageOffsets | None = None,
    fixed: bool = False,
) -> LanguageScale:
    """Means and spreads of languages from a question's scores with their backgrounds.

    >>> scale = background_scale(np.array([1.0, 3.0, 10.0, 30.0]), np.array([0, 0, 1, 1]), 2)
    >>> scale.means
    array([ 2., 20.])
    """
    counts = np.bincount(owners, minlength=n_langs).astype(np.float64)
    means, spreads = upper_spread(scores, owners, n_langs)
    shifts = np.zeros(n_langs) if offsets is None else offsets.shifts
    ratios = np.ones(n_langs) if offsets is None else offsets.ratios
    own_mean = trust(counts, MEAN_PRIOR)
    own_spread = np.where(counts > 1, trust(counts, SPREAD_PRIOR), 0)  # one has no spread
    spread = weighted_mean(spreads / ratios, own_spread)
    mean = weighted_mean(means - shifts * spread, own_mean)
    if fixed:
        own_mean = own_spread = np.zeros(n_langs)
    means = own_mean * means + (1 - own_mean) * (mean + shifts * spread)
    spreads = own_spread * spreads + (1 - own_spread) * ratios * spread
    return LanguageScale(means, np.where(spreads > 0, spreads, spread if spread > 0 else 1.0))


def upper_spread(scores: Floats, owners: IntArray, n_langs: int) -> tuple[Floats, Floats]:
    """(means, spreads) of each language: (L,), 0 where it has no document."""
    order = np.argsort(owners, kind="stable")
    scores, owners = scores[order], owners[order]
    ends = np.searchsorted(owners, np.arange(n_langs + 1))
    counts = np.maximum(np.diff(ends), 1)
    means = _sums(scores, ends) / counts
    above = np.maximum(scores - means[owners], 0)
    squares = above * above
    return means, np.sqrt(np.sqrt(_sums(squares * squares, ends) / counts * (2 / 3)))


def _sums(values: Floats, ends: IntArray) -> Floats:
    """(L,) sums of values[ends[l]:ends[l + 1]], each rounded once."""
    listed = values.tolist()
    return np.array([math.fsum(listed[a:b]) for a, b in pairwise(ends.tolist())])


def trust(counts: Floats, prior: int) -> Floats:
    """Of each language, how much its own statistic counts: 1 from `BACKGROUND` documents on."""
    shares: Floats = np.minimum(1, counts / (counts + prior) * (1 + prior / BACKGROUND))
    return shares


def weighted_mean(values: Floats, weights: Floats) -> float:
    """The weighted mean, added up in order; 0 where nothing weighs."""
    total = sum(weights.tolist())
    return sum((values * weights).tolist()) / total if total else 0.0
