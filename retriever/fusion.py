"""One ranking from several: by rank or by normalised score, over all or within a language.

- `reciprocal_rank_fusion` (Cormack, Clarke and Büttcher 2009): a document's score is the sum
  of 1 / (60 + rank); a ranking that does not have it adds nothing.
- `weighted_fusion`: the weighted sum of scores made comparable, by min-max, with the lowest
  score that a ranking can give where that is known (Bruch, Gai and Ingber 2023), or by
  z-score. A ranking that does not have a document counts it as its lowest score.
- `comb_mnz` (Fox and Shaw 1994): the weighted sum of min-max scores, times the number of
  rankings that have the document.
- `fuse_within`: of the documents that the second ranking speaks for, such as those in the
  query's language, the fused order in the places that the first ranking gave to them.

Rankings are complete or cut, of any length, best first, each document once. Ties are ordered
by `doc_id`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xret.types import Hit

__all__ = [
    "HYBRID",
    "Fusion",
    "FusionMethod",
    "comb_mnz",
    "fuse_within",
    "reciprocal_rank_fusion",
    "weighted_fusion",
]

RRF_CONSTANT = 60
STEP = 2e-6

FusionMethod = Literal["rrf", "min-max", "z-score", "combmnz"]
Normalisation = Literal["min-max", "z-score"]
Ranking = Sequence[Hit]


@dataclass(frozen=True, slots=True)
class Fusion:
    """How rankings are joined.

    method: "rrf", "min-max", "z-score" or "combmnz". weights: one a ranking, None for equal ones.
    floors: the lowest score that each ranking can give, None where it is not known; read by
    "min-max" only.
    """

    method: FusionMethod = "rrf"
    weights: tuple[float, ...] | None = None
    floors: tuple[float | None, ...] | None = None

    def fuse(self, rankings: Sequence[Ranking], k: int | None = None) -> list[Hit]:
        """The k best of the rankings together, None for all."""
        if self.method == "rrf":
            return reciprocal_rank_fusion(rankings, k, weights=self.weights)
        if self.method == "combmnz":
            return comb_mnz(rankings, k, weights=self.weights)
        return weighted_fusion(
            rankings, k, weights=self.weights, normalisation=self.method, floors=self.floors
        )


HYBRID = Fusion("min-max", weights=(0.5, 0.5), floors=(None, 0.0))
"""Of a dense and a BM25 ranking, in this order, as benchmarks/hybrid.py found best."""


def reciprocal_rank_fusion(
    rankings: Sequence[Ranking], k: int | None = None, *, weights: Sequence[float] | None = None
) -> list[Hit]:
    """Fuse by rank: the sum over rankings of weight / (60 + rank), ranks from 1.

    Returns the k best, None for all. Raises ValueError for weights that do not fit.

    >>> a, b = [Hit("x", 9), Hit("y", 5)], [Hit("y", 0.3)]
    >>> [(hit.doc_id, round(hit.score, 5)) for hit in reciprocal_rank_fusion([a, b])]
    [('y', 0.03252), ('x', 0.01639)]
    """
    parts = [
        {hit.doc_id: 1 / (RRF_CONSTANT + rank) for rank, hit in enumerate(ranking, 1)}
        for ranking in rankings
    ]
    return _summed(parts, [0.0] * len(parts), _checked(weights, len(rankings)), k)


def weighted_fusion(
    rankings: Sequence[Ranking],
    k: int | None = None,
    *,
    weights: Sequence[float] | None = None,
    normalisation: Normalisation = "min-max",
    floors: Sequence[float | None] | None = None,
) -> list[Hit]:
    """Fuse by score: the weighted sum of each ranking's normalised scores.

    min-max puts scores on [0, 1], from the floor or, without one, the ranking's lowest score
    up to its highest; z-score gives them mean 0 and deviation 1. Where all are equal they
    are 1 respectively 0. Returns the k best, None for all. Raises ValueError for weights or
    floors that do not fit and for a score that is not finite.

    >>> a, b = [Hit("x", 9), Hit("y", 5)], [Hit("y", 0.3), Hit("z", 0.2)]
    >>> weighted_fusion([a, b], weights=(0.75, 0.25))
    [Hit(doc_id='x', score=0.75), Hit(doc_id='y', score=0.25), Hit(doc_id='z', score=0.0)]
    """
    checked = _checked(weights, len(rankings))
    lows = [None] * len(rankings) if floors is None else list(floors)
    if len(lows) != len(rankings):
        raise ValueError(f"{len(rankings)} rankings, and {len(lows)} floors")
    parts, missing = [], []
    for ranking, low in zip(rankings, lows, strict=True):
        scores = [hit.score for hit in ranking]
        if not all(map(math.isfinite, scores)):
            raise ValueError("a ranking has a score that is not finite")
        z = normalisation == "z-score"
        normalised = _z_score(scores) if z else _min_max(scores, low)
        doc_ids = [hit.doc_id for hit in ranking]
        parts.append(dict(zip(doc_ids, normalised, strict=True)))
        missing.append(min(normalised, default=0.0) if z else 0.0)
    return _summed(parts, missing, checked, k)


def comb_mnz(
    rankings: Sequence[Ranking], k: int | None = None, *, weights: Sequence[float] | None = None
) -> list[Hit]:
    """Fuse by score and by agreement: min-max scores summed, times how many rankings agree.

    A ranking whose weight is 0 does not count. Returns the k best, None for all. Raises
    ValueError as `weighted_fusion`.

    >>> a, b = [Hit("x", 9), Hit("y", 5), Hit("z", 1)], [Hit("y", 0.3), Hit("z", 0.1)]
    >>> comb_mnz([a, b])
    [Hit(doc_id='y', score=3.0), Hit(doc_id='x', score=1.0), Hit(doc_id='z', score=0.0)]
    """
    checked = _checked(weights, len(rankings))
    counted = [ranking for ranking, weight in zip(rankings, checked, strict=True) if weight]
    having = Counter(hit.doc_id for ranking in counted for hit in ranking)
    summed = weighted_fusion(rankings, weights=weights)
    agreed = [Hit(hit.doc_id, hit.score * having[hit.doc_id]) for hit in summed]
    return sorted(agreed, key=lambda hit: (-hit.score, hit.doc_id))[:k]


def fuse_within(
    ranking: Ranking, other: Ranking, inside: Collection[str], *, fusion: Fusion = HYBRID
) -> list[Hit]:
    """A ranking in which the documents that `other` speaks for stand in their fused order.

    inside: those documents' ids: all of `other`'s, and those of `ranking` that `other` could
    have had. They keep, together, the places and the scores that `ranking` gave to them; the
    others keep theirs. Documents that only `other` has follow at the end. Where a score
    would sort a hit before its place, it is lowered by a hair.

    So BM25, which is blind to other languages, puts the documents in the query's language
    in order, and does not put them before those in other languages.

    >>> dense = [Hit("fr1", 3), Hit("en1", 2), Hit("en2", 1)]
    >>> bm25 = [Hit("en2", 9), Hit("en3", 1)]
    >>> [hit.doc_id for hit in fuse_within(dense, bm25, {"en1", "en2", "en3"})]
    ['fr1', 'en1', 'en2', 'en3']
    >>> even = Fusion("min-max", floors=(0.0, 0.0))
    >>> [hit.doc_id for hit in fuse_within(dense, bm25, {"en1", "en2", "en3"}, fusion=even)]
    ['fr1', 'en2', 'en1', 'en3']
    """
    own = [hit for hit in ranking if hit.doc_id in inside]
    fused = iter([hit.doc_id for hit in fusion.fuse([own, other])])
    found: list[Hit] = []
    for hit in ranking:
        doc_id = next(fused) if hit.doc_id in inside else hit.doc_id
        found.append(Hit(doc_id, _below(found, doc_id, hit.score)))
    last = ranking[-1].score if ranking else 0.0
    for doc_id in fused:
        found.append(Hit(doc_id, _below(found, doc_id, last)))
    return found


def _below(hits: Sequence[Hit], doc_id: str, score: float) -> float:
    """The score, or one just below the last hit's where it would not sort after that."""
    if not hits or (-hits[-1].score, hits[-1].doc_id) < (-score, doc_id):
        return score
    last = hits[-1].score
    return last - STEP * max(1.0, abs(last))  # is still seen when six decimals are written


