"""What `xret eval` prints: the table of pairs, and how systems compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xret.cli.output import message, print_json, print_table
from xret.types import UNDETERMINED

if TYPE_CHECKING:
    from xret.eval.evaluation import Comparison, Evaluation
    from xret.eval.runner import PairEvaluation, PairResult

__all__ = ["described", "print_results"]


def print_results(
    evaluations: Sequence[PairEvaluation], finished: Evaluation | None, *, as_json: bool
) -> None:
    """The results of one system as they are; of several with their names and comparisons."""
    from xret.eval.comparison import coverage_warnings

    results = [list(evaluation.results()) for evaluation in evaluations]
    reports = [described(one, rows) for one, rows in zip(evaluations, results, strict=True)]
    warnings = coverage_warnings(evaluations)
    comparisons = finished.comparisons if finished else ()
    if as_json:
        if len(reports) == 1:
            print_json({**reports[0], "warnings": warnings})
        else:
            print_json(
                {
                    "systems": [
                        {"system": one.rankings.name, **report}
                        for one, report in zip(evaluations, reports, strict=True)
                    ],
                    "comparisons": comparisons,
                    "correction": finished.correction if finished else "",
                    "interval": finished.interval if finished else "",
                    "seed": finished.environment.seed if finished else 0,
                    "warnings": warnings,
                }
            )
    else:
        _print_table(evaluations, results)
        for evaluation, report in zip(evaluations, reports, strict=True):
            _print_means(report, evaluation.rankings.name if len(evaluations) > 1 else "")
        for comparison in comparisons:
            message(_in_words(comparison))
    for warning in warnings:
        message(f"warning: {warning}")


def described(evaluation: PairEvaluation, results: Sequence[PairResult]) -> dict[str, Any]:
    """One system's part of the JSON."""
    from xret.eval.rankings import IndexRankings

    rankings = evaluation.rankings
    if isinstance(rankings, IndexRankings):
        searcher = rankings.searcher
        system: dict[str, Any] = {"index": searcher.name, "encoder": searcher.encoder.spec.name}
    else:
        system = {"run": rankings.name, "answered": len(evaluation.answered)}
    first = evaluation.measures[0]
    pairs = [r for r in results if r.doc_lang is not None and r.query_lang != UNDETERMINED]
    cross = [r for r in pairs if r.query_lang != r.doc_lang and first in r.measures]
    same = [r for r in pairs if r.query_lang == r.doc_lang]
    return {
        **system,
        "queries_without_lang": evaluation.identified,
        "mean_cross_language": _mean(cross),
        "mean_same_language": _mean(same),
        "worst_pair": min(cross, key=lambda r: r.measures[first], default=None),
        "results": list(results),
    }


def _mean(results: Sequence[PairResult]) -> dict[str, float]:
    names = dict.fromkeys(name for result in results for name in result.measures)
    means = {}
    for name in names:
        values = [result.measures[name] for result in results if name in result.measures]
        means[name] = sum(values) / len(values)
    return means


def _print_table(
    evaluations: Sequence[PairEvaluation], results: Sequence[Sequence[PairResult]]
) -> None:
    names = list(dict.fromkeys(name for one in evaluations for name in one.measures))
    several = len(evaluations) > 1
    rows = []
    for evaluation, found in zip(evaluations, results, strict=True):
        for r in found:
            cells = (r.query_lang or "all", r.doc_lang or "all", str(r.queries))
            values = [f"{r.measures[n]:.4f}" if n in r.measures else "" for n in names]
            rows.append((*([evaluation.rankings.name] * several), *cells, *values))
    print_table((*(["system"] * several), "query", "documents", "queries", *names), rows)


def _print_means(report: dict[str, Any], name: str) -> None:
    before = f"{name}: " if name else ""
    if report["queries_without_lang"] and "run" not in report:
        message(
            f"{before}{report['queries_without_lang']:,} queries name no language; "
            "it was identified"
        )
    for title, key in (
        ("across languages", "mean_cross_language"),
        ("within one", "mean_same_language"),
    ):
        if report[key]:
            values = ", ".join(f"{measure} {value:.4f}" for measure, value in report[key].items())
            message(f"{before}mean of the pairs {title}: {values}")
    worst = report["worst_pair"]
    if worst is not None:
        measure, value = next(iter(worst.measures.items()))
        message(
            f"{before}weakest pair: {worst.query_lang} to {worst.doc_lang}, {measure} {value:.4f}"
        )


def _in_words(one: Comparison) -> str:
    difference = one.difference
    effect = "" if one.effect_size is None else f", d = {one.effect_size:+.2f}"
    how = "exact" if one.exact else f"{one.samples:,} samples"
    return (
        f"{one.system} against {one.baseline}, {one.measure}: {difference.mean:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}], randomisation p = "
        f"{one.p_randomisation:.4g} ({how}), Holm {one.p_randomisation_holm:.4g}{effect}; "
        f"{one.better:,} better, {one.equal:,} equal, {one.worse:,} worse of "
        f"{difference.queries:,} queries"
        + (f" ({one.left_out:,} that only one answers left out)" if one.left_out else "")
    )
