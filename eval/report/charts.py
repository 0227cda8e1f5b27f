"""Drawings over ranks and queries: the recall curve, languages by rank, differences."""

from __future__ import annotations

from collections.abc import Sequence

from xret.eval.evaluation import Comparison, Evaluation, SystemResult
from xret.eval.report.markup import Markup
from xret.eval.report.queries import differences
from xret.eval.report.svg import (
    Chart,
    Scale,
    drawing,
    label,
    legend,
    line,
    marker,
    nice_step,
    path,
    polyline,
    rect,
    system_class,
)
from xret.eval.report.text import decimal, language_title, short_number, shown
from xret.retriever.alignment import HEAT_STEPS

__all__ = ["MAX_BARS", "difference_chart", "recall_chart", "share_chart"]

WIDTH = 390.0
LEFT = 40.0
RIGHT = 382.0
MAX_BARS = 600
"""With more queries than this each drawn bar is the query at an even step of the order."""

NAMED = 6
"""Languages with a colour of their own; the others are one band."""


def recall_chart(evaluation: Evaluation, *, key: str) -> Chart:
    """Recall against depth, which runs by logarithms."""
    systems = [system for system in evaluation.systems if system.recall]
    depths = sorted({k for system in systems for k, _ in system.recall}) or [1]
    top = 18.0 * len(systems) + 14
    bottom = top + 210
    x = Scale(depths[0], depths[-1], LEFT, RIGHT - 8, logarithmic=True)
    y = Scale(0, 1, bottom, top)
    parts = legend([system.name for system in systems], 0, 8, lines=True)
    parts += _share_axis(y, short_number, LEFT, RIGHT)
    free = -100.0
    for k in depths:
        if x(k) - free >= 30:
            free = x(k)
            parts.append(label(x(k), bottom + 16, f"{k:,}", anchor="middle", class_="axis small"))
            parts.append(line(x(k), bottom, x(k), bottom + 4, "base"))
    parts.append(label((LEFT + RIGHT) / 2, bottom + 34, "depth k", anchor="middle", class_="axis"))
    for position, system in enumerate(systems):
        points = [(x(k), y(recall)) for k, recall in system.recall]
        parts.append(polyline(points, f"{system_class(position)} curve"))
        parts += [marker(position, *point, 3.5) for point in points]
    told = "; ".join(
        f"{shown(system.name, limit=80)}: "
        + ", ".join(f"{decimal(r, 2)} at {k:,}" for k, r in system.recall)
        for system in systems
    )
    title = "Recall by depth of the mixed list"
    return Chart(key, title, drawing(key, WIDTH, bottom + 42, title, f"{told}.", parts))


