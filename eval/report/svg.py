"""Drawing in SVG: scales, axes, legends and the signs that tell systems apart.

Coordinates are CSS pixels at the drawing's own width; colours are classes, so that the page's
theme gives them. Nothing is told by colour alone: every system has a shape and a dash too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xret.eval.report.colours import SYSTEM_COLOURS
from xret.eval.report.markup import Markup, element, join, literal
from xret.eval.report.text import shown

__all__ = [
    "Chart",
    "Scale",
    "drawing",
    "label",
    "legend",
    "line",
    "marker",
    "nice_step",
    "path",
    "polyline",
    "rect",
    "system_class",
]


@dataclass(frozen=True, slots=True)
class Chart:
    """A finished drawing. key: its file name without an ending, and its id on the page."""

    key: str
    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from low to high onto pixels from start to end, by logarithms where asked."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high, here = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, here = math.log(low), math.log(high), math.log(here)
        share = (here - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that cuts a span into `most` steps.

    >>> nice_step(1.0, 5), nice_step(0.37, 10)
    (0.2, 0.05)
    """
    least = max(span, 1e-9) / most
    power = 10.0 ** math.floor(math.log10(least))
    # One part in a million: 0.1 + 0.2 is no reason for a wider step.
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= least * (1 - 1e-6))


def drawing(
    key: str, width: float, height: float, title: str, description: str, parts: Iterable[Markup]
) -> Markup:
    """The `svg` element with its name and description for those who do not see it."""
    names = f"{key}-title {key}-desc"
    head = [
        element("title", literal(title), id=f"{key}-title"),
        element("desc", literal(description), id=f"{key}-desc"),
    ]
    box = f"0 0 {width:g} {height:g}"
    return element(
        "svg",
        join([*head, *parts]),
        xmlns="http://www.w3.org/2000/svg",
        class_="chart",
        viewBox=box,
        width=width,
        height=height,
        role="img",
        aria_labelledby=names,
    )


def label(
    x: float, y: float, text: str, *, anchor: str | None = None, class_: str | None = None
) -> Markup:
    """Words with their baseline at y; anchor: start, middle or end."""
    return element("text", literal(text), x=x, y=y, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return path(f"M{_short(x1)} {_short(y1)}L{_short(x2)} {_short(y2)}", class_)


def path(d: str, class_: str) -> Markup:
    """A path by its commands."""
    return element("path", class_=class_, d=d)


def rect(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    """A rectangle; one of negative size is drawn empty."""
    return element("rect", x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=class_)


def polyline(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A line through points."""
    return path("M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points), class_)


def system_class(position: int) -> str:
    """The class that colours and dashes what belongs to the system of that position."""
    return f"s{position % SYSTEM_COLOURS}"


def marker(position: int, x: float, y: float, r: float = 4.0) -> Markup:
    """The shape of the system of that position: disc, square, triangle, diamond, cross, ring."""
    fill = f"{system_class(position)} mark"
    shape = position % SYSTEM_COLOURS
    if shape in (0, 5):
        return element("circle", cx=x, cy=y, r=r, class_=fill + (" ring" if shape else ""))
    d = {
        1: f"M{_short(x - r)} {_short(y - r)}h{2 * r:g}v{2 * r:g}h{-2 * r:g}z",
        2: f"M{_short(x)} {_short(y - r * 1.2)}l{r * 1.2:g} {r * 2.1:g}h{-r * 2.4:g}z",
        3: f"M{_short(x)} {_short(y - r * 1.3)}l{r * 1.3:g} {r * 1.3:g}l{-r * 1.3:g} "
        f"{r * 1.3:g}l{-r * 1.3:g} {-r * 1.3:g}z",
        4: f"M{_short(x - r)} {_short(y - r)}l{2 * r:g} {2 * r:g}m0 {-2 * r:g}l{-2 * r:g} "
        f"{2 * r:g}",
    }[shape]
    return path(d, fill + (" ring" if shape == 4 else ""))


def legend(names: Sequence[str], x: float, y: float, *, lines: bool) -> list[Markup]:
    """One row a system: its shape, on its line where the chart has lines, and its name."""
    parts = []
    for position, name in enumerate(names):
        middle = y + 18 * position
        if lines:
            parts.append(line(x, middle, x + 26, middle, f"{system_class(position)} curve"))
        parts.append(marker(position, x + 13, middle))
        parts.append(label(x + 34, middle + 4, shown(name, limit=44)))
    return parts


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
