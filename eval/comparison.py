"""Systems side by side: paired tests by every measure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from xret.eval.coverage import coverage_warnings
from xret.eval.environment import describe_environment
from xret.eval.evaluation import (
    ColumnTest,
    Comparison,
    CorpusFacts,
    Evaluation,
    Interval,
    Latency,
    MeasureFacts,
    SystemResult,
)
from xret.eval.language_columns import column_tests, language_columns
from xret.eval.measures import measure_facts
from xret.eval.randomisation import (
    MAX_SAMPLES,
    RANDOM_SAMPLES,
    Randomisation,
    paired_randomisations,
    without_noise,
)
from xret.eval.runner import PairEvaluation
from xret.eval.significance import bootstrap_intervals, cohens_d, holm, paired_t
from xret.eval.summary import INTERVAL, system_result

__all__ = ["CORRECTION", "compare_systems", "finished_evaluation", "floor_warnings"]

CORRECTION = (
    "two-sided; paired randomisation test, exact up to 16 queries that differ, else with "
    f"{RANDOM_SAMPLES:,} random assignments and up to {MAX_SAMPLES:,} where hardly any is as "
    "extreme, and paired t-test; Holm's correction over the comparisons by the same measure; "
    "effect size: Cohen's d of the paired differences"
)

LEAST = 0.05
"""From here on nothing is significant."""


def finished_evaluation(
    title: str,
    evaluations: Sequence[PairEvaluation],
    *,
    corpus: CorpusFacts,
    baseline: str | None = None,
    seed: int = 0,
    began: float | None = None,
    latencies: Mapping[str, Latency] | None = None,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Everything that a report says, of evaluations of one collection that have run.

    baseline: name of the system that the others are compared with; None: each with each.
    began: `time.perf_counter()` at the start of the work. latencies: by system. notes: what
    else a reader must know.
    """
    names = dict.fromkeys(name for evaluation in evaluations for name in evaluation.measures)
    measures = tuple(measure_facts(name) for name in names)
    latencies = latencies or {}
    systems = tuple(
        system_result(
            evaluation, measures, seed=seed, latency=latencies.get(evaluation.rankings.name)
        )
        for evaluation in evaluations
    )
    comparisons = compare_systems(systems, measures, baseline=baseline, seed=seed)
    tests = tuple(column_tests(evaluations, measures, baseline=baseline, seed=seed))
    return Evaluation(
        title=title,
        corpus=corpus,
        measures=measures,
        systems=systems,
        comparisons=comparisons,
        queries={
            query.query_id: (query.text, query.lang)
            for evaluation in evaluations
            for query in evaluation.queries
        },
        query_langs=tuple(
            sorted({lang for evaluation in evaluations for lang in evaluation.query_langs})
        ),
        doc_langs=tuple(
            sorted({lang for evaluation in evaluations for lang in evaluation.doc_langs})
        ),
        baseline=baseline or "",
        environment=describe_environment(
            seed=seed, took_s=0.0 if began is None else time.perf_counter() - began
        ),
        interval=INTERVAL,
        correction=CORRECTION,
        warnings=(*notes, *coverage_warnings(evaluations), *floor_warnings(comparisons, tests)),
        columns=tuple(language_columns(evaluations, measures)),
        column_tests=tests,
    )


def compare_systems(
    systems: Sequence[SystemResult],
    measures: Sequence[MeasureFacts],
    *,
    baseline: str | None,
    seed: int,
) -> tuple[Comparison, ...]:
    """Systems in pairs by every measure that has a better end, over the mixed list.

    baseline: each other system against this one; None: every pair, the earlier one as its
    baseline. A query counts where the measure says something of both; one that a system was not
    asked is 0 for it, as in its mean. Both p-values are adjusted over the comparisons by the
    same measure.
    """
    if baseline is None:
        pairs = list(combinations(systems, 2))
    else:
        first = next(system for system in systems if system.name == baseline)
        pairs = [(first, system) for system in systems if system is not first]
    return tuple(
        comparison
        for measure in measures
        if measure.higher_is_better is not None
        for comparison in _adjusted(_tested(pairs, measure.name, seed))
    )


