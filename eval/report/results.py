"""What an evaluation found, as sentences and tables: the numbers behind every drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable

from xret.eval.evaluation import Comparison, Evaluation, Interval, PairCell, SystemResult
from xret.eval.report.table import Cell, Table, TableRow
from xret.eval.report.text import (
    MISSING,
    decimal,
    language_label,
    p_value,
    shown,
    signed,
)
from xret.types import UNDETERMINED

__all__ = [
    "PAPER_COLUMNS",
    "SIGNIFICANT",
    "LanguagePair",
    "comparison_table",
    "crossing_means",
    "crossing_pairs",
    "language_table",
    "matrix_table",
    "mean",
    "pair_table",
    "pair_values",
    "reference",
    "significance",
    "significance_note",
    "summary_table",
]

LanguagePair = tuple[str | None, str | None]
"""Query and document language, None for all of them."""

SIGNIFICANT = 0.05
"""Adjusted p-values below it are marked."""

PAPER_COLUMNS = (0, 1, 2, 3, 4, 6, 8, 9)
"""Of the comparisons paper has the adjusted p-values only."""

TALL = 4
"""With more measures than this a summary has a row for each instead of a column."""


def mean(values: Iterable[float]) -> float | None:
    """The mean, None of nothing."""
    found = list(values)
    return sum(found) / len(found) if found else None


def crossing_pairs(system: SystemResult, measure: str) -> list[PairCell]:
    """The cells of two different, known languages that have the measure."""
    return [
        cell
        for cell in system.pairs
        if cell.doc_lang not in (None, UNDETERMINED)
        and cell.query_lang not in (None, UNDETERMINED, cell.doc_lang)
        and measure in cell.values
        and math.isfinite(cell.values[measure].mean)
    ]


def crossing_means(system: SystemResult, measure: str) -> dict[str, float]:
    """By document language: asked for in all the others, of which each counts once."""
    found: dict[str, list[float]] = {}
    for cell in crossing_pairs(system, measure):
        found.setdefault(cell.doc_lang or "", []).append(cell.values[measure].mean)
    return {lang: sum(values) / len(values) for lang, values in found.items()}


def pair_values(system: SystemResult, measure: str) -> dict[LanguagePair, Interval]:
    """What `SystemResult.cell` finds one by one, as a table for whoever needs all."""
    return {
        (cell.query_lang, cell.doc_lang): cell.values[measure]
        for cell in system.pairs
        if measure in cell.values and math.isfinite(cell.values[measure].mean)
    }


def reference(evaluation: Evaluation) -> str:
    """The system that marks compare with: the baseline, or the first of each with each."""
    return evaluation.baseline or evaluation.systems[0].name


def significance(evaluation: Evaluation, system: str, measure: str) -> Comparison | None:
    """The comparison of a system with the reference where it is significant, else None."""
    wanted = (reference(evaluation), system, measure)
    for c in evaluation.comparisons:
        if (c.baseline, c.system, c.measure) == wanted:
            return c if c.p_randomisation_holm < SIGNIFICANT else None
    return None


def significance_mark(evaluation: Evaluation, system: str, measure: str) -> str:
    """▲ or ▼ behind a value that differs significantly from the reference's, else nothing."""
    found = significance(evaluation, system, measure)
    return "" if found is None else "▲" if found.difference.mean > 0 else "▼"


def significance_note(evaluation: Evaluation) -> str:
    """What the signs of a summary mean; empty where there was nothing to compare."""
    parts = []
    if any(c.baseline == reference(evaluation) for c in evaluation.comparisons):
        parts.append(
            f"▲ higher and ▼ lower than {shown(reference(evaluation), limit=80)} by a paired "
            f"randomisation test, p < {SIGNIFICANT:g} after correction for all comparisons by the "
            "same measure."
        )
    if evaluation.interval:
        parts.append(f"Intervals: {evaluation.interval}.")
    return " ".join(parts)


def best_systems(evaluation: Evaluation, measure: str) -> set[str]:
    """The systems with the best mean; nobody where there is one system or no better end."""
    facts = next(facts for facts in evaluation.measures if facts.name == measure)
    values = {s.name: i.mean for s in evaluation.systems if (i := s.overall(measure)) is not None}
    if len(evaluation.systems) < 2 or facts.higher_is_better is None or not values:
        return set()
    best = (max if facts.higher_is_better else min)(values.values())
    return {name for name, value in values.items() if value == best}


def summary_table(evaluation: Evaluation) -> Table:
    """Every system by every measure over the mixed list of all documents, with intervals."""
    names = [facts.name for facts in evaluation.measures]
    grid: list[list[Cell | str]] = [["system", *names]]
    for system in evaluation.systems:
        row: list[Cell | str] = [shown(system.name, limit=80)]
        for name in names:
            mark = significance_mark(evaluation, system.name, name)
            best = system.name in best_systems(evaluation, name)
            row.append(Cell(_with_interval(system.overall(name)), mark=mark, best=best))
        grid.append(row)
    if len(names) > TALL:
        grid = [list(column) for column in zip(*grid, strict=True)]
        grid[0][0] = "measure"
    headings = tuple(cell if isinstance(cell, str) else cell.text for cell in grid[0])
    return Table(
        caption="All judged queries over all documents",
        headings=headings,
        align="l" + "r" * (len(headings) - 1),
        rows=tuple(tuple(row) for row in grid[1:]),
        note=significance_note(evaluation),
    )


