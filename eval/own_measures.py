"""Measures of one ranking that are computed here, as the program named by each does.

Those for which nobody else's program can be had from Python, or is right only of some ids or
grades. Each takes a ranking (document ids, best first) and the grades of one query; a grade
below 0 is a document of the pool that nobody judged, as trec_eval has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ir_measures import measures

__all__ = [
    "MAX_ERR_GRADE",
    "LitschkoAP",
    "OwnMeasure",
    "accuracy",
    "expected_reciprocal_rank",
    "inferred_average_precision",
    "litschko_average_precision",
    "ndcg",
    "own_measure",
    "rank_biased_precision",
]

Grades = Mapping[str, int]
OwnMeasure = Callable[[Sequence[str], Grades], float | None]
"""The value of a ranking for the grades of its query; None where it says nothing of it."""

MAX_ERR_GRADE = 4
"""The highest grade that TREC's gdeval, whose ERR this is, knows."""

INFERRED_EPSILON = 1e-5
"""trec_eval's, which keeps infAP from dividing by 0."""


class LitschkoAP(measures.Measure):
    """The average precision of Litschko et al., as a measure of ir_measures."""

    __name__ = NAME = "LitschkoAP"
    PRETTY_NAME = "Average precision over what was retrieved"
    SHORT_DESC = (
        "The mean precision at the ranks of the relevant documents retrieved; queries without "
        "any do not count (Litschko et al. 2022). AP divides by all relevant documents"
    )
    SUPPORTED_PARAMS: dict[str, Any] = {  # noqa: RUF012 — an instance's, says the class above
        name: measures.AP.SUPPORTED_PARAMS[name] for name in ("cutoff", "rel")
    }


def own_measure(parsed: Any) -> OwnMeasure | None:
    """The function for a measure of ir_measures; None where another program computes it."""
    name, params = parsed.NAME, parsed.params
    cutoff, rel = params.get("cutoff"), params.get("rel", 1)
    exponential, gains = params.get("dcg") == "exp-log2", params.get("gains")
    if name == "nDCG" and (exponential or gains is not None):
        return lambda ranking, grades: ndcg(
            ranking if not params.get("judged_only") else _judged(ranking, grades),
            _gains(grades, gains, exponential=exponential),
            cutoff=cutoff,
        )
    if name == "RBP":
        return lambda ranking, grades: rank_biased_precision(
            ranking[:cutoff], grades, rel=params.get("rel"), p=params.get("p", 0.8)
        )
    if name == "ERR":
        return lambda ranking, grades: expected_reciprocal_rank(ranking, grades, cutoff=cutoff)
    simple: dict[str, OwnMeasure] = {
        "infAP": lambda ranking, grades: inferred_average_precision(ranking, grades, rel=rel),
        "Accuracy": lambda ranking, grades: accuracy(ranking[:cutoff], grades, rel=rel),
        "Judged": lambda ranking, grades: _judged_share(ranking[:cutoff], grades),
        "NumQ": lambda _ranking, _grades: 1.0,
        "NumRel": lambda _ranking, grades: float(sum(g >= rel for g in grades.values())),
        "LitschkoAP": lambda ranking, grades: litschko_average_precision(
            ranking[:cutoff], grades, rel=rel
        ),
    }
    return simple.get(name)


def ndcg(ranking: Sequence[str], gains: Mapping[str, float], *, cutoff: int | None = None) -> float:
    """nDCG@k of any gains by document (Järvelin and Kekäläinen 2002), discounted by
    log2(1 + rank). A gain below 0 counts against the ranking, as in trec_eval.

    >>> round(ndcg(["b", "a"], {"a": 3.0, "b": 1.0}), 4)
    0.7967
    """
    ideal = sorted((gain for gain in gains.values() if gain > 0), reverse=True)[:cutoff]
    if not ideal:
        return 0.0
    return _discounted([gains.get(doc_id, 0.0) for doc_id in ranking[:cutoff]]) / _discounted(ideal)


def expected_reciprocal_rank(
    ranking: Sequence[str], grades: Grades, *, cutoff: int | None = None
) -> float:
    """ERR@k (Chapelle et al. 2009), grades 0 to 4, as TREC's gdeval computes it.

    A reader stops at a document of grade g with probability (2 ** g - 1) / 16.

    >>> expected_reciprocal_rank(["a", "b"], {"a": 1, "b": 4})  # 1/16 + 15/16 * 15/16 / 2
    0.501953125
    """
    reading, total = 1.0, 0.0
    for rank, doc_id in enumerate(ranking[:cutoff], start=1):
        stop = (2 ** max(grades.get(doc_id, 0), 0) - 1) / 2**MAX_ERR_GRADE
        total += reading * stop / rank
        reading *= 1 - stop
    return total


