"""Measures of a run against judgements: those of ir_measures, spelt as there, and fairness.

nDCG, AP, R, P and what else trec_eval has are computed by trec_eval itself (pytrec_eval); the
measures of `own_measures.py` and `fairness.py` are computed here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import ir_measures

from xret.errors import RunError
from xret.eval.answer_recall import answer_tokens, word_tokenizer
from xret.eval.evaluation import MeasureFacts
from xret.eval.fairness import FAIRNESS_MEASURES, FairnessMeasure, fairness_measure
from xret.eval.measure_names import is_fairness, parsed_measure
from xret.eval.own_measures import MAX_ERR_GRADE, OwnMeasure, own_measure
from xret.retriever.corpora.qrels import Qrels
from xret.types import Hit

__all__ = [
    "DEFAULT_MEASURES",
    "REPORT_MEASURES",
    "QueryValues",
    "aggregate",
    "check_measures",
    "measure",
    "measure_facts",
    "measure_fairness",
    "measure_queries",
    "measured_depth",
]

DEFAULT_MEASURES = ("nDCG@10", "R@100", "RR@10")
REPORT_MEASURES = (*DEFAULT_MEASURES, "PEER@20", "AWRF@20", "OwnFirst@10", "OwnShare@10")
"""Those of a report over documents in several languages."""

UNRANKED = " "
"""An id that no run can hold; it stands for the judgements of a query that has none but
documents that nobody judged, as a query without any is not measured."""

QueryValues = dict[str, float]
"""The value of one measure by query id."""


def check_measures(measures: Sequence[str], qrels: Qrels) -> None:
    """Find out before anything is ranked what cannot be computed.

    Raises RunError for a measure that nobody knows or that has no program here, and
    MissingLibraryError for one that needs a library.
    """
    for name in measures:
        if answer_tokens(name):
            word_tokenizer()
        if is_fairness(name) or answer_tokens(name):
            continue
        parsed = parsed_measure(name)
        if parsed.NAME == "ERR":
            _check_err_grades(name, qrels)
        if _own(parsed) is None:
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
    judgements does not count; a document with a grade below 0 is one that nobody judged, as
    trec_eval has it. A measure may say nothing of a query (LitschkoAP), which then has no
    value. Raises RunError for a measure that is unknown or cannot be computed here.
    """
    parsed = [parsed_measure(name) for name in measures]
    values: dict[str, QueryValues] = {str(one): {} for one in parsed}
    known = []
    for one in parsed:
        if one.NAME == "ERR":
            _check_err_grades(str(one), qrels)
        own = _own(one)
        if own is None:
            known.append(one)
            values[str(one)] = dict.fromkeys(qrels, 0.0)
        else:
            values[str(one)] = _own_values(own, qrels, hits)
    names = {one: str(one) for one in known}
    try:
        # Nothing is found out of an empty list of hits: some providers divide by its length.
        scores = {query: _scores(hits[query]) for query in qrels if hits.get(query)}
        for found in ir_measures.iter_calc(known, _judgements(qrels), scores) if known else ():
            values[names[found.measure]][found.query_id] = float(found.value)
    except Exception as error:
        raise _not_computed(", ".join(measures), error) from error
    for name, by_query in values.items():
        _check_values(name, by_query, qrels)
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


def measured_depth(measures: Sequence[str]) -> int | None:
    """How many hits the measures look at, at most; None where one of them looks at all.

    >>> measured_depth(["nDCG@10", "R@100"]), measured_depth(["nDCG@10", "AP"])
    (100, None)
    """
    parsed = [parsed_measure(name).params for name in measures]
    # Those of the judged documents alone count their ranks without the others.
    cutoffs = [None if one.get("judged_only") else one.get("cutoff") for one in parsed]
    known = [cutoff for cutoff in cutoffs if cutoff is not None]
    return max(known) if known and len(known) == len(cutoffs) else None


def aggregate(name: str, values: Sequence[float]) -> float:
    """What ir_measures prints for all queries: the mean, or the sum of a count."""
    if is_fairness(name) or answer_tokens(name):
        return sum(values) / len(values) if values else 0.0
    aggregator = parsed_measure(name).aggregator()
    for value in values:
        aggregator.add(value)
    return float(aggregator.result())


