"""Word alignment of sentence pairs: which words of one text the words of the other translate.

Each direction is IBM model 1 (Brown et al. 1993) with the prior of fast_align for words that
stand at about the same place (Dyer, Chahuneau and Smith 2013: p0 and the tension are theirs) and
a sparse Dirichlet prior on translations (Mermer and Saraçlar 2011), learnt by variational EM. Both
directions are joined link by link: the geometric mean of what either believes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.types import FloatArray, IntArray

__all__ = ["SentencePairs", "WordLinks", "aligned_words"]

NULL_SHARE = 0.08
"""Prior of a word that translates nothing."""
TENSION = 4.0
"""How strongly a word's translation is expected at the same share of the text's length."""
SPARSITY = 0.01
"""Of the Dirichlet prior on a word's translations."""
BLOCK_LINKS = 1 << 22
"""Links whose places are written down at once."""

_Floats = npt.NDArray[np.float64]
_Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class SentencePairs:
    """n pairs of texts as numbers of words.

    left, right: (l,), (r,) int32, the words of all texts; left_ends, right_ends: (n + 1,) int64,
    text i has [ends[i]:ends[i + 1]], at least one word. weights: (n,), how often a pair counts.
    """

    left: IntArray
    left_ends: IntArray
    right: IntArray
    right_ends: IntArray
    weights: FloatArray

    @classmethod
    def of(
        cls, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], weights: Sequence[float]
    ) -> SentencePairs:
        """From the words of each text, in the order of the text."""
        lefts, rights = [left for left, _ in pairs], [right for _, right in pairs]
        return cls(
            np.array([word for text in lefts for word in text], np.int32),
            np.cumsum([0, *map(len, lefts)], dtype=np.int64),
            np.array([word for text in rights for word in text], np.int32),
            np.cumsum([0, *map(len, rights)], dtype=np.int64),
            np.array(weights, np.float32),
        )


@dataclass(frozen=True, slots=True)
class WordLinks:
    """How often words translate each other. left, right: (m,) words, each pair once, ordered
    by left; counts: (m,) float64, expected over the pairs of texts."""

    left: IntArray
    right: IntArray
    counts: _Floats


def aligned_words(pairs: SentencePairs, *, iterations: int = 5) -> WordLinks:
    """The words that translate each other, with their expected counts.

    Time and memory are linear in the links, the sum over all pairs of the product of both lengths.

    >>> both = SentencePairs.of([([0, 1], [5, 6]), ([0], [5])], [1.0, 1.0])
    >>> links = aligned_words(both)
    >>> best = links.counts > 0.5
    >>> list(zip(links.left[best].tolist(), links.right[best].tolist()))
    [(0, 5), (1, 6)]
    """
    links = _Links.of(pairs)
    forward = _direction(links, links.left_at, links.right_at, pairs.left, pairs.right, iterations)
    backward = _direction(links, links.right_at, links.left_at, pairs.right, pairs.left, iterations)
    joint = np.sqrt(forward * backward, out=forward)
    counts = _summed(links.kind, joint * links.weight, len(links.keys))
    return WordLinks(links.keys >> 32, links.keys & 0xFFFFFFFF, counts)


@dataclass(frozen=True, slots=True)
class _Links:
    """Every word of a text with every word of its translation.

    left_at, right_at: (t,) int32 places in all the texts. kind: (t,) int32 into keys, which are
    (m,) int64, left word << 32 | right word. nearness: (t,) float32, the unscaled prior.
    """

    left_at: _Array
    right_at: _Array
    kind: _Array
    keys: _Array
    nearness: _Array
    weight: _Array

    @classmethod
    def of(cls, pairs: SentencePairs) -> _Links:
        blocks = [_placed(pairs, first, last) for first, last in _blocks(pairs)]
        left_at, right_at, nearness, weight = map(np.concatenate, zip(*blocks, strict=True))
        key = pairs.left[left_at].astype(np.int64) << 32 | pairs.right[right_at]
        keys, kind = np.unique(key, return_inverse=True)
        return cls(left_at, right_at, kind.astype(np.int32), keys, nearness, weight)


def _blocks(pairs: SentencePairs) -> Iterator[tuple[int, int]]:
    """First and last pair of each run with few enough links."""
    sizes = np.diff(pairs.left_ends) * np.diff(pairs.right_ends)
    ends, first = np.cumsum(sizes), 0
    while first < len(sizes):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + BLOCK_LINKS, side="right")))
        yield first, last
        first = last


def _placed(pairs: SentencePairs, first: int, last: int) -> tuple[_Array, ...]:
    """Places, nearness and weight of the links of pairs first:last."""
    starts, other_starts = pairs.left_ends[first:last], pairs.right_ends[first:last]
    n = pairs.left_ends[first + 1 : last + 1] - starts
    m = pairs.right_ends[first + 1 : last + 1] - other_starts
    sizes = n * m
    owner = np.repeat(np.arange(last - first), sizes)
    inside = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    widths = m[owner]
    i, j = inside // widths, inside % widths
    apart = np.abs((i + 0.5) / n[owner] - (j + 0.5) / widths)
    return (
        (starts[owner] + i).astype(np.int32),
        (other_starts[owner] + j).astype(np.int32),
        np.exp(-TENSION * apart).astype(np.float32),
        pairs.weights[first:last][owner],
    )


def _direction(
    links: _Links, from_at: _Array, to_at: _Array, words: IntArray, others: IntArray, times: int
) -> _Floats:
    """(t,) float64: how far each word of `others` is believed to come from each of `words`."""
    n_places, n_kinds = len(others), len(links.keys)
    prior = links.nearness / _summed(to_at, links.nearness, n_places)[to_at]
    prior *= 1 - NULL_SHARE
    word_of = np.empty(n_kinds, np.int64)
    word_of[links.kind] = words[from_at]
    n_words = int(words.max()) + 1
    sizes = np.bincount(word_of, minlength=n_words)
    place_weight = np.empty(n_places, np.float32)
    place_weight[to_at] = links.weight
    table = 1.0 / sizes[word_of]
    none = _summed(others, place_weight, int(others.max()) + 1)
    none /= none.sum()
    believed: _Floats = np.empty(0)
    for turn in range(times + 1):
        believed = table[links.kind] * prior
        nothing = NULL_SHARE * none[others]
        total = _summed(to_at, believed, n_places) + nothing
        believed /= total[to_at]
        if turn < times:
            counts = _summed(links.kind, believed * links.weight, n_kinds)
            whole = _summed(word_of, counts, n_words)
            table = _expected(counts, SPARSITY) / _expected(whole, SPARSITY * sizes)[word_of]
            none = _summed(others, nothing / total * place_weight, len(none))
            none /= none.sum()
    return believed


def _summed(numbers: _Array, values: _Array, size: int) -> _Floats:
    """(size,) float64: the sum of the values of each number."""
    sums: _Floats = np.bincount(numbers, values, size).astype(np.float64, copy=False)
    return sums


def _expected(counts: _Floats, prior: _Array | float) -> _Floats:
    """exp(digamma(counts + prior)), by its series above 6 and the recurrence below."""
    x = np.maximum(counts + prior, 1e-10)
    shift: _Floats = np.zeros_like(x)
    for _ in range(6):
        small = x < 6
        shift -= np.where(small, 1 / x, 0)
        x = np.where(small, x + 1, x)
    square = 1 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square / 252))
    raised: _Floats = np.exp(np.log(x) - 0.5 / x - series + shift)
    return raised
