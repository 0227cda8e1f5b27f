"""Measures of a run against judgements, by ir_measures and spelt as there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures

from xret.errors import RunError
from xret.eval.trec import Qrels
from xret.types import Hit

__all__ = ["DEFAULT_MEASURES", "measure"]

DEFAULT_MEASURES = ("nDCG@10", "R@100", "RR@10")


def measure(
    qrels: Qrels,
    hits: Mapping[str, Sequence[Hit]],
    measures: Sequence[str] = DEFAULT_MEASURES,
) -> dict[str, float]:
    """The mean of each measure over the judged queries.

    A judged query without an answer counts as zero; an answered query without judgements
    does not count. Raises RunError for a measure that ir_measures does not know.
    """
    try:
        parsed = [ir_measures.parse_measure(name) for name in measures]
    except (NameError, SyntaxError, ValueError) as error:
        raise RunError(f"unknown measure in {', '.join(measures)}: {error}") from error
    judgements = [
        ir_measures.Qrel(query_id, doc_id, grade)
        for query_id, grades in qrels.items()
        for doc_id, grade in grades.items()
    ]
    scored = [
        ir_measures.ScoredDoc(query_id, hit.doc_id, hit.score)
        for query_id, found in hits.items()
        for hit in found
        if query_id in qrels
    ]
    values = ir_measures.calc_aggregate(parsed, judgements, scored)
    return {str(parsed_measure): float(values[parsed_measure]) for parsed_measure in parsed}