def floor_warnings(
    comparisons: Sequence[Comparison], column_tests: Sequence[ColumnTest] = ()
) -> list[str]:
    """Where the test cannot call any difference significant: so many are corrected for, or so
    few queries differ."""
    floors: dict[str, list[float]] = {}
    for one in comparisons:
        what = f"by {one.measure}"
        floors.setdefault(what, []).append(_least_p(one.samples, one.better + one.worse))
    for test in column_tests:
        if test.doc_lang is not None:
            what = f"by {test.measure} over documents of one language"
            floors.setdefault(what, []).append(_least_p(test.samples, 0))
    return [
        _floor_words(what, len(alike), min(alike))
        for what, alike in floors.items()
        if LEAST < len(alike) * min(alike) < len(alike)
    ]


def _least_p(samples: int, moving: int) -> float:
    """The smallest p that a test can give, by so many samples or all signs of what differs; 1
    where that is not known."""
    if samples:
        return 1 / (1 + samples)
    return float(2.0 ** (1 - moving)) if moving else 1.0


def _floor_words(what: str, count: int, least: float) -> str:
    said = f"the smallest p that the randomisation test can give {what} is {least:.2g}"
    if least > LEAST:
        return f"{said}: too few queries differ for a difference to be significant"
    return (
        f"{said}, and {count * least:.2g} after correction for {count:,} comparisons: no "
        "difference can be significant; compare fewer systems, or with --baseline"
    )


def _adjusted(alike: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons by one measure, each p adjusted over them."""
    by_randomisation = holm([c.p_randomisation for c in alike])
    by_t = iter(holm([c.p_t for c in alike if c.p_t is not None]))
    return [
        replace(
            comparison,
            p_randomisation_holm=adjusted,
            p_t_holm=None if comparison.p_t is None else next(by_t),
        )
        for comparison, adjusted in zip(alike, by_randomisation, strict=True)
    ]


def _tested(
    pairs: Sequence[tuple[SystemResult, SystemResult]], measure: str, seed: int
) -> list[Comparison]:
    """Each pair by one measure, p-values not adjusted yet; those that share a query."""
    valued = [
        (baseline.per_query.get(measure, {}), system.per_query.get(measure, {}))
        for baseline, system in pairs
    ]
    place = {query: row for row, query in enumerate(dict.fromkeys(q for b, _ in valued for q in b))}
    differences = np.zeros((len(place), len(pairs)))
    for column, (base, other) in enumerate(valued):
        for query, value in base.items():
            if query in other:
                differences[place[query], column] = other[query] - value
    tests = paired_randomisations(differences, seed=seed)
    compared = [
        _compared(baseline, system, measure, test, seed)
        for (baseline, system), test in zip(pairs, tests, strict=True)
    ]
    return [comparison for comparison in compared if comparison is not None]


def _compared(
    baseline: SystemResult, system: SystemResult, measure: str, test: Randomisation, seed: int
) -> Comparison | None:
    """One comparison, its p-values not adjusted yet; None where no query counts."""
    one, other = baseline.per_query.get(measure, {}), system.per_query.get(measure, {})
    shared = [query_id for query_id in one if query_id in other]
    if not shared:
        return None
    values = np.array([[one[query_id], other[query_id]] for query_id in shared])
    differences = without_noise(values[:, 1] - values[:, 0])
    low, high = bootstrap_intervals(differences[:, None], seed=seed)[0].tolist()
    p_t = paired_t(differences)
    return Comparison(
        measure=measure,
        baseline=baseline.name,
        system=system.name,
        baseline_mean=float(values[:, 0].mean()),
        system_mean=float(values[:, 1].mean()),
        difference=Interval(float(differences.mean()), low, high, len(shared)),
        p_randomisation=test.p,
        p_randomisation_holm=test.p,
        p_t=p_t,
        p_t_holm=p_t,
        effect_size=cohens_d(differences),
        better=int((differences > 0).sum()),
        equal=int((differences == 0).sum()),
        worse=int((differences < 0).sum()),
        exact=test.exact,
        samples=test.samples,
        left_out=len({*one, *other}) - len(shared),
    )
