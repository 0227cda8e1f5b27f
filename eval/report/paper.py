"""The tables of a paper: systems by document languages, and query by document languages."""

from __future__ import annotations

from collections.abc import Iterator

from xret.eval.evaluation import Evaluation, SystemResult
from xret.eval.report.results import SIGNIFICANT, mean, reference
from xret.eval.report.table import SUPERSCRIPTS, Cell, Table
from xret.eval.report.text import MISSING, decimal, shown

__all__ = [
    "column_value",
    "paper_columns",
    "paper_measures",
    "paper_table",
    "paper_tables",
    "significantly_above",
]

LETTERS = "".join(SUPERSCRIPTS)
"""Of the systems, in their order."""

MOST_ACROSS = 12
"""With more languages than this they stand in the rows."""

MACRO, MICRO, MIXED = "Avg", "micro", "mixed"


def paper_measures(evaluation: Evaluation) -> list[str]:
    """The measures that have a table: those of effectiveness, in their order."""
    return [facts.name for facts in evaluation.measures if facts.kind == "effectiveness"]


def paper_tables(evaluation: Evaluation) -> Iterator[Table]:
    """Systems by document languages, a table a measure."""
    for measure in paper_measures(evaluation):
        yield paper_table(evaluation, measure)


def paper_table(evaluation: Evaluation, measure: str) -> Table:
    """Systems down, document languages across, with averages and marks of significance.

    A column's queries are in other languages than its documents, where there are such. Where
    there are more than 12 languages they stand in the rows.
    """
    heads = paper_columns(evaluation, measure)
    grid: list[list[Cell | str]] = [["system", *heads.values()]]
    for place, system in enumerate(evaluation.systems):
        row: list[Cell | str] = [_name(evaluation, system, place)]
        row += [_cell(evaluation, system, measure, head) for head in heads]
        grid.append(row)
    if len(heads) > MOST_ACROSS:
        grid = [list(column) for column in zip(*grid, strict=True)]
        grid[0][0] = "documents"
    headings = tuple(
        cell if isinstance(cell, str) else f"{cell.text}{cell.mark}" for cell in grid[0]
    )
    return Table(
        caption=f"{measure} by the language of the documents",
        headings=headings,
        align="l" + "r" * (len(headings) - 1),
        rows=tuple(tuple(row) for row in grid[1:]),
        note=_note(evaluation, measure, list(heads)),
    )


def significantly_above(
    evaluation: Evaluation, system: str, measure: str, column: str
) -> dict[str, bool]:
    """The systems that differ significantly from this one in a column: whether it is above.

    column: a document language, or one of the averages, which share a test of all values.
    """
    found: dict[str, bool] = {}
    if column == MIXED:
        for c in evaluation.comparisons:
            if c.measure == measure and c.p_randomisation_holm < SIGNIFICANT:
                if c.system == system:
                    found[c.baseline] = c.difference.mean > 0
                elif c.baseline == system:
                    found[c.system] = c.difference.mean < 0
        return found
    lang = None if column in (MACRO, MICRO) else column
    for test in evaluation.column_tests:
        if (test.measure, test.doc_lang) == (measure, lang) and test.p_holm < SIGNIFICANT:
            if test.system == system:
                found[test.baseline] = test.difference > 0
            elif test.baseline == system:
                found[test.system] = test.difference < 0
    return found


def column_value(evaluation: Evaluation, system: str, measure: str, column: str) -> float | None:
    """What stands in a cell; None where nothing was measured."""
    if column == MIXED or "@" in column:
        overall = evaluation.system(system).overall(measure if column == MIXED else column)
        return None if overall is None else overall.mean
    own = {
        one.doc_lang: one.mean
        for one in evaluation.columns
        if (one.system, one.measure) == (system, measure)
    }
    if column == MACRO:
        return mean(value for lang, value in own.items() if lang is not None)
    return own.get(None if column == MICRO else column)


def paper_columns(evaluation: Evaluation, measure: str) -> dict[str, str]:
    """The columns with their headings: languages, averages, the mixed list, and beside them how
    much of it is in the question's language."""
    langs = [
        lang
        for lang in evaluation.doc_langs
        if any((c.measure, c.doc_lang) == (measure, lang) for c in evaluation.columns)
    ]
    heads = {lang: lang for lang in langs}
    if len(langs) > 1:
        heads |= {MACRO: MACRO, MICRO: MICRO}
    if len(langs) != 1:
        heads[MIXED] = MIXED if langs else "all"
    preference = [
        f.name for f in evaluation.measures if f.name.startswith(("OwnShare@", "OwnFirst@"))
    ]
    return heads | {name: name for name in preference}


def _name(evaluation: Evaluation, system: SystemResult, place: int) -> Cell:
    letters = not evaluation.baseline and 1 < len(evaluation.systems) <= len(LETTERS)
    return Cell(shown(system.name, limit=80), mark=LETTERS[place] if letters else "")


def _cell(evaluation: Evaluation, system: SystemResult, measure: str, column: str) -> Cell:
    value = column_value(evaluation, system.name, measure, column)
    if value is None:
        return Cell(MISSING)
    if "@" in column:
        return Cell(decimal(value))
    facts = next(facts for facts in evaluation.measures if facts.name == measure)
    values = [
        other
        for one in evaluation.systems
        if (other := column_value(evaluation, one.name, measure, column)) is not None
    ]
    best = None
    if len(evaluation.systems) > 1 and facts.higher_is_better is not None:
        best = max(values) if facts.higher_is_better else min(values)
    mark = _mark(evaluation, system.name, measure, column)
    return Cell(decimal(value), mark=mark, best=value == best)


def _mark(evaluation: Evaluation, system: str, measure: str, column: str) -> str:
    """Letters of the systems that this one is above, or ▲ and ▼ against the reference."""
    above = significantly_above(evaluation, system, measure, column)
    names = [one.name for one in evaluation.systems]
    if not evaluation.baseline and len(names) <= len(LETTERS):
        return "".join(LETTERS[at] for at, name in enumerate(names) if above.get(name))
    told = above.get(reference(evaluation))
    return "" if told is None else "▲" if told else "▼"


def _note(evaluation: Evaluation, measure: str, columns: list[str]) -> str:
    parts = []
    if MACRO in columns:
        queries = sorted(
            {c.queries for c in evaluation.columns if c.measure == measure and c.doc_lang}
        )
        span = f"{queries[0]:,}" if len(queries) == 1 else f"{queries[0]:,} to {queries[-1]:,}"
        parts.append(
            f"Columns: queries in other languages than the documents where there are any, {span} "
            "a column. Avg: the mean of the columns; micro: of all their queries; mixed: one "
            "list of all documents."
        )
    if any("@" in column for column in columns):
        parts.append(
            "OwnShare and OwnFirst: how much of the mixed list, and how often its first relevant "
            "document, is in the question's language; neither end is better."
        )
    if len(evaluation.systems) > 1:
        tests = sum(
            t.measure == measure and t.doc_lang is not None for t in evaluation.column_tests
        )
        against = "the system of that letter"
        signs = "A letter: significantly above"
        if evaluation.baseline or len(evaluation.systems) > len(LETTERS):
            against, signs = shown(reference(evaluation), limit=80), "▲ above and ▼ below"
        parts.append(
            f"{signs} {against}: paired randomisation test, p < {SIGNIFICANT:g} after Holm's "
            f"correction over the {tests:,} tests of the columns. The averages share a test of "
            "all values together."
            if tests
            else f"{signs} {against}: paired randomisation test, p < {SIGNIFICANT:g}, corrected."
        )
    return " ".join(parts)
