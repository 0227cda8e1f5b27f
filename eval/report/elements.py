"""Pieces of the page: tables with captions and scopes, scrolling frames, figures, the summary."""

from __future__ import annotations

import math
from collections.abc import Iterable

from xret.eval.evaluation import Evaluation, Interval, SystemResult
from xret.eval.report.markup import EMPTY, Markup, element, join, literal, quoted
from xret.eval.report.results import best_systems, reference, significance, significance_note
from xret.eval.report.svg import Chart, marker, path, system_class
from xret.eval.report.table import Cell, Table, TableRow
from xret.eval.report.text import MISSING, decimal, shown

__all__ = ["details", "figure", "framed", "html_table", "paragraph", "section", "summary"]

PLOT_WIDTH = 380.0


def section(title: str, anchor: str, parts: Iterable[Markup]) -> Markup:
    """A part of the page under its own heading."""
    heading = element("h2", literal(title), id=f"{anchor}-heading")
    return element(
        "section", join([heading, *parts], "\n"), id=anchor, aria_labelledby=f"{anchor}-heading"
    )


def paragraph(text: str, class_: str | None = None) -> Markup:
    """A paragraph of plain words."""
    return element("p", literal(text), class_=class_)


def details(summary_text: str, content: Markup) -> Markup:
    """What opens at a click or a key, and works without a script."""
    return element("details", join([element("summary", literal(summary_text)), content]))


def figure(chart: Chart, *, alternative: Table | None = None, wide: bool = False) -> Markup:
    """A drawing with its title over it, and the same numbers as a table behind it."""
    parts = [element("figcaption", literal(chart.title))]
    parts.append(framed(chart.svg, chart.title) if wide else chart.svg)
    if alternative is not None:
        parts.append(details("The same as a table", html_table(alternative)))
    return element("figure", join(parts, "\n"), class_="wide" if wide else None)


def framed(content: Markup, name: str) -> Markup:
    """What may be wider than the page scrolls in a frame of its own, by keys too."""
    return element("div", content, class_="scroll", role="region", aria_label=name, tabindex="0")


def html_table(table: Table, *, class_: str | None = None) -> Markup:
    """A table with caption, headings and scopes, in a frame that scrolls where it must."""
    head = EMPTY
    if any(table.headings):
        cells = [
            element("th", literal(heading), scope="col", class_=_side(side))
            for heading, side in zip(table.headings, table.align, strict=True)
        ]
        head = element("thead", element("tr", join(cells)))
    rows = [element("tr", _cells(row, table)) for row in table.rows]
    caption = element("caption", literal(table.caption))
    body = element("tbody", join(rows, "\n"))
    framed_table = framed(
        element("table", join([caption, head, body]), class_=class_), table.caption
    )
    note = element("p", literal(table.note), class_="note") if table.note else EMPTY
    return join([framed_table, note], "\n")


def summary(evaluation: Evaluation) -> Markup:
    """Every measure with every system's mean, interval and its place between 0 and 1."""
    several = len(evaluation.systems) > 1
    names = ["measure", *(["system"] if several else []), "mean", "interval", "from 0 to 1"]
    heads = [
        element(
            "th",
            literal(name),
            scope="col",
            class_={"mean": "number mean", "interval": "number"}.get(name),
        )
        for name in names
    ]
    groups = [
        element("tbody", join(_measure_rows(evaluation, facts.name, several=several)))
        for facts in evaluation.measures
    ]
    caption = "All judged queries over all documents"
    table = element(
        "table",
        join(
            [
                element("caption", literal(caption)),
                element("thead", element("tr", join(heads))),
                *groups,
            ]
        ),
        class_="summary",
    )
    note = significance_note(evaluation) + " The bar is the interval, the shape its mean; where a "
    note += "measure goes beyond 1 the axis ends at its largest value."
    return join([framed(table, caption), element("p", literal(note.strip()), class_="note")])