def comparison_table(evaluation: Evaluation) -> Table | None:
    """Every pair of systems by every measure, with tests and effect sizes."""
    if not evaluation.comparisons:
        return None
    rows: list[TableRow] = []
    for c in evaluation.comparisons:
        spread = f"{decimal(c.difference.low)} to {decimal(c.difference.high)}"
        rows.append(
            (
                shown(c.system, limit=80),
                shown(c.baseline, limit=80),
                c.measure,
                signed(c.difference.mean),
                spread,
                p_value(c.p_randomisation, at_floor=c.at_floor),
                p_value(c.p_randomisation_holm, at_floor=c.at_floor),
                p_value(c.p_t),
                p_value(c.p_t_holm),
                decimal(c.effect_size, 2),
                f"{c.better:,} / {c.equal:,} / {c.worse:,}",
            )
        )
    samples = {c.samples for c in evaluation.comparisons if not c.exact}
    tried = f"{max(samples):,} random sign assignments" if samples else "every sign assignment"
    return Table(
        caption="Paired differences, query by query",
        headings=(
            "system",
            "against",
            "measure",
            "difference",
            "interval",
            "p randomisation",
            "adjusted",
            "p paired t",
            "adjusted",
            "effect size d",
            "better / equal / worse",
        ),
        align="lllrrrrrrrr",
        rows=tuple(rows),
        heads=3,
        note=f"Tests: {evaluation.correction or 'two-sided, adjusted for each measure'}; here "
        f"with {tried}. d: mean of the paired differences over their standard deviation.",
    )


def matrix_table(evaluation: Evaluation, system: SystemResult, measure: str) -> Table:
    """Query languages down, document languages across, the mixed list of all at the end."""
    found = {pair: interval.mean for pair, interval in pair_values(system, measure).items()}
    crossing = [(c.query_lang, c.doc_lang) for c in crossing_pairs(system, measure)]
    rows: list[TableRow] = []
    for query_lang in evaluation.query_langs:
        values = [found.get((query_lang, doc_lang)) for doc_lang in evaluation.doc_langs]
        average = mean(found[pair] for pair in crossing if pair[0] == query_lang)
        mixed = found.get((query_lang, None))
        rows.append((language_label(query_lang), *[decimal(v) for v in (*values, average, mixed)]))
    averages = crossing_means(system, measure)
    values = [averages.get(doc_lang) for doc_lang in evaluation.doc_langs]
    overall = mean(found[pair] for pair in crossing)
    if len(evaluation.query_langs) > 1:
        ends = (*values, overall, found.get((None, None)))
        rows.append(("Avg", *[decimal(value) for value in ends]))
    return Table(
        caption=f"{measure} of {shown(system.name, limit=80)}: query language by document language",
        headings=("queries", *evaluation.doc_langs, "Avg", "all"),
        align="l" + "r" * (len(evaluation.doc_langs) + 2),
        rows=tuple(rows),
        note=f"{MISSING}: no judged query for that pair. Avg: the mean over pairs of two "
        "languages. all: the mixed list of all documents.",
    )


def pair_table(system: SystemResult, measure: str, *, most: int) -> Table:
    """The pairs of different languages with the lowest means."""
    cells = sorted(crossing_pairs(system, measure), key=lambda cell: cell.values[measure].mean)
    rows: list[TableRow] = []
    for cell in cells[:most]:
        ceiling = system.ceiling(cell.doc_lang or "", measure)
        rows.append(
            (
                language_label(cell.query_lang),
                language_label(cell.doc_lang),
                _with_interval(cell.values[measure]),
                decimal(ceiling.mean if ceiling else None),
                f"{cell.queries:,}",
            )
        )
    return Table(
        caption=f"The weakest language pairs of {shown(system.name, limit=80)}, {measure}",
        headings=("queries in", "documents in", measure, "ceiling", "queries"),
        align="llrrr",
        rows=tuple(rows),
        heads=2,
        note="Ceiling: queries and documents both in the documents' language.",
    )


def language_table(evaluation: Evaluation, system: SystemResult, measure: str) -> Table:
    """Each language as the queries' and as the documents'."""
    langs = list(dict.fromkeys([*evaluation.query_langs, *evaluation.doc_langs]))
    found, means = pair_values(system, measure), crossing_means(system, measure)
    rows: list[TableRow] = []
    for lang in langs:
        ceiling = found.get((lang, lang))
        crossing = means.get(lang)
        kept = None if ceiling is None or crossing is None else _share(crossing, ceiling.mean)
        rows.append(
            (
                language_label(lang),
                _with_interval(found.get((lang, None))),
                decimal(crossing),
                decimal(ceiling.mean if ceiling else None),
                MISSING if kept is None else f"{kept:.0%}",
            )
        )
    return Table(
        caption=f"{measure} of {shown(system.name, limit=80)}, language by language",
        headings=("language", "asked in it", "found from others", "ceiling", "kept"),
        align="lrrrr",
        rows=tuple(rows),
        note="Asked in it: its queries over all documents. Found from others: its documents, the "
        "mean over the other query languages. Ceiling: queries and documents both in it. Kept: "
        "the share of the ceiling that remains from other languages.",
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _with_interval(interval: Interval | None) -> str:
    if interval is None:
        return MISSING
    return f"{decimal(interval.mean)} ({decimal(interval.low)}–{decimal(interval.high)})"