def _summed(
    parts: Sequence[Mapping[str, float]],
    missing: Sequence[float],
    weights: Sequence[float],
    k: int | None,
) -> list[Hit]:
    """fsum rounds once, so that the order of the rankings changes nothing."""
    doc_ids = {doc_id for part in parts for doc_id in part}
    columns = list(zip(parts, missing, weights, strict=True))
    scored = [
        (-math.fsum(weight * part.get(doc_id, low) for part, low, weight in columns), doc_id)
        for doc_id in doc_ids
    ]
    return [Hit(doc_id, -score) for score, doc_id in sorted(scored)[:k]]


def _min_max(scores: Sequence[float], floor: float | None) -> list[float]:
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    low = low if floor is None else min(floor, low)
    if high == low:
        return [1.0] * len(scores)
    return [(score - low) / (high - low) for score in scores]


def _z_score(scores: Sequence[float]) -> list[float]:
    mean = math.fsum(scores) / max(len(scores), 1)
    deviation = math.sqrt(math.fsum((score - mean) ** 2 for score in scores))
    if not deviation:
        return [0.0] * len(scores)
    return [(score - mean) / deviation * math.sqrt(len(scores)) for score in scores]


def _checked(weights: Sequence[float] | None, n_rankings: int) -> Sequence[float]:
    if weights is None:
        return [1.0] * n_rankings
    if len(weights) != n_rankings or not all(math.isfinite(w) and w >= 0 for w in weights):
        raise ValueError(f"{n_rankings} rankings need as many weights, finite and not negative")
    return weights
