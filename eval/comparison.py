"""Systems side by side: paired tests, and what their queries and documents do not share."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from xret.eval.environment import describe_environment
from xret.eval.evaluation import (
    Comparison,
    CorpusFacts,
    Evaluation,
    Interval,
    Latency,
    MeasureFacts,
    SystemResult,
)
from xret.eval.measures import measure_facts
from xret.eval.rankings import IndexRankings, RunRankings
from xret.eval.runner import PairEvaluation
from xret.eval.significance import (
    RANDOM_SAMPLES,
    bootstrap_intervals,
    cohens_d,
    holm,
    paired_randomisation,
    paired_t,
)
from xret.eval.summary import INTERVAL, system_result

__all__ = ["CORRECTION", "compare_systems", "coverage_warnings", "finished_evaluation"]

CORRECTION = (
    "two-sided; paired randomisation test, exact up to 16 queries that differ, else with "
    f"{RANDOM_SAMPLES:,} random assignments, and paired t-test; Holm's correction over all "
    "comparisons; effect size: Cohen's d of the paired differences"
)


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
    return Evaluation(
        title=title,
        corpus=corpus,
        measures=measures,
        systems=systems,
        comparisons=compare_systems(systems, measures, baseline=baseline, seed=seed),
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
        warnings=(*notes, *coverage_warnings(evaluations)),
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
    baseline. A query counts where both systems were asked it and the measure says something
    of both. Both p-values are adjusted over all the comparisons made here.
    """
    if baseline is None:
        pairs = list(combinations(systems, 2))
    else:
        first = next(system for system in systems if system.name == baseline)
        pairs = [(first, system) for system in systems if system is not first]
    made = [
        compared
        for measure in measures
        if measure.higher_is_better is not None
        for one, other in pairs
        if (compared := _compared(one, other, measure.name, seed)) is not None
    ]
    by_randomisation = holm([test.p_randomisation for test in made])
    with_t = [test.p_t for test in made if test.p_t is not None]
    by_t = iter(holm(with_t))
    return tuple(
        replace(
            one,
            p_randomisation_holm=adjusted,
            p_t_holm=None if one.p_t is None else next(by_t),
        )
        for one, adjusted in zip(made, by_randomisation, strict=True)
    )


def coverage_warnings(evaluations: Sequence[PairEvaluation]) -> list[str]:
    """What a reader must know of queries and documents that systems do not share."""
    warnings = []
    for evaluation in evaluations:
        name, judged = evaluation.rankings.name, {q.query_id for q in evaluation.queries}
        missing = len(judged - evaluation.answered)
        if missing:
            warnings.append(
                f"{name} answers {len(judged) - missing:,} of {len(judged):,} judged queries; "
                "the others count as 0 for it"
            )
        if isinstance(evaluation.rankings, IndexRankings) and evaluation.rankings.rerank:
            refused = evaluation.rankings.searcher.rerankers.refusals.total()
            if refused:
                warnings.append(
                    f"{name}: the reranker failed for {refused:,} rankings, which have the first "
                    "ranking's order"
                )
        if isinstance(evaluation.rankings, RunRankings):
            warnings += _run_warnings(evaluation, evaluation.rankings)
    answered = [evaluation.answered for evaluation in evaluations]
    if len(answered) > 1 and any(one != answered[0] for one in answered):
        shared = len(set.intersection(*answered))
        warnings.append(
            "the systems answer different queries; two of them are compared on the queries that "
            f"both answer (all of them answer {shared:,})"
        )
    without = sum(
        not any(grade > 0 for grade in evaluations[0].qrels[query.query_id].values())
        for query in evaluations[0].queries
    )
    if without:
        warnings.append(
            f"{without:,} judged queries have no relevant document and count as 0 in every mean, "
            "as with trec_eval"
        )
    return warnings


def _run_warnings(evaluation: PairEvaluation, rankings: RunRankings) -> list[str]:
    name = rankings.name
    warnings = [f"{name}: {warning}" for warning in rankings.file.warnings]
    strange = rankings.file.run.hits.keys() - evaluation.qrels.keys() - evaluation.topic_ids
    if strange:
        warnings.append(
            f"{name}: {len(strange):,} of its {len(rankings.file.run.hits):,} queries are neither "
            f"topics nor judged, such as {min(strange)!r}"
        )
    ranked = {doc for trace in evaluation.traces.values() for doc in trace.top}
    judged = {doc for query in evaluation.queries for doc in evaluation.qrels[query.query_id]}
    if ranked and not ranked & judged:
        warnings.append(
            f"{name}: none of its first 100 documents is judged for any query; are the ids "
            f"spelt as in the judgements? (run: {min(ranked)!r}, judgements: {min(judged)!r})"
        )
    unknown, documents = rankings.unknown_documents()
    if unknown and rankings.languages:
        warnings.append(
            f"{name}: the language of {unknown:,} of its {documents:,} documents is not known; "
            "they take their ranks and stand in no language's list"
        )
    return warnings


def _compared(
    baseline: SystemResult, system: SystemResult, measure: str, seed: int
) -> Comparison | None:
    """One comparison, its p-values not adjusted yet; None where no query counts."""
    one, other = baseline.per_query.get(measure, {}), system.per_query.get(measure, {})
    shared = [query_id for query_id in one if query_id in other]
    shared = [q for q in shared if q not in baseline.unanswered and q not in system.unanswered]
    if not shared:
        return None
    values = np.array([[one[query_id], other[query_id]] for query_id in shared])
    differences = values[:, 1] - values[:, 0]
    low, high = bootstrap_intervals(differences[:, None], seed=seed)[0].tolist()
    p, exact = paired_randomisation(differences, seed=seed)
    p_t = paired_t(differences)
    return Comparison(
        measure=measure,
        baseline=baseline.name,
        system=system.name,
        baseline_mean=float(values[:, 0].mean()),
        system_mean=float(values[:, 1].mean()),
        difference=Interval(float(differences.mean()), low, high, len(shared)),
        p_randomisation=p,
        p_randomisation_holm=p,
        p_t=p_t,
        p_t_holm=p_t,
        effect_size=cohens_d(differences),
        better=int((differences > 0).sum()),
        equal=int((differences == 0).sum()),
        worse=int((differences < 0).sum()),
        exact=exact,
        samples=0 if exact else RANDOM_SAMPLES,
        left_out=len({*one, *other}) - len(shared),
    )
