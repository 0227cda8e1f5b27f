"""HTML and SVG from values. What is not Markup yet is escaped on its way in."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NewType

from xret.eval.report.text import shown, text_direction
from xret.types import UNDETERMINED

__all__ = ["EMPTY", "Markup", "element", "join", "literal", "quoted"]

Markup = NewType("Markup", str)
"""A piece of markup that is safe to put on the page; mypy keeps bare strings out of it."""

EMPTY = Markup("")
_VOID = frozenset({"meta", "br", "hr"})


def literal(text: str) -> Markup:
    """Any text, escaped, control characters replaced; never cut."""
    return Markup(escape(shown(text, limit=len(text) + 1)))


def join(parts: Iterable[Markup], separator: str = "") -> Markup:
    """Pieces one after another; the separator is markup too."""
    return Markup(separator.join(parts))


def element(
    name: str, content: Markup = EMPTY, /, **attributes: str | float | bool | None
) -> Markup:
    """An element around markup.

    Attributes: a trailing underscore falls (`class_`), others become hyphens; None and False
    leave one out, True writes it bare, floats lose their needless decimals.
    """
    written = "".join(
        _attribute(key.removesuffix("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{content}</{name}>")


def quoted(text: str, lang: str, *, class_: str = "text") -> Markup:
    """Somebody's text in its own language and direction, isolated from the page's."""
    return element(
        "bdi",
        Markup(escape(shown(text))),
        class_=class_,
        lang="" if lang == UNDETERMINED else lang,
        dir=text_direction(lang),
    )


def _attribute(name: str, value: str | float | bool) -> str:
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    return f' {name}="{literal(str(value))}"'