def rank_biased_precision(
    ranking: Sequence[str], grades: Grades, *, rel: int | None = None, p: float
) -> float:
    """RBP (Moffat and Zobel 2008), as trec_eval 10.0.

    rel: the grade from which a document is relevant; None for gains by grade, in shares of the
    query's highest where that is above 1.

    >>> rank_biased_precision(["a", "x", "b"], {"a": 1, "b": 1}, rel=1, p=0.5)
    0.625
    """
    if rel is None:
        highest = max(1, *grades.values()) if grades else 1
        gains = [max(grades.get(doc_id, 0), 0) / highest for doc_id in ranking]
    else:
        gains = [float(grades.get(doc_id, rel - 1) >= rel) for doc_id in ranking]
    return (1 - p) * sum(gain * p**place for place, gain in enumerate(gains))


def inferred_average_precision(ranking: Sequence[str], grades: Grades, *, rel: int = 1) -> float:
    """infAP (Yilmaz and Aslam 2006), as trec_eval computes it.

    What was in the pool and not judged (a grade below 0) is taken to be relevant as often as
    what was judged; what was not in the pool is not relevant.

    >>> grades = {"a": 1, "b": -1, "c": 0, "d": 1, "e": -2}
    >>> round(inferred_average_precision(["b", "e", "a", "c", "x", "d"], grades), 4)
    0.5833
    """
    relevant = sum(grade >= max(rel, 0) for grade in grades.values())
    total, above, not_relevant, unjudged = 0.0, 0, 0, 0
    for place, doc_id in enumerate(ranking):
        grade = grades.get(doc_id)
        if grade is None:
            continue
        if grade < 0:
            unjudged += 1
        elif grade < rel:
            not_relevant += 1
        else:
            share = (above + INFERRED_EPSILON) / (above + not_relevant + 2 * INFERRED_EPSILON)
            pooled = above + not_relevant + unjudged
            # At the first rank nothing stands above, and the second part is 0.
            total += (1 + pooled * share) / (place + 1) if place else 1.0
            above += 1
    return total / relevant if relevant else 0.0


def accuracy(ranking: Sequence[str], grades: Grades, *, rel: int = 1) -> float | None:
    """The probability that a relevant document retrieved stands above one that is not, as
    ir_measures; None where none was retrieved, 1 where nothing else was (it divides by 0).

    >>> accuracy(["x", "a", "y"], {"a": 1})
    0.5
    """
    relevant = [grades.get(doc_id, rel - 1) >= rel for doc_id in ranking]
    if not any(relevant):
        return None
    pairs = sum(relevant) * (len(relevant) - sum(relevant))
    if not pairs:
        return 1.0
    right, below = 0, len(relevant) - sum(relevant)
    for is_relevant in relevant:
        right += below * is_relevant
        below -= not is_relevant
    return right / pairs


def litschko_average_precision(
    ranking: Sequence[str], grades: Grades, *, rel: int = 1
) -> float | None:
    """The average precision in the code of Litschko, Vulić and Glavaš (2022).

    The mean over the relevant documents that were retrieved, where AP divides by all that
    there are; None for a query for which none was, which they leave out. Never below AP.

    >>> litschko_average_precision(["a", "x", "b"], {"a": 1, "b": 1, "c": 1})
    0.8333333333333333
    """
    ranks = [rank for rank, doc in enumerate(ranking, start=1) if grades.get(doc, rel - 1) >= rel]
    if not ranks:
        return None
    return sum(n / rank for n, rank in enumerate(ranks, start=1)) / len(ranks)


def _judged(ranking: Sequence[str], grades: Grades) -> list[str]:
    return [doc_id for doc_id in ranking if grades.get(doc_id, -1) >= 0]


def _judged_share(ranking: Sequence[str], grades: Grades) -> float:
    """As ir_measures: a document of the qrels counts, whatever its grade."""
    return sum(doc_id in grades for doc_id in ranking) / len(ranking) if ranking else 0.0


def _gains(
    grades: Grades, gains: Mapping[int, float] | None, *, exponential: bool
) -> dict[str, float]:
    """The gain of each document: its grade, or what stands for it in `gains`, or 2 ** of
    either - 1. A grade below 0 has none where `gains` does not name it."""
    named = gains or {}
    linear = {doc_id: float(named.get(g, max(g, 0))) for doc_id, g in grades.items()}
    return {doc_id: 2**g - 1 for doc_id, g in linear.items()} if exponential else linear


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
