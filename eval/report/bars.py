"""Bars of each language, a bar a system, with the monolingual ceiling beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xret.eval.evaluation import Evaluation, Interval, SystemResult
from xret.eval.report.markup import Markup
from xret.eval.report.results import crossing_means, pair_values
from xret.eval.report.svg import (
    Chart,
    Scale,
    drawing,
    label,
    legend,
    line,
    marker,
    nice_step,
    rect,
    system_class,
)
from xret.eval.report.text import decimal, language_title, short_number, shown

__all__ = ["document_chart", "query_chart"]

WIDTH = 390.0
LEFT = 98.0
RIGHT = 312.0
MANY = 24
"""With more languages than this the bars are thin and bear no numbers."""

Bar = tuple[float | None, Interval | None, float | None]
"""Length, None where there is only a ceiling; the interval at its end; the ceiling."""


def query_chart(evaluation: Evaluation, measure: str, *, key: str) -> Chart:
    """Queries of each language over all documents, with their intervals."""

    def bars(system: SystemResult) -> dict[str, Bar]:
        values = pair_values(system, measure)
        asked = {lang: values.get((lang, None)) for lang in evaluation.query_langs}
        return {lang: (i.mean, i, None) for lang, i in asked.items() if i is not None}

    title = f"{measure} by language of the queries, over all documents"
    return _chart(evaluation, evaluation.query_langs, bars, key, title)


def document_chart(evaluation: Evaluation, measure: str, *, key: str) -> Chart:
    """Documents of each language asked for in the others, under their monolingual ceiling."""

    def bars(system: SystemResult) -> dict[str, Bar]:
        values, means = pair_values(system, measure), crossing_means(system, measure)
        found: dict[str, Bar] = {}
        for lang in evaluation.doc_langs:
            ceiling = values.get((lang, lang))
            if lang in means or ceiling is not None:
                found[lang] = (means.get(lang), None, None if ceiling is None else ceiling.mean)
        return found

    title = f"{measure} by language of the documents, asked in the other languages"
    return _chart(evaluation, evaluation.doc_langs, bars, key, title)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where the bars stand. bar, gap: heights in pixels; numbered: whether numbers fit."""

    top: float
    bar: float
    gap: float
    numbered: bool
    scale: Scale


def _chart(
    evaluation: Evaluation,
    langs: Sequence[str],
    of: Callable[[SystemResult], dict[str, Bar]],
    key: str,
    title: str,
) -> Chart:
    systems = evaluation.systems
    bars = {(s.name, lang): found for s in systems for lang, found in of(s).items()}
    langs = [lang for lang in langs if any((s.name, lang) in bars for s in systems)]
    ceilings = any(ceiling is not None for _, _, ceiling in bars.values())
    numbered = len(langs) <= MANY
    rows = _Rows(
        top=18.0 * (len(systems) + ceilings) + 20,
        bar=13.0 if numbered else 5.0,
        gap=9.0 if numbered or len(systems) > 1 else 7.0,
        numbered=numbered,
        scale=Scale(0.0, _high(list(bars.values())), LEFT, RIGHT if numbered else WIDTH - 12),
    )
    group = rows.bar * len(systems) + rows.gap
    bottom = rows.top + group * len(langs)
    parts = legend([system.name for system in systems], 0, 8, lines=False)
    if ceilings:
        parts += _ceiling_legend(8 + 18 * len(systems))
    parts += _axis(rows.scale, rows.top, bottom)
    for place, lang in enumerate(langs):
        y = rows.top + place * group + rows.gap / 2
        parts.append(
            label(
                LEFT - 8,
                y + (group - rows.gap) / 2 + 4,
                _name(lang),
                anchor="end",
                class_=None if numbered else "small",
            )
        )
        for position, system in enumerate(systems):
            if (system.name, lang) in bars:
                found = bars[system.name, lang]
                parts += _bar(found, position, y + rows.bar * position, rows)
    described = _description(evaluation, langs, bars)
    return Chart(key, title, drawing(key, WIDTH, bottom + 24, title, described, parts))


def _bar(bar: Bar, position: int, y: float, rows: _Rows) -> list[Markup]:
    length, interval, ceiling = bar
    middle = y + rows.bar / 2
    thin = 2.0 if rows.numbered else 0.5
    parts = []
    if length is not None:
        parts.append(
            rect(
                LEFT,
                y + thin,
                rows.scale(length) - LEFT,
                rows.bar - 2 * thin,
                f"{system_class(position)} fill",
            )
        )
    if interval is not None and interval.high > interval.low:
        low, high = rows.scale(interval.low), rows.scale(interval.high)
        parts += [line(low, middle, high, middle, name) for name in ("halo", "whisker")]
    if ceiling is not None:
        at = rows.scale(ceiling)
        parts += [line(at, y, at, y + rows.bar, name) for name in ("halo thick", "ceiling")]
    if rows.numbered:
        if length is not None:
            parts.append(marker(position, rows.scale(length), middle, 3.2))
        words = short_number(length)
        if ceiling is not None:
            words += f" of {short_number(ceiling)}"
        parts.append(label(WIDTH - 4, middle + 4, words, anchor="end", class_="small"))
    return parts


def _description(
    evaluation: Evaluation, langs: Sequence[str], bars: Mapping[tuple[str, str], Bar]
) -> str:
    """The first dozen languages in words; all of them stand in the table beside."""
    told = [
        f"{shown(system.name, limit=80)}, {language_title(lang)}: {_told(bars[system.name, lang])}"
        for system in evaluation.systems
        for lang in langs[:12]
        if (system.name, lang) in bars
    ]
    more = f" And {len(langs) - 12} more languages." if len(langs) > 12 else ""
    return f"{'; '.join(told)}.{more}"


def _axis(scale: Scale, top: float, bottom: float) -> list[Markup]:
    step = nice_step(scale.high, 5)
    parts = []
    value = 0.0
    while value <= scale.high + step / 1000:
        x = scale(value)
        parts.append(line(x, top, x, bottom, "base" if value == 0 else "grid"))
        parts.append(
            label(x, bottom + 15, short_number(value), anchor="middle", class_="axis small")
        )
        value += step
    return parts


def _ceiling_legend(y: float) -> list[Markup]:
    return [
        line(13, y - 6, 13, y + 6, "ceiling"),
        label(34, y + 4, "monolingual ceiling, the number after “of”"),
    ]


def _high(bars: list[Bar]) -> float:
    """The axis' end: one, or where the greatest bar of another unit ends."""
    ends = [max(length or 0.0, i.high if i else 0.0, top or 0.0) for length, i, top in bars]
    return max([1.0, *ends])


def _name(lang: str) -> str:
    title = language_title(lang)
    return title if len(title) <= 14 else lang


def _told(bar: Bar) -> str:
    length, _, ceiling = bar
    return decimal(length) + (f", ceiling {decimal(ceiling)}" if ceiling is not None else "")