def share_chart(evaluation: Evaluation, system: SystemResult, *, key: str) -> Chart:
    """Stacked shares of the languages in the first ranks, and of the relevant documents."""
    shares = _bands(evaluation, system)
    names = list(shares)
    top, bottom = 12.0, 232.0
    count = len(system.share_ranks) + 1
    slot = (RIGHT - LEFT - 14) / count
    y = Scale(0, 1, bottom, top)
    parts = _share_axis(y, lambda share: f"{share:.0%}", LEFT, RIGHT)
    for column in range(count):
        # What is relevant stands apart: it is not a rank but what to compare the ranks with.
        x = LEFT + 4 + column * slot + (10 if column == count - 1 else 0)
        last = column == count - 1
        words = "relevant" if last else f"{system.share_ranks[column]:,}"
        parts.append(
            label(x + slot * 0.42, bottom + 16, words, anchor="middle", class_="axis small")
        )
        parts += _stack([shares[name][column] for name in names], names, x, slot * 0.84, y)
    parts.append(label(LEFT + 4, bottom + 34, "first so many ranks", class_="axis"))
    for place, name in enumerate(names):
        x, at = LEFT + (place % 3) * 116, bottom + 52 + 18 * (place // 3)
        parts.append(rect(x, at - 9, 12, 12, f"h{_level(place, len(names))} segment"))
        words = f"{name} {language_title(name)}" if name not in ("other", "?") else name
        parts.append(label(x + 17, at + 1, words if len(words) < 17 else name, class_="small"))
    height = bottom + 52 + 18 * ((len(names) + 2) // 3)
    title = f"Languages that {shown(system.name, limit=80)} ranks first"
    told = "; ".join(
        f"{language_title(name) if name not in ('other', '?') else name}: "
        + ", ".join(
            f"{share:.0%} of the top {k}"
            for k, share in zip(system.share_ranks, shares[name], strict=False)
        )
        + f", {shares[name][-1]:.0%} of the relevant"
        for name in names
    )
    return Chart(key, title, drawing(key, WIDTH, height, title, f"{told}.", parts))


def difference_chart(evaluation: Evaluation, comparison: Comparison, *, key: str) -> Chart:
    """Every query's difference, sorted: the height is how much, the width how many queries."""
    changes = [change for _, change in differences(evaluation, comparison)]
    drawn = _thinned(changes)
    most = max([abs(change) for change in changes], default=0.0) or 1.0
    step = nice_step(most, 2)
    limit = step * -(-most // step)
    top, bottom = 30.0, 240.0
    y = Scale(-limit, limit, bottom, top)
    parts = []
    for place in range(-2, 3):
        value = place * step
        if abs(value) <= limit + step / 1000:
            parts.append(line(LEFT, y(value), RIGHT, y(value), "base" if place == 0 else "grid"))
            words = f"{'+' if place > 0 else ''}{short_number(value) if place else '0'}"
            parts.append(label(LEFT - 6, y(value) + 4, words, anchor="end", class_="axis small"))
    order = {system.name: place for place, system in enumerate(evaluation.systems)}
    winner, loser = order.get(comparison.system, 1), order.get(comparison.baseline, 0)
    for position, sign in ((winner, 1), (loser, -1)):
        parts.append(_difference_bars(drawn, sign, position, y))
    gains, losses = sum(c > 0 for c in changes), sum(c < 0 for c in changes)
    parts += [
        marker(winner, RIGHT - 6, 12),
        label(RIGHT - 16, 16, _better(comparison.system, gains), anchor="end"),
        marker(loser, LEFT + 6, bottom + 14),
        label(LEFT + 16, bottom + 18, _better(comparison.baseline, losses)),
    ]
    if len(drawn) < len(changes):
        words = f"{len(drawn):,} of {len(changes):,} queries, evenly through their order"
        parts.append(label(RIGHT, bottom + 34, words, anchor="end", class_="axis small"))
    title = f"{comparison.measure} of {shown(comparison.system, limit=80)} minus "
    title += f"{shown(comparison.baseline, limit=80)}, query by query"
    told = f"{len(changes):,} queries: {gains:,} better, {losses:,} worse, "
    told += f"{len(changes) - gains - losses:,} equal; mean {decimal(comparison.difference.mean)}."
    return Chart(key, title, drawing(key, WIDTH, bottom + 40, title, told, parts))


def _share_axis(y: Scale, words: object, left: float, right: float) -> list[Markup]:
    parts = []
    for quarter in range(5):
        value = quarter / 4
        parts.append(line(left, y(value), right, y(value), "grid" if quarter else "base"))
        text = words(value) if callable(words) else ""
        parts.append(label(left - 6, y(value) + 4, text, anchor="end", class_="axis small"))
    return parts


def _bands(evaluation: Evaluation, system: SystemResult) -> dict[str, list[float]]:
    """Shares at every rank and among the relevant, of the languages that matter most.

    Which these are and their order is the same for every system of the evaluation.
    """
    weight: dict[str, float] = {}
    for one in evaluation.systems:
        for lang, shares in one.language_share.items():
            most = max([one.relevant_share.get(lang, 0.0), *shares])
            weight[lang] = max(most, weight.get(lang, 0.0))
    ranked = sorted(weight, key=lambda lang: (-weight[lang], lang))
    none = (0.0,) * len(system.share_ranks)
    rows = {
        lang: [*system.language_share.get(lang, none), system.relevant_share.get(lang, 0.0)]
        for lang in ranked
    }
    kept = ranked if len(ranked) <= NAMED + 1 else ranked[:NAMED]
    bands = {lang or "?": rows[lang] for lang in kept}
    others = [rows[lang] for lang in ranked if lang not in kept]
    if others:
        bands["other"] = [sum(column) for column in zip(*others, strict=True)]
    return bands


def _stack(
    shares: Sequence[float], names: Sequence[str], x: float, wide: float, y: Scale
) -> list[Markup]:
    parts, done = [], 0.0
    for place, (share, name) in enumerate(zip(shares, names, strict=True)):
        upper, lower = y(done + share), y(done)
        done += share
        level = _level(place, len(names))
        if lower - upper < 0.3:
            continue
        parts.append(rect(x, upper, wide, lower - upper, f"h{level} segment"))
        if lower - upper >= 13 and wide >= 6 * len(name):
            parts.append(
                label(
                    x + wide / 2,
                    (upper + lower) / 2 + 3.5,
                    name,
                    anchor="middle",
                    class_=f"on{level}",
                )
            )
    return parts


def _level(place: int, count: int) -> int:
    """Steps of the ramp far apart, the strongest for the first language."""
    return round((HEAT_STEPS - 2) * (1 - place / max(count - 1, 1))) + (1 if count == 1 else 0)


def _thinned(changes: Sequence[float]) -> list[float]:
    """At most MAX_BARS of them, at even steps of their order, the first and last among them."""
    if len(changes) <= MAX_BARS:
        return list(changes)
    last = len(changes) - 1
    return [changes[round(place * last / (MAX_BARS - 1))] for place in range(MAX_BARS)]


def _difference_bars(changes: Sequence[float], sign: int, position: int, y: Scale) -> Markup:
    slot = (RIGHT - LEFT) / max(len(changes), 1)
    wide = min(slot * 0.8, 28.0) if slot > 3 else slot
    boxes = [
        f"M{LEFT + place * slot + (slot - wide) / 2:.1f} {y(0):.1f}"
        f"V{y(change):.1f}h{wide:.2f}V{y(0):.1f}z"
        for place, change in enumerate(changes)
        if change * sign > 0
    ]
    return path("".join(boxes) or "M0 0", f"{system_class(position)} fill")


def _better(name: str, count: int) -> str:
    return f"{shown(name, limit=30)} better on {count:,}"