def measure_facts(name: str) -> MeasureFacts:
    """What a reader of a report must know of a measure. Raises RunError for an unknown one."""
    if is_fairness(name):
        stem = re.split("[(@]", name)[0]
        better = None if stem in ("OwnFirst", "OwnShare") else True
        return MeasureFacts(name, "fairness", better, FAIRNESS_MEASURES[stem], "xret")
    if tokens := answer_tokens(name):
        said = f"an answer stands in the first {tokens:,} tokens retrieved (Asai et al. 2021)"
        return MeasureFacts(name, "effectiveness", True, said, "xret; tokens by NLTK")
    parsed = parsed_measure(name)
    better = None if parsed.NAME in ("Judged", "NumRet", "NumRel", "NumQ") else True
    said = str(parsed.SHORT_DESC or "")
    return MeasureFacts(str(parsed), "effectiveness", better, said, _program(parsed))


def _own(parsed: Any) -> OwnMeasure | None:
    """The function for a measure that is computed here, once its parameters are checked."""
    own = own_measure(parsed)
    if own is not None:
        try:
            parsed.validate_params()
        except AssertionError as error:
            raise _not_computed(str(parsed), error) from error
    return own


def _own_values(own: OwnMeasure, qrels: Qrels, hits: Mapping[str, Sequence[Hit]]) -> QueryValues:
    values = {}
    for query_id, grades in qrels.items():
        value = own([hit.doc_id for hit in hits.get(query_id, ())], grades)
        if value is not None:
            values[query_id] = value
    return values


def _check_values(name: str, values: QueryValues, qrels: Qrels) -> None:
    """A program that takes ids apart, or divides by 0, gives numbers that mean nothing."""
    if strange := values.keys() - qrels.keys():
        raise RunError(
            f"{name} came back for the query {min(strange)!r}, which is not judged: the program "
            "that computes it cannot read these query ids; use another measure"
        )
    for query_id, value in values.items():
        if not math.isfinite(value):
            raise RunError(f"{name} of query {query_id!r} is {value}; use another measure")


def _check_err_grades(name: str, qrels: Qrels) -> None:
    highest = max((grade for grades in qrels.values() for grade in grades.values()), default=0)
    if highest > MAX_ERR_GRADE:
        raise RunError(
            f"{name} is defined for grades up to {MAX_ERR_GRADE} and the judgements go up to "
            f"{highest}; use nDCG, whose gains have no limit"
        )


def _scores(hits: Sequence[Hit]) -> dict[str, float]:
    """trec_eval ranks anew, by score and ties by descending id: places counted from the last
    leave it no tie to break. All are above 0, which Compat gives to what was not ranked."""
    return dict(zip([hit.doc_id for hit in hits], _descending(len(hits)), strict=True))


@lru_cache(maxsize=64)
def _descending(n: int) -> tuple[float, ...]:
    return tuple(float(place) for place in range(n, 0, -1))


def _judgements(qrels: Qrels) -> Qrels:
    """What trec_eval's library may see: it indexes an array with the grade, whatever it is.

    trec_eval passes over a document with a grade below 0 as it passes over one that nobody
    judged (but in infAP, which is computed here).
    """
    return {
        query_id: {doc_id: grade for doc_id, grade in grades.items() if grade >= 0} or {UNRANKED: 0}
        for query_id, grades in qrels.items()
    }


def _fairness(name: str) -> FairnessMeasure:
    chosen = fairness_measure(name)
    if chosen is None:
        known = ", ".join(f"{stem}@k" for stem in FAIRNESS_MEASURES)
        raise RunError(f"{name} is no measure between languages; there are {known}")
    return chosen


def _not_computed(name: str, error: Exception) -> RunError:
    """Each provider fails in its own way: a missing program, an assertion, a division."""
    # A parameter that was needed and not given stands there as a bare object.
    said = re.sub(r"<object object at \w+>", "nothing", str(error)).strip()
    reason = said.partition("\n")[0] or type(error).__name__
    if missing := re.fullmatch(r"invalid param (\w+)=nothing", reason):
        wanted = f"{name}@10" if missing[1] == "cutoff" else f"{name}({missing[1]}=…)"
        return RunError(f"{name} cannot be computed here: it needs {missing[1]}, as in {wanted}")
    if reason.startswith("Unsupported measures"):
        reason = "no program for it is installed"
    return RunError(
        f"{name} cannot be computed here ({reason}); nDCG@10, R@100, RR@10 and AP can be"
    )


def _program(parsed: Any) -> str:
    """Whose arithmetic a measure is, by name and version."""
    if own_measure(parsed) is not None:
        return "xret"
    provider = next(p for p in ir_measures.DefaultPipeline.providers if p.supports(parsed))
    if provider.NAME == "pytrec_eval":
        return f"trec_eval 9.0, by pytrec-eval-terrier {version('pytrec-eval-terrier')}"
    return f"ir_measures {version('ir-measures')} ({provider.NAME})"
