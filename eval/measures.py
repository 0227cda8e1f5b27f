"""Measures of a run against judgements, by ir_measures and spelt as there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import ir_measures

from xret.errors import RunError
from xret.eval.trec import Qrels
from xret.types import Hit

__all__ = ["DEFAULT_MEASURES", "check_measures", "measure"]

DEFAULT_MEASURES = ("nDCG@10", "R@100", "RR@10")


def check_measures(measures: Sequence[str], qrels: Qrels) -> None:
    """Find out before anything is ranked what cannot be computed.

    Raises RunError for a measure that ir_measures does not know or has no program for.
    """
    for name in measures:
        parsed = _parsed(name)
        try:
            ir_measures.evaluator([parsed], _judgements(qrels))
        except Exception as error:
            raise _not_computed(name, error) from error


def measure(
    qrels: Qrels,
    hits: Mapping[str, Sequence[Hit]],
    measures: Sequence[str] = DEFAULT_MEASURES,
) -> dict[str, float]:
    """The mean of each measure over the judged queries.

    hits: by query id, best first; only their order counts. A judged query without an answer
    counts as zero; an answered query without judgements does not count; a grade below 0 is
    not relevant. Raises RunError for a measure that is unknown or cannot be computed here.
    """
    # trec_eval ranks anew, by score and ties by descending id: the ranks themselves, as
    # scores, leave it no tie to break.
    scored = [
        ir_measures.ScoredDoc(query_id, hit.doc_id, float(-rank))
        for query_id, found in hits.items()
        for rank, hit in enumerate(found, start=1)
        if query_id in qrels
    ]
    parsed = [_parsed(name) for name in measures]
    try:
        values = ir_measures.calc_aggregate(parsed, _judgements(qrels), scored)
    except Exception as error:
        raise _not_computed(", ".join(measures), error) from error
    return {str(one): float(values[one]) for one in parsed}


def _judgements(qrels: Qrels) -> list[Any]:
    """Judgements for ir_measures; trec_eval indexes an array with the grade, whatever it is."""
    return [
        ir_measures.Qrel(query_id, doc_id, max(grade, 0))
        for query_id, grades in qrels.items()
        for doc_id, grade in grades.items()
    ]


def _parsed(name: str) -> Any:
    # The parser says what is wrong by NameError, SyntaxError, ValueError, KeyError, and more.
    try:
        parsed = ir_measures.parse_measure(name)
        str(parsed)  # a parameter that the measure does not have is met here only
    except KeyError as error:
        raise RunError(f"unknown measure {name!r}: it has no parameter {error}") from error
    except Exception as error:
        raise RunError(f"unknown measure {name!r}: {error}") from error
    return parsed


def _not_computed(name: str, error: Exception) -> RunError:
    """Each provider fails in its own way: a missing program, an assertion, a division."""
    # A parameter that was needed and not given stands there as a bare object.
    said = re.sub(r"<object object at \w+>", "nothing", str(error)).strip()
    reason = said.partition("\n")[0] or type(error).__name__
    return RunError(
        f"{name} cannot be computed here ({reason}); nDCG@10, R@100, RR@10 and AP can be"
    )
