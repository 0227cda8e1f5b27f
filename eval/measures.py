"""Measures of a run against judgements: those of ir_measures, spelt as there, and fairness.

nDCG, AP, R, P and what else trec_eval has are computed by trec_eval itself (pytrec_eval);
ERR and the measures of `fairness.py` are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import ir_measures

from xret.errors import RunError
from xret.eval.evaluation import MeasureFacts
from xret.eval.fairness import FAIRNESS_MEASURES, FairnessMeasure, fairness_measure
from xret.retriever.corpora.qrels import Qrels
from xret.types import Hit

__all__ = [
    "DEFAULT_MEASURES",
    "REPORT_MEASURES",
    "QueryValues",
    "aggregate",
    "check_measures",
    "expected_reciprocal_rank",
    "is_fairness",
    "measure",
    "measure_facts",
    "measure_fairness",
    "measure_queries",
]

DEFAULT_MEASURES = ("nDCG@10", "R@100", "RR@10")
REPORT_MEASURES = (*DEFAULT_MEASURES, "PEER@20", "AWRF@20", "LPR@10", "OwnShare@10")
"""Those of a report over documents in several languages."""

MAX_ERR_GRADE = 4
"""The highest grade that TREC's gdeval, whose ERR this is, knows."""

QueryValues = dict[str, float]
"""The value of one measure by query id."""


def check_measures(measures: Sequence[str], qrels: Qrels) -> None:
    """Find out before anything is ranked what cannot be computed.

    Raises RunError for a measure that nobody knows or that has no program here.
    """
    for name in measures:
        if is_fairness(name):
            continue
        parsed = _parsed(name)
        if parsed.NAME == "ERR":
            _check_err_grades(name, qrels)
            continue
        try:
            ir_measures.evaluator([parsed], _judgements(qrels))
        except Exception as error:
            raise _not_computed(name, error) from error


def measure(
    qrels: Qrels,
    hits: Mapping[str, Sequence[Hit]],
    measures: Sequence[str] = DEFAULT_MEASURES,
) -> dict[str, float]:
    """The mean of each measure over the judged queries; see `measure_queries`."""
    values = measure_queries(qrels, hits, measures)
    return {name: aggregate(name, list(by_query.values())) for name, by_query in values.items()}


def measure_queries(
    qrels: Qrels,
    hits: Mapping[str, Sequence[Hit]],
    measures: Sequence[str] = DEFAULT_MEASURES,
) -> dict[str, QueryValues]:
    """The value of each measure for every judged query, by the name as ir_measures writes it.

    hits: by query id, best first; only their order counts (`trec_eval_order` makes it that of
    trec_eval). A judged query without an answer counts as zero; an answered query without
    judgements does not count; a grade below 0 is not relevant. Raises RunError for a measure
    that is unknown or cannot be computed here.
    """
    parsed = [_parsed(name) for name in measures]
    values: dict[str, QueryValues] = {str(one): dict.fromkeys(qrels, 0.0) for one in parsed}
    for one in parsed:
        if one.NAME == "ERR":
            _check_err_grades(str(one), qrels)
            values[str(one)].update(_err_values(qrels, hits, one))
    known = [one for one in parsed if one.NAME != "ERR"]
    names = {one: str(one) for one in known}
    try:
        # Nothing is found out of an empty list of hits: some providers divide by its length.
        scores = {query: _scores(hits[query]) for query in qrels if hits.get(query)}
        for found in ir_measures.iter_calc(known, _judgements(qrels), scores) if known else ():
            values[names[found.measure]][found.query_id] = float(found.value)
    except Exception as error:
        raise _not_computed(", ".join(measures), error) from error
    return values


def measure_fairness(
    qrels: Qrels,
    hits: Mapping[str, Sequence[Hit]],
    name: str,
    *,
    doc_langs: Mapping[str, str],
    query_langs: Mapping[str, str],
) -> QueryValues:
    """One measure of `fairness.py` for the judged queries of which it says something."""
    chosen = _fairness(name)
    values = {}
    for query_id, grades in qrels.items():
        ranking = [hit.doc_id for hit in hits.get(query_id, ())]
        value = chosen(ranking, grades, doc_langs, query_langs.get(query_id, ""))
        if value is not None:
            values[query_id] = value
    return values