def _measure_rows(evaluation: Evaluation, measure: str, *, several: bool) -> list[Markup]:
    systems = evaluation.systems
    intervals = [system.overall(measure) for system in systems]
    end = max([1.0, *[interval.high for interval in intervals if interval is not None]])
    rows = []
    for position, (system, interval) in enumerate(zip(systems, intervals, strict=True)):
        cells = []
        if position == 0:
            span = str(len(systems)) if several else None
            scope = "rowgroup" if several else "row"
            cells.append(element("th", literal(measure), scope=scope, rowspan=span))
        if several:
            cells.append(element("th", _system_name(system, position), scope="row"))
        best = system.name in best_systems(evaluation, measure)
        cells += _interval_cells(evaluation, system, measure, interval, best=best)
        cells.append(element("td", _plot(interval, position, end), class_="plot"))
        rows.append(element("tr", join(cells)))
    return rows


def _system_name(system: SystemResult, position: int) -> Markup:
    shape = element(
        "svg",
        marker(position, 6, 6),
        class_="shape",
        width="12",
        height="12",
        viewBox="0 0 12 12",
        aria_hidden="true",
    )
    return join([shape, element("bdi", literal(shown(system.name, limit=80)))], " ")


def _interval_cells(
    evaluation: Evaluation,
    system: SystemResult,
    measure: str,
    interval: Interval | None,
    *,
    best: bool,
) -> list[Markup]:
    if interval is None:
        return [element("td", literal(MISSING), class_="number")] * 2
    value = literal(decimal(interval.mean))
    found = significance(evaluation, system.name, measure)
    # An empty sign keeps its room, so that the numbers stay in one column.
    mark, words = "", ""
    if found is not None:
        up = found.difference.mean > 0
        mark = "▲" if up else "▼"
        other = shown(reference(evaluation), limit=80)
        words = f" significantly {'higher' if up else 'lower'} than {other}"
    sign = join(
        [
            element("span", literal(mark), aria_hidden="true", class_="mark-sign"),
            element("span", literal(words), class_="unseen") if words else EMPTY,
        ]
    )
    spread = literal(f"{decimal(interval.low)}–{decimal(interval.high)}")
    return [
        element("td", join([element("strong", value) if best else value, sign]), class_="number"),
        element("td", spread, class_="number quiet"),
    ]


def _plot(interval: Interval | None, position: int, end: float) -> Markup:
    """The interval on its axis; the numbers stand beside it, so that it is silent."""
    if interval is None or not math.isfinite(interval.mean):
        return EMPTY
    low, mean, high = (
        4 + (PLOT_WIDTH - 8) * min(max(value / end, 0.0), 1.0)
        for value in (interval.low, interval.mean, interval.high)
    )
    parts = [
        path(f"M4 8H{PLOT_WIDTH - 4:g}M4 5v6M{PLOT_WIDTH - 4:g} 5v6", "axis-line"),
        path(f"M{low:.1f} 8H{high:.1f}", f"{system_class(position)} spread"),
        marker(position, mean, 8, 3.6),
    ]
    return element(
        "svg",
        join(parts),
        class_="interval",
        viewBox=f"0 0 {PLOT_WIDTH:g} 16",
        width=PLOT_WIDTH,
        height="16",
        aria_hidden="true",
    )


def _cells(row: TableRow, table: Table) -> Markup:
    written = []
    for place, (cell, side) in enumerate(zip(row, table.align, strict=True)):
        inner = _cell(cell)
        if place < table.heads:
            written.append(element("th", inner, scope="row"))
        else:
            written.append(element("td", inner, class_=_side(side)))
    return join(written)


def _cell(cell: Cell | str) -> Markup:
    if isinstance(cell, str):
        cell = Cell(cell)
    if cell.lang is not None:
        return quoted(cell.text, cell.lang)
    value = element("strong", literal(cell.text)) if cell.best else literal(cell.text)
    return join([value, literal(cell.mark)]) if cell.mark else value


def _side(side: str) -> str | None:
    return "number" if side == "r" else None
