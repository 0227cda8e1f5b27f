"""Two scorings of the same documents put into one order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xret.types import FloatArray

__all__ = ["blended", "standardised"]

SMOOTHING = 10.0
"""How many documents of all languages join each language's own mean and deviation."""


def blended(
    rerank: FloatArray, first: FloatArray, langs: Sequence[str], *, weight: float
) -> FloatArray:
    """w·z(rerank) + (1 - w)·z(first), each standardised within the documents' languages.

    rerank, first: (n,) float32; where rerank is NaN, z(first) alone counts. langs: of the n
    documents. weight: w, from 0 to 1. Returns (n,) float32, higher is better.
    """
    scores = standardised(first, langs)
    scored = np.flatnonzero(~np.isnan(rerank)).tolist()
    if scored:
        own = standardised(rerank[scored], [langs[n] for n in scored])
        scores[scored] = weight * own + (1 - weight) * scores[scored]
    return scores


def standardised(scores: FloatArray, langs: Sequence[str]) -> FloatArray:
    """(n,) scores in deviations from the mean of their language.

    A language's mean and variance are those of its own documents and of `SMOOTHING` more with
    those of the whole list: a language with few documents says little about itself, and what
    stands out of the whole list goes on standing out. All zeros where all scores are equal.

    >>> standardised(np.array([1, 3], np.float32), ["en", "en"]).round(2)
    array([-1.,  1.], dtype=float32)
    """
    values = scores.astype(np.float64)
    mean, variance = float(values.mean()), float(values.var())
    standard = np.zeros(len(values))
    names = np.array(langs)
    for lang in set(langs):
        own = names == lang
        n = int(own.sum())
        share = n / (n + SMOOTHING) if n < len(values) else 1.0
        centre = share * float(values[own].mean()) + (1 - share) * mean
        spread = share * float(values[own].var()) + (1 - share) * variance
        if spread > 0:
            standard[own] = (values[own] - centre) / np.sqrt(spread)
    return standard.astype(np.float32)