def is_fairness(name: str) -> bool:
    """Whether a measure is one between languages, which needs the documents' languages."""
    return fairness_measure(name) is not None


def aggregate(name: str, values: Sequence[float]) -> float:
    """What ir_measures prints for all queries: the mean, or the sum of a count."""
    if is_fairness(name):
        return sum(values) / len(values) if values else 0.0
    aggregator = _parsed(name).aggregator()
    for value in values:
        aggregator.add(value)
    return float(aggregator.result())


def measure_facts(name: str) -> MeasureFacts:
    """What a reader of a report must know of a measure. Raises RunError for an unknown one."""
    if is_fairness(name):
        stem = name.partition("@")[0]
        better = None if stem in ("LPR", "OwnShare") else True
        return MeasureFacts(name, "fairness", better, FAIRNESS_MEASURES[stem])
    parsed = _parsed(name)
    better = None if parsed.NAME in ("Judged", "NumRet", "NumRel", "NumQ") else True
    return MeasureFacts(str(parsed), "effectiveness", better, str(parsed.SHORT_DESC or ""))


def expected_reciprocal_rank(
    ranking: Sequence[str], grades: Mapping[str, int], *, cutoff: int | None = None
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


def _err_values(
    qrels: Qrels, hits: Mapping[str, Sequence[Hit]], parsed: Any
) -> Iterator[tuple[str, float]]:
    cutoff = parsed.params.get("cutoff")
    for query_id, grades in qrels.items():
        ranking = [hit.doc_id for hit in hits.get(query_id, ())[:cutoff]]
        yield query_id, expected_reciprocal_rank(ranking, grades)


def _check_err_grades(name: str, qrels: Qrels) -> None:
    highest = max((grade for grades in qrels.values() for grade in grades.values()), default=0)
    if highest > MAX_ERR_GRADE:
        raise RunError(
            f"{name} is defined for grades up to {MAX_ERR_GRADE} and the judgements go up to "
            f"{highest}; use nDCG, whose gains have no limit"
        )


def _scores(hits: Sequence[Hit]) -> dict[str, float]:
    """trec_eval ranks anew, by score and ties by descending id: the ranks themselves, as
    scores, leave it no tie to break."""
    return dict(zip([hit.doc_id for hit in hits], _descending(len(hits)), strict=True))


@lru_cache(maxsize=64)
def _descending(n: int) -> tuple[float, ...]:
    return tuple(float(-rank) for rank in range(1, n + 1))


def _judgements(qrels: Qrels) -> Qrels:
    """Judgements for trec_eval, which indexes an array with the grade, whatever it is."""
    return {
        query_id: {doc_id: max(grade, 0) for doc_id, grade in grades.items()}
        for query_id, grades in qrels.items()
    }


def _fairness(name: str) -> FairnessMeasure:
    chosen = fairness_measure(name)
    if chosen is None:
        known = ", ".join(f"{stem}@k" for stem in FAIRNESS_MEASURES)
        raise RunError(f"{name} is no measure between languages; there are {known}")
    return chosen


def _parsed(name: str) -> Any:
    if name.partition("@")[0] in FAIRNESS_MEASURES:
        raise RunError(
            f"{name!r} has no cutoff that is a number from 1; write {name.partition('@')[0]}@20"
        )
    # The parser says what is wrong by NameError, SyntaxError, ValueError, KeyError, and more.
    try:
        parsed = ir_measures.parse_measure(name)
        str(parsed)  # a parameter that the measure does not have is met here only
    except KeyError as error:
        raise RunError(f"unknown measure {name!r}: it has no parameter {error}") from error
    except Exception as error:
        raise RunError(f"unknown measure {name!r}: {error}") from error
    if (cutoff := parsed.params.get("cutoff")) is not None and cutoff < 1:
        # trec_eval's library ends the whole process on it.
        raise RunError(f"{name!r} has no cutoff that is a number from 1, such as nDCG@10")
    return parsed


def _not_computed(name: str, error: Exception) -> RunError:
    """Each provider fails in its own way: a missing program, an assertion, a division."""
    # A parameter that was needed and not given stands there as a bare object.
    said = re.sub(r"<object object at \w+>", "nothing", str(error)).strip()
    reason = said.partition("\n")[0] or type(error).__name__
    return RunError(
        f"{name} cannot be computed here ({reason}); nDCG@10, R@100, RR@10 and AP can be"
    )
