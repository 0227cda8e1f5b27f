"""The parts of the page, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xret.eval.evaluation import Comparison, Evaluation, SystemResult
from xret.eval.report.bars import document_chart, query_chart
from xret.eval.report.charts import difference_chart, recall_chart, share_chart
from xret.eval.report.colours import SYSTEM_COLOURS
from xret.eval.report.elements import (
    details,
    figure,
    framed,
    html_table,
    paragraph,
    section,
    summary,
)
from xret.eval.report.findings import findings
from xret.eval.report.heat_map import (
    MAX_NUMBERED,
    heat_chart,
    heat_key,
    heat_table,
    measure_scale,
)
from xret.eval.report.markup import Markup, element, join, literal
from xret.eval.report.paper import paper_tables
from xret.eval.report.provenance import (
    checksum_table,
    collection_table,
    cost_table,
    measure_table,
    metadata_text,
    repetition_table,
    system_table,
)
from xret.eval.report.queries import change_table, recall_table, share_table, worst_table
from xret.eval.report.results import (
    PAPER_COLUMNS,
    comparison_table,
    crossing_pairs,
    language_table,
    pair_table,
)
from xret.eval.report.svg import Chart
from xret.eval.report.table import Table, columns
from xret.eval.report.text import shown

__all__ = ["charts", "ranked_comparisons", "sections"]

WEAKEST = 6
MAX_SYSTEMS = SYSTEM_COLOURS
"""Maps and drawings show that many systems, each by a shape of its own; tables name all."""

MAX_WARNINGS = 12
MAX_PRINTED = 60
"""Comparisons that a printed page has."""

MAX_DRAWN = 100
"""A map of more languages on a side than this is a blur; pairs.csv has its numbers."""

Section = tuple[str, str, Markup]
"""Anchor, title and content."""


def sections(evaluation: Evaluation, *, depth: int = 0) -> list[Section]:
    """Every part that the evaluation has something for.

    depth: 0 for all, 1 without the maps of further measures and the tables behind the
    drawings, 2 without the tables of single queries and with fewer systems drawn too.
    """
    made: list[tuple[str, str, list[Markup]]] = [
        ("summary", "Summary", list(_summary(evaluation))),
        ("pairs", "Language pairs", list(_pairs(evaluation, depth))),
        ("languages", "By language", list(_languages(evaluation, depth))),
        ("ranks", "By rank", list(_ranks(evaluation, depth))),
        ("differences", "By query", list(_differences(evaluation, depth))),
        ("worst", "Worst queries", list(_worst(evaluation, depth))),
        ("cost", "Time and size", _cost(evaluation)),
        ("repeat", "To repeat it", list(_repeat(evaluation))),
    ]
    return [(a, title, section(title, a, parts)) for a, title, parts in made if parts]


def ranked_comparisons(evaluation: Evaluation) -> list[Comparison]:
    """The comparisons by the measure that ranks, the ones that are drawn."""
    first = evaluation.measures[0].name
    return [c for c in evaluation.comparisons if c.measure == first][:MAX_SYSTEMS]


def charts(evaluation: Evaluation) -> Iterator[Chart]:
    """Every drawing, to stand alone in a file of its own."""
    measure = evaluation.measures[0].name
    scale = measure_scale(evaluation, measure)
    for place, system in enumerate(evaluation.systems[:MAX_SYSTEMS], start=1):
        if _has_matrix(system) and _widest(evaluation) <= MAX_DRAWN:
            yield heat_chart(evaluation, system, measure, scale, key=f"heat-map-{place}")
        if system.language_share:
            yield share_chart(evaluation, system, key=f"language-share-{place}")
    drawn = _few(evaluation)
    if _asked(evaluation):
        yield query_chart(drawn, measure, key="query-languages")
    if _crosses(evaluation):
        yield document_chart(drawn, measure, key="document-languages")
    if any(system.recall for system in evaluation.systems):
        yield recall_chart(drawn, key="recall")
    for place, comparison in enumerate(ranked_comparisons(evaluation), start=1):
        yield difference_chart(evaluation, comparison, key=f"differences-{place}")


def _summary(evaluation: Evaluation) -> Iterator[Markup]:
    if evaluation.warnings:
        told = [shown(warning, limit=1_000) for warning in evaluation.warnings[:MAX_WARNINGS]]
        if len(evaluation.warnings) > MAX_WARNINGS:
            left = len(evaluation.warnings) - MAX_WARNINGS
            told.append(f"and {left:,} more, which stand in report.json")
        warnings = [element("li", literal(warning)) for warning in told]
        heading = element("h3", literal("Before you read on"))
        yield element("div", join([heading, element("ul", join(warnings))]), class_="notice")
    found = [element("li", _isolates(sentence)) for sentence in findings(evaluation)]
    if found:
        yield element("ul", join(found), class_="findings")
    yield summary(evaluation)
    first, *others = paper_tables(evaluation)
    yield html_table(first, class_="paper")
    if others:
        tables = join([html_table(table, class_="paper") for table in others])
        yield details("The same by other measures", tables)
    compared = comparison_table(evaluation)
    if compared is not None:
        yield details("Every comparison, with its tests", html_table(compared))
        yield element("div", html_table(_printed(compared)), class_="printed")
    yield details("What the measures are", html_table(measure_table(evaluation)))


def _printed(compared: Table) -> Table:
    """The tests as paper has room for them, where nothing opens at a click."""
    table = replace(columns(compared, PAPER_COLUMNS), caption="Every comparison, adjusted")
    left = len(table.rows) - MAX_PRINTED
    if left <= 0:
        return table
    note = f"{left:,} further comparisons stand in comparisons.csv. {table.note}"
    return replace(table, rows=table.rows[:MAX_PRINTED], note=note)


def _pairs(evaluation: Evaluation, depth: int) -> Iterator[Markup]:
    systems = [s for s in evaluation.systems if _has_matrix(s)]
    if not systems:
        return
    names = [facts.name for facts in evaluation.measures if facts.kind == "effectiveness"]
    first = evaluation.measures[0].name
    yield paragraph(
        "Rows are the language of the queries, columns that of the documents. A pair ranks and "
        "judges the documents of its language alone; “all” is the mixed list of every document."
    )
    if _widest(evaluation) > MAX_DRAWN:
        yield paragraph("These are too many languages for a map; pairs.csv has every number.")
    else:
        yield from _maps(evaluation, systems, first)
    weakest = [
        element("div", html_table(pair_table(system, first, most=WEAKEST)))
        for system in systems[:MAX_SYSTEMS]
        if system.worst_pair(first) is not None
    ]
    yield element("div", join(weakest), class_="figures apart")
    if depth == 0 and not _too_wide(evaluation):
        for name in names:
            if name != first:
                maps = join(list(_maps(evaluation, systems, name)))
                yield details(f"The same by {name}", maps)


def _maps(evaluation: Evaluation, systems: list[SystemResult], measure: str) -> Iterator[Markup]:
    scale = measure_scale(evaluation, measure)
    place = {s.name: n for n, s in enumerate(evaluation.systems, start=1)}
    if not _too_wide(evaluation):
        yield heat_key(measure, scale)
    for system in systems[:MAX_SYSTEMS]:
        heading = element("h3", element("bdi", literal(shown(system.name, limit=80))))
        if _too_wide(evaluation):
            chart = heat_chart(evaluation, system, measure, scale, key=f"map-{place[system.name]}")
            yield figure(chart, wide=True)
            yield paragraph("Every number of this map stands in pairs.csv.", "note")
        else:
            name = f"{measure} of {shown(system.name, limit=80)} by language pair"
            table = framed(heat_table(evaluation, system, measure, scale), name)
            yield element("div", join([heading, table]), class_="map")


def _languages(evaluation: Evaluation, depth: int) -> Iterator[Markup]:
    measure = evaluation.measures[0].name
    drawn = _few(evaluation, 2 if depth > 1 else MAX_SYSTEMS)
    figures = []
    if _asked(evaluation):
        figures.append(figure(query_chart(drawn, measure, key="bars-queries")))
    if _crosses(evaluation):
        figures.append(figure(document_chart(drawn, measure, key="bars-documents")))
    if figures:
        yield element("div", join(figures), class_="figures")
    for system in drawn.systems:
        if depth == 0:
            table = language_table(evaluation, system, measure)
            yield details(f"{table.caption}, as a table", html_table(table))


def _ranks(evaluation: Evaluation, depth: int) -> Iterator[Markup]:
    drawn = _few(evaluation)
    figures = []
    if any(system.recall for system in drawn.systems):
        table = recall_table(evaluation) if depth == 0 else None
        figures.append(figure(recall_chart(drawn, key="curve"), alternative=table))
    for place, system in enumerate(drawn.systems, start=1):
        if system.language_share and system.share_ranks:
            table = share_table(system) if depth == 0 else None
            figures.append(
                figure(share_chart(evaluation, system, key=f"share-{place}"), alternative=table)
            )
    if figures:
        yield element("div", join(figures), class_="figures")


def _differences(evaluation: Evaluation, depth: int) -> Iterator[Markup]:
    drawn = ranked_comparisons(evaluation)
    figures = [
        figure(difference_chart(evaluation, comparison, key=f"change-{place}"))
        for place, comparison in enumerate(drawn, start=1)
    ]
    if figures:
        yield element("div", join(figures), class_="figures")
    if depth < 2:
        yield from (html_table(change_table(evaluation, comparison)) for comparison in drawn)


def _worst(evaluation: Evaluation, depth: int) -> Iterator[Markup]:
    measure = evaluation.measures[0].name
    for system in evaluation.systems[:MAX_SYSTEMS]:
        if system.worst_queries and depth < 2:
            yield html_table(worst_table(system, measure), class_="texts")


def _cost(evaluation: Evaluation) -> list[Markup]:
    told = any(s.latency is not None or s.index_bytes is not None for s in evaluation.systems)
    return [html_table(cost_table(evaluation))] if told else []


def _repeat(evaluation: Evaluation) -> Iterator[Markup]:
    command = shown(evaluation.environment.command, limit=4_000)
    yield _code(command, "Command")
    yield html_table(system_table(evaluation))
    yield html_table(repetition_table(evaluation), class_="pairs")
    yield html_table(collection_table(evaluation), class_="pairs")
    checksums = checksum_table(evaluation)
    if checksums is not None:
        yield html_table(checksums, class_="sums")
    for system in evaluation.systems[:MAX_SYSTEMS]:
        told = metadata_text(system)
        if told:
            name = f"Metadata of the run of {shown(system.name, limit=80)}"
            yield details(name, _code(told, name))


def _code(text: str, name: str) -> Markup:
    """Text as it is typed, which scrolls by keys too."""
    lines = join([literal(row) for row in text.split("\n")], "\n")
    return element("pre", element("code", lines), role="region", tabindex="0", aria_label=name)


def _isolates(sentence: str) -> Markup:
    """A sentence of ours, the isolates that it sets around names as elements."""
    escaped = [literal(part) for part in sentence.replace("\u2069", "\u2068").split("\u2068")]
    # Isolates come in pairs: every second part is a name.
    return join([element("bdi", part) if n % 2 else part for n, part in enumerate(escaped)])


def _few(evaluation: Evaluation, most: int = MAX_SYSTEMS) -> Evaluation:
    return replace(evaluation, systems=evaluation.systems[:most])


def _has_matrix(system: SystemResult) -> bool:
    return any(cell.doc_lang is not None for cell in system.pairs)


def _crosses(evaluation: Evaluation) -> bool:
    measure = evaluation.measures[0].name
    return any(crossing_pairs(system, measure) for system in evaluation.systems)


def _asked(evaluation: Evaluation) -> bool:
    """Whether there are queries of a language over the mixed list."""
    cells = (cell for system in evaluation.systems for cell in system.pairs)
    return any(cell.query_lang is not None and cell.doc_lang is None for cell in cells)


def _widest(evaluation: Evaluation) -> int:
    return max(len(evaluation.query_langs), len(evaluation.doc_langs))


def _too_wide(evaluation: Evaluation) -> bool:
    return _widest(evaluation) > MAX_NUMBERED
