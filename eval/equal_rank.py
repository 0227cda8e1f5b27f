"""Whether documents of one grade stand equally high whatever their language: PEER, two ways.

A value is the p-value of a Kruskal-Wallis test between the languages. PEER is the number of its
authors' package; EqualRank is the test as it is in books.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

__all__ = ["equal_rank", "kruskal_wallis", "probability_of_equal_expected_rank"]

Languages = Mapping[str, str]
Grades = Mapping[str, int]


def probability_of_equal_expected_rank(
    ranking: Sequence[str],
    grades: Grades,
    langs: Languages,
    *,
    cutoff: int,
    weights: Mapping[int, float] | None = None,
) -> float | None:
    """PEER@k (Yang et al., SIGIR 2024, 2405.00978), the number of the package peer_measure.

    weights: of each grade, together 1; a grade that the query does not have adds nothing. None
    (the package has no default): each grade above 0 of the query counts alike. Documents of the
    list are ranked by their places in it; what was not retrieved is given a place behind, as
    many as the grade has documents, so that it need not stand behind the others. Unjudged
    documents have grade 0. A grade with documents in fewer than two languages, or of which none
    was retrieved, counts as fair (1). None for a query without a relevant document.

    >>> langs = {"a": "en", "b": "fr", "c": "fr"}
    >>> round(probability_of_equal_expected_rank("axb", {"a": 1, "b": 1}, langs, cutoff=3), 4)
    0.3173
    """
    if not any(grade > 0 and langs.get(doc_id) for doc_id, grade in grades.items()):
        return None
    levels: dict[int, dict[str, list[int | None]]] = {}
    place: dict[str, int | None] = {
        doc_id: rank for rank, doc_id in enumerate(ranking[:cutoff], start=1)
    }
    for doc_id, grade in grades.items():
        if grade > 0:
            place.setdefault(doc_id, None)
    for doc_id, rank in place.items():
        if langs.get(doc_id):
            level = levels.setdefault(grades.get(doc_id, 0), {})
            level.setdefault(langs[doc_id], []).append(rank)
    if weights is None:
        above = [grade for grade in levels if grade > 0]
        weights = dict.fromkeys(above, 1 / len(above))
    return sum(
        weights.get(grade, 0.0) * _of_places(list(by_lang.values()))
        for grade, by_lang in levels.items()
    )


def equal_rank(
    ranking: Sequence[str], grades: Grades, langs: Languages, *, cutoff: int
) -> float | None:
    """EqualRank@k: PEER with the Kruskal-Wallis test as it is in books.

    For each grade above 0 that the query has, the p-value of a Kruskal-Wallis test that
    documents of that grade stand equally high whatever their language; their mean, each grade
    with the same weight. Judged documents below the cutoff or not in the list are tied behind
    it. A grade with documents in fewer than two languages is fair, and counts as 1; so does
    one of which none was ranked. None for a query without a relevant document.

    >>> langs = {"a": "en", "b": "en", "c": "fr", "d": "fr"}
    >>> equal = equal_rank(["a", "c", "d", "b"], dict.fromkeys(langs, 1), langs, cutoff=4)
    >>> round(equal, 4)  # the mean rank is 2.5 in both languages
    1.0
    >>> uneven = equal_rank(["a", "b", "c"], dict.fromkeys(langs, 1), langs, cutoff=3)
    >>> round(uneven, 4)  # ranks 1, 2 and 3, 4: H = 12 / (4 * 5) * (9 / 2 + 49 / 2) - 15 = 2.4
    0.1213
    """
    position = {doc_id: rank for rank, doc_id in enumerate(ranking[:cutoff], start=1)}
    levels: dict[int, dict[str, list[int]]] = {}
    for doc_id, grade in grades.items():
        if grade > 0 and langs.get(doc_id):
            ranks = levels.setdefault(grade, {}).setdefault(langs[doc_id], [])
            ranks.append(position.get(doc_id, cutoff + 1))
    if not levels:
        return None
    return sum(kruskal_wallis(list(by_lang.values())) for by_lang in levels.values()) / len(levels)


def kruskal_wallis(groups: Sequence[Sequence[float]]) -> float:
    """The p-value of a Kruskal-Wallis test, corrected for ties; 1 where nothing can differ.

    >>> round(kruskal_wallis([[1, 3, 5, 7, 9], [2, 4, 6, 8, 10]]), 4)
    0.6015
    """
    tied = Counter(value for group in groups for value in group)
    ranks: dict[float, float] = {}
    before = 0
    for value, count in sorted(tied.items()):
        ranks[value] = before + (count + 1) / 2
        before += count
    return _between([[ranks[value] for value in group] for group in groups if group])


def _of_places(groups: Sequence[Sequence[int | None]]) -> float:
    """The test of the package: of places as they are, with one for what was not retrieved."""
    places = [place for group in groups for place in group]
    missing = places.count(None)
    if missing == len(places):
        return 1.0
    behind = (2 * len(places) + missing + 1) / 2
    return _between([[behind if p is None else float(p) for p in group] for group in groups])


def _between(groups: Sequence[Sequence[float]]) -> float:
    """The p-value of H over these ranks; 1 for fewer than two groups or ranks all the same."""
    ranks = [rank for group in groups for rank in group]
    if len(groups) < 2 or min(ranks) == max(ranks):
        return 1.0
    mean = sum(ranks) / len(ranks)
    between = sum(len(group) * (sum(group) / len(group) - mean) ** 2 for group in groups)
    within = sum((rank - mean) ** 2 for rank in ranks)
    return _chi_squared_tail((len(ranks) - 1) * between / within, len(groups) - 1)


def _chi_squared_tail(value: float, freedom: int) -> float:
    """P(X >= value) of a chi-squared variable; a finite sum, as the freedom is an integer."""
    if value <= 0:
        return 1.0
    half = value / 2
    odd = freedom % 2
    total = math.erfc(math.sqrt(half)) if odd else 0.0
    for step in range(freedom // 2):
        power = step + odd / 2
        total += math.exp(power * math.log(half) - half - math.lgamma(power + 1))
    return min(total, 1.0)
