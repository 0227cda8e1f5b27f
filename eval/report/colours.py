"""The report's colours, light and dark, and how far apart they are.

The heat ramp is one hue in steps that are even in OKLab lightness, so that it reads the same
in colour, to a colour-blind reader and printed in grey; in the dark theme it runs the other
way, and high values always stand out most from the page.
"""

from __future__ import annotations

from functools import lru_cache

from xret.retriever.alignment import HEAT_STEPS

__all__ = ["SYSTEM_COLOURS", "THEMES", "contrast", "custom_properties"]

SYSTEM_COLOURS = 6

_LIGHT_RAMP = "#ecf4fe #c4dfff #9bcaff #78b3f5 #5b9de5 #4387cf #3271b4 #285d95 #234a73 #203750"
_DARK_RAMP = "#1e2b3a #213d5b #244f7d #2a629e #3576bb #478bd4 #60a1e8 #7db6f7 #9fccff #c7e1ff"

THEMES: dict[str, dict[str, str]] = {
    "light": {
        "page": "#fbfaf8",
        "raised": "#ffffff",
        "ink": "#1c1e22",
        "muted": "#565a62",
        "rule": "#d8d5cf",
        "border": "#84878e",
        "link": "#1d4f9c",
        "notice": "#fff3d1",
        "notice-ink": "#513b00",
        "notice-edge": "#a87400",
        "system-0": "#2457a6",
        "system-1": "#b0460e",
        "system-2": "#1f7a4d",
        "system-3": "#7d3fa6",
        "system-4": "#8a6100",
        "system-5": "#4a5663",
        **{f"heat-{step}": colour for step, colour in enumerate(_LIGHT_RAMP.split())},
    },
    "dark": {
        "page": "#15171b",
        "raised": "#1c1f24",
        "ink": "#e9e7e2",
        "muted": "#a8adb6",
        "rule": "#3a3e46",
        "border": "#7c818b",
        "link": "#8ab8ff",
        "notice": "#332a12",
        "notice-ink": "#f6dfa4",
        "notice-edge": "#c99a2e",
        "system-0": "#7fb0ff",
        "system-1": "#ff9d66",
        "system-2": "#62cf97",
        "system-3": "#cf9bff",
        "system-4": "#e6bd4f",
        "system-5": "#b8c4d0",
        **{f"heat-{step}": colour for step, colour in enumerate(_DARK_RAMP.split())},
    },
}


def luminance(colour: str) -> float:
    """Relative luminance of a colour `#rrggbb`, 0 to 1 (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, success criterion 1.4.3).

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@lru_cache(maxsize=4)
def custom_properties(theme: str) -> dict[str, str]:
    """Colour by name of a theme, with `heat-…-ink`: black or white, whichever reads better."""
    colours = THEMES[theme]
    inks = {
        f"heat-{step}-ink": max(
            ("#000000", "#ffffff"), key=lambda ink: contrast(ink, colours[f"heat-{step}"])
        )
        for step in range(HEAT_STEPS)
    }
    return colours | inks
