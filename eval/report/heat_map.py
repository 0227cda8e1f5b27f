"""The query-language by document-language matrix in colour: a table for the page, a drawing.

Values are cut into at most ten equal classes, one class range for all systems of a measure, so
that maps can be compared. A pair without judged queries is hatched and says so; pairs within
one language are framed; the weakest pair bears a sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from xret.eval.evaluation import Evaluation, Interval, SystemResult
from xret.eval.report.markup import EMPTY, Markup, element, join, literal
from xret.eval.report.results import LanguagePair, pair_values
from xret.eval.report.svg import Chart, drawing, label, nice_step, path, rect
from xret.eval.report.text import (
    MISSING,
    decimal,
    language_label,
    language_title,
    short_number,
    shown,
)
from xret.retriever.alignment import HEAT_STEPS

__all__ = ["MAX_NUMBERED", "HeatScale", "heat_chart", "heat_key", "heat_table", "measure_scale"]

MAX_NUMBERED = 24
"""More languages than this on a side are drawn without numbers."""


@dataclass(frozen=True, slots=True)
class HeatScale:
    """Classes of equal width from `low` on; `classes` is at most HEAT_STEPS."""

    low: float
    step: float
    classes: int

    def level(self, value: float) -> int:
        """The place on the colour ramp, 0 to HEAT_STEPS - 1."""
        # A value on a border belongs to the class above, however its digits were rounded.
        place = math.floor((value - self.low) / self.step + 1e-9)
        inside = min(max(place, 0), self.classes - 1)
        return round(inside * (HEAT_STEPS - 1) / max(self.classes - 1, 1))

    def borders(self) -> list[float]:
        """The lower end of every class, and the upper end of the last."""
        return [self.low + place * self.step for place in range(self.classes + 1)]


def heat_scale(values: Iterable[float]) -> HeatScale:
    """The roundest classes that hold all values: their width is 1, 2, 2.5 or 5 times 10^n."""
    found = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(found), max(found)
    step = nice_step(max(high - low, 0.02), HEAT_STEPS)
    while True:
        start = math.floor(low / step + 1e-9) * step
        classes = max(math.ceil((high - start) / step - 1e-9), 1)
        if classes <= HEAT_STEPS:
            return HeatScale(start, step, classes)
        step = nice_step(step * HEAT_STEPS * 1.01, HEAT_STEPS)


def measure_scale(evaluation: Evaluation, measure: str) -> HeatScale:
    """One range of classes for the cells of all systems."""
    return heat_scale(
        cell.values[measure].mean
        for system in evaluation.systems
        for cell in system.pairs
        if cell.query_lang is not None and measure in cell.values
    )


def heat_table(
    evaluation: Evaluation, system: SystemResult, measure: str, scale: HeatScale
) -> Markup:
    """The map as a table: its cells hold their numbers."""
    columns: list[str | None] = [*evaluation.doc_langs, None]
    heads = [element("th", literal("queries ↓ documents →"), scope="col", class_="corner")]
    heads += [_column_head(lang) for lang in columns]
    worst, found = _worst(system, measure), pair_values(system, measure)
    rows = [
        element(
            "tr",
            join(
                [
                    element("th", _language_head(query_lang), scope="row"),
                    *[
                        _heat_cell(
                            found.get((query_lang, doc_lang)), (query_lang, doc_lang), scale, worst
                        )
                        for doc_lang in columns
                    ],
                ]
            ),
        )
        for query_lang in evaluation.query_langs
    ]
    caption = f"{measure} of {shown(system.name, limit=80)} by languages of queries and documents"
    return element(
        "table",
        join(
            [
                element("caption", element("span", literal(caption), class_="unseen")),
                element("thead", element("tr", join(heads))),
                element("tbody", join(rows)),
            ]
        ),
        class_="heat" + (" dense" if len(columns) > 13 else ""),
    )


def heat_key(measure: str, scale: HeatScale) -> Markup:
    """What the colours and signs of a map mean."""
    borders = scale.borders()
    swatches = [
        element(
            "li",
            literal(f"{short_number(low)}–{short_number(high)}"),
            class_=f"h{scale.level(low)}",
        )
        for low, high in pairwise(borders)
    ]
    signs = [
        ("same", "\xa0", "same language"),
        ("missing", MISSING, "no judged query"),
        ("worst", "▾", "weakest pair across languages"),
    ]
    explained = [
        element(
            "li",
            join(
                [
                    element("span", literal(sign), class_=f"sign {name}", aria_hidden="true"),
                    literal(f" {words}"),
                ]
            ),
        )
        for name, sign, words in signs
    ]
    return element(
        "div",
        join(
            [
                element("p", literal(measure), class_="measure"),
                element(
                    "ol", join(swatches), class_="swatches", aria_label=f"Colours of {measure}"
                ),
                element("ul", join(explained), class_="signs"),
            ]
        ),
        class_="key",
    )


def heat_chart(
    evaluation: Evaluation, system: SystemResult, measure: str, scale: HeatScale, *, key: str
) -> Chart:
    """The map as a drawing, with numbers while they can be read."""
    rows, columns = evaluation.query_langs, evaluation.doc_langs
    numbered = max(len(rows), len(columns)) <= MAX_NUMBERED
    wide, high = (34.0, 24.0) if numbered else (11.0, 11.0)
    left, top = 8.0 + 7 * max((len(lang) for lang in rows), default=2), 44.0
    class_ = "axis" if numbered else "axis small"
    parts = [
        label(left + (place + 0.5) * wide, top - 6, lang, anchor="middle", class_=class_)
        if numbered
        else _upright(left + (place + 0.8) * wide, top - 4, lang)
        for place, lang in enumerate(columns)
    ]
    parts += [
        label(left - 5, top + (place + 0.5) * high + 4, lang, anchor="end", class_=class_)
        for place, lang in enumerate(rows)
    ]
    parts += _cells(system, measure, scale, rows, columns, (left, top, wide, high), numbered)
    width = max(left + wide * len(columns) + 8, 340.0)
    bottom = top + high * len(rows)
    parts += _drawn_key(measure, scale, left, bottom + 16)
    title = f"{measure} of {shown(system.name, limit=80)}: queries down, documents across"
    return Chart(
        key,
        title,
        drawing(key, width, bottom + 66, title, _told(system, measure, rows, columns), parts),
    )


def _column_head(lang: str | None) -> Markup:
    if lang is None:
        return element("th", literal("all"), scope="col", class_="all")
    name = element("span", literal(f" {language_title(lang)}"), class_="unseen")
    return element("th", join([literal(lang), name]), scope="col")


def _language_head(lang: str) -> Markup:
    title = language_title(lang)
    code = element("span", literal(lang), class_="code")
    return code if title == lang else join([element("span", literal(title)), code], " ")


def _worst(system: SystemResult, measure: str) -> LanguagePair | None:
    cell = system.worst_pair(measure)
    return None if cell is None else (cell.query_lang, cell.doc_lang)


def _heat_cell(
    value: Interval | None, pair: LanguagePair, scale: HeatScale, worst: LanguagePair | None
) -> Markup:
    query_lang, doc_lang = pair
    names = ["all"] if doc_lang is None else ["same"] if doc_lang == query_lang else []
    if value is None:
        words = element("span", literal(" no judged query"), class_="unseen")
        return element("td", join([literal(MISSING), words]), class_=" ".join([*names, "missing"]))
    names.append(f"h{scale.level(value.mean)}")
    sign = EMPTY
    if pair == worst:
        names.append("worst")
        seen = element("span", literal("▾"), aria_hidden="true")
        sign = join([seen, element("span", literal(" weakest pair"), class_="unseen")])
    return element("td", join([literal(short_number(value.mean)), sign]), class_=" ".join(names))


def _cells(
    system: SystemResult,
    measure: str,
    scale: HeatScale,
    rows: Sequence[str],
    columns: Sequence[str],
    frame: tuple[float, float, float, float],
    numbered: bool,
) -> list[Markup]:
    """One path a class, however many cells; then frames, crosses and numbers over them."""
    left, top, wide, high = frame
    found = pair_values(system, measure)
    fills: dict[str, list[str]] = {}
    frames: dict[str, list[str]] = {}
    numbers: list[Markup] = []
    for down, query_lang in enumerate(rows):
        for across, doc_lang in enumerate(columns):
            x, y = left + across * wide, top + down * high
            value = found.get((query_lang, doc_lang))
            if value is None:
                cross = f"M{x + 2:g} {y + high - 3:g}L{x + wide - 3:g} {y + 2:g}"
                fills.setdefault("absent", []).append(cross)
                continue
            level = scale.level(value.mean)
            # A thick stroke is half as long to write as a box, and there may be thousands.
            fills.setdefault(f"h{level}", []).append(f"M{x:g} {y + (high - 1) / 2:g}h{wide - 1:g}")
            if query_lang == doc_lang:
                inner = f"M{x + 1.5:g} {y + 1.5:g}h{wide - 4:g}v{high - 4:g}h{4 - wide:g}z"
                frames.setdefault(f"frame edge{level}", []).append(inner)
            if numbered:
                numbers.append(
                    label(
                        x + wide / 2 - 0.5,
                        y + high / 2 + 3.5,
                        short_number(value.mean),
                        anchor="middle",
                        class_=f"on{level}",
                    )
                )
    drawn = [
        element(
            "path",
            class_=name,
            d="".join(fills[name]),
            stroke_width=high - 1 if name != "absent" else 1.0,
        )
        for name in sorted(fills)
    ]
    return [*drawn, *(path("".join(boxes), name) for name, boxes in frames.items()), *numbers]


def _drawn_key(measure: str, scale: HeatScale, x: float, y: float) -> list[Markup]:
    wide = 30.0
    borders = scale.borders()
    parts = [label(x, y + 4, measure, class_="axis")]
    for place, border in enumerate(borders):
        if place < scale.classes:
            parts.append(rect(x + place * wide, y + 10, wide, 10, f"h{scale.level(border)}"))
        parts.append(label(x + place * wide, y + 33, short_number(border), class_="axis small"))
    parts.append(
        label(x, y + 47, "framed: same language; stroke: no judged query", class_="axis small")
    )
    return parts


def _upright(x: float, y: float, text: str) -> Markup:
    return element(
        "text", literal(text), x=x, y=y, class_="axis small", transform=f"rotate(-90 {x:g} {y:g})"
    )


def _told(system: SystemResult, measure: str, rows: Sequence[str], columns: Sequence[str]) -> str:
    cells = [c for c in system.pairs if c.query_lang in rows and c.doc_lang in columns]
    means = [cell.values[measure].mean for cell in cells if measure in cell.values]
    if not means:
        return "No pair of languages has judged queries."
    worst = system.worst_pair(measure)
    words = f"{len(rows)} query languages by {len(columns)} document languages, {len(means)} pairs "
    words += f"with judged queries, from {decimal(min(means))} to {decimal(max(means))}."
    if worst is not None:
        pair = f"{language_label(worst.query_lang)} over {language_label(worst.doc_lang)}"
        words += f" Weakest across languages: {pair}, {decimal(worst.values[measure].mean)}."
    return words
