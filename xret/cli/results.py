"""What `xret eval` prints: the table of each system's pairs, and how systems compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xret.cli.output import message, print_json, print_table

if TYPE_CHECKING:
    from xret.eval.evaluation import Comparison
    from xret.eval.system_report import Assessment, SystemReport
    from xret.types import Progress

__all__ = ["print_assessment", "print_system"]


def print_system(step: Progress) -> None:
    """A system that has been measured, with its name where there are several."""
    report: SystemReport = step.part
    several = step.total != 1
    rows = []
    for r in report.results:
        cells = (r.query_lang or "all", r.doc_lang or "all", str(r.queries))
        values = [f"{r.measures[n]:.4f}" if n in r.measures else "" for n in report.measures]
        rows.append((*([report.system] * several), *cells, *values))
    headings = (*(["system"] * several), "query", "documents", "queries", *report.measures)
    print_table(headings, rows, follows=step.done > 1)
    _print_means(report, f"{report.system}: " if several else "")


def print_assessment(assessment: Assessment, *, as_json: bool) -> None:
    """What there is to say once every system has been measured."""
    if as_json:
        print_json(assessment.as_json())
    elif assessment.finished is not None:
        for comparison in assessment.finished.comparisons:
            message(_in_words(comparison))
    for warning in assessment.warnings:
        message(f"warning: {warning}")
    page = next((path for path in assessment.written if path.name == "report.html"), None)
    beside = [path for path in assessment.written if page and path.is_relative_to(page.parent)]
    if page is not None:
        message(f"written: {page}")
        message(f"and {len(beside) - 1:,} files of tables, figures and numbers beside it")
    for path in assessment.written:
        if path not in beside:
            message(f"written: {path}")


def _print_means(report: SystemReport, before: str) -> None:
    if report.queries_without_lang and "run" not in report.described:
        message(
            f"{before}{report.queries_without_lang:,} queries name no language; it was identified"
        )
    for title, means in (
        ("across languages", report.mean_cross_language),
        ("within one", report.mean_same_language),
    ):
        if means:
            values = ", ".join(f"{measure} {value:.4f}" for measure, value in means.items())
            message(f"{before}mean of the pairs {title}: {values}")
    worst = report.worst_pair
    if worst is not None:
        measure, value = next(iter(worst.measures.items()))
        pair, (zeros, pairs) = f"{worst.query_lang} to {worst.doc_lang}", report.zero_pairs
        if zeros > 1:
            message(f"{before}{measure} is 0 for {zeros:,} of {pairs:,} pairs, such as {pair}")
        else:
            message(f"{before}weakest pair: {pair}, {measure} {value:.4f}")


def _in_words(one: Comparison) -> str:
    from xret.eval.report.text import p_relation

    difference = one.difference
    effect = "" if one.effect_size is None else f", d = {one.effect_size:+.2f}"
    how = "exact" if one.exact else f"{one.samples:,} samples"
    is_p = p_relation(one.p_randomisation, at_floor=one.at_floor)
    adjusted = p_relation(one.p_randomisation_holm, at_floor=one.at_floor)
    return (
        f"{one.system} against {one.baseline}, {one.measure}: {difference.mean:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}], randomisation p "
        f"{is_p} ({how}), Holm {adjusted}{effect}; "
        f"{one.better:,} better, {one.equal:,} equal, {one.worse:,} worse of "
        f"{difference.queries:,} queries"
        + (f" ({one.left_out:,} of which it says nothing of one left out)" if one.left_out else "")
    )
