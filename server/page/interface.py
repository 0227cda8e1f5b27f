"""The interface in the languages it has been written in: texts, numbers, names of languages."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from xret.retriever.languages.codes import autonym, direction, language_name
from xret.types import UNDETERMINED

__all__ = ["INTERFACES", "Interface", "interface_for", "interface_in"]

INTERFACES = ("en", "fr", "de", "es", "sw", "ar", "zh")
"""Languages of the interface; the first is that of readers who name none of them."""


@dataclass(frozen=True, slots=True)
class Interface:
    """lang: BCP 47. dir: of its script. texts: by key, with {…} for what is filled in."""

    lang: str
    dir: str
    texts: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.texts[key]

    def say(self, key: str, **values: str | int) -> str:
        """A text with its gaps filled; whole numbers are written as the language does."""
        shown = {
            name: self.number(value) if isinstance(value, int) else value
            for name, value in values.items()
        }
        return self.texts[key].format_map(shown)

    def number(self, value: float, decimals: int = 0) -> str:
        """1,234.5 as the language writes it, always with a real minus sign."""
        written = f"{value:,.{decimals}f}".replace("-", "−")
        marks = {",": self.texts["thousands"], ".": self.texts["decimal"]}
        return "".join(marks.get(character, character) for character in written)

    def own_name(self, code: str) -> str:
        """A language's name for itself; the interface's words where it is not known."""
        return self.texts["unknown_language"] if code == UNDETERMINED else autonym(code) or code

    def name(self, code: str) -> str:
        """A language's name in the interface's language."""
        if code == UNDETERMINED:
            return self.texts["unknown_language"]
        return language_name(code, within=self.lang)


@lru_cache(maxsize=len(INTERFACES))
def interface_in(lang: str) -> Interface:
    """lang: one of INTERFACES."""
    written = files("xret.server.page").joinpath("texts", f"{lang}.toml").read_text("utf-8")
    return Interface(lang, direction(lang), tomllib.loads(written))


def interface_for(chosen: str, accepted: str) -> Interface:
    """The interface that a reader chose, else the one that the browser likes best.

    accepted: the Accept-Language header. What cannot be read in it counts as not there.
    """
    if chosen in INTERFACES:
        return interface_in(chosen)
    liked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:1_000].split(",")):
        tag, _, weight = part.partition(";")
        base = tag.strip().lower().partition("-")[0]
        if base in INTERFACES:
            liked.append((-_quality(weight), place, base))
    best = min(liked, default=(-1.0, 0, INTERFACES[0]))
    return interface_in(best[2] if best[0] < 0 else INTERFACES[0])


def _quality(weight: str) -> float:
    """The q of one language, 0 to 1; 1 where it is left out, 0 where it is no number."""
    written = weight.strip().removeprefix("q=")
    try:
        return min(max(float(written), 0.0), 1.0) if written else 1.0
    except ValueError:
        return 0.0
