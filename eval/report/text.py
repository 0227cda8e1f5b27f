"""Words and numbers as a report shows them, whoever wrote them."""

from __future__ import annotations

import math
import re

from langcodes.tag_parser import LanguageTagError

from xret.retriever.languages.codes import direction, language_name
from xret.types import UNDETERMINED

__all__ = [
    "MISSING",
    "decimal",
    "isolated",
    "language_label",
    "language_title",
    "p_relation",
    "p_value",
    "short_number",
    "shown",
    "signed",
    "size",
    "text_direction",
]

MISSING = "–"
MAX_TEXT = 400
UNKNOWN_LANGUAGE = "not known"

# Control characters, the bidirectional embeddings, overrides and isolates, line and paragraph
# separators, lone surrogates and noncharacters. ZWNJ, ZWJ, LRM and RLM are honest spelling.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def shown(text: str, *, limit: int = MAX_TEXT) -> str:
    """A text that cannot reorder, break or flood the page around it.

    White space becomes one space, every other control character U+FFFD; longer than `limit`
    characters, it is cut and ends in an ellipsis.

    >>> shown("a\\tb\\u202ec")
    'a b\\ufffdc'
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _UNPRINTABLE.sub(lambda found: " " if found[0].isspace() else "\ufffd", cut)


def isolated(name: str) -> str:
    """A name inside a sentence of plain text, kept from reordering the words around it."""
    visible = shown(name, limit=80)
    return visible if visible.isascii() else f"\u2068{visible}\u2069"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals; a dash where there is none. Never minus zero.

    >>> decimal(0.12345), decimal(-0.0001), decimal(None)
    ('0.123', '0.000', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def short_number(value: float | None) -> str:
    """A number in the little room of a cell or an axis: two decimals, no leading zero.

    >>> short_number(0.423), short_number(1.0), short_number(-0.5), short_number(1234.0)
    ('.42', '1.00', '−.50', '1,234')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if abs(value) >= 10:
        return f"{value:,.0f}".replace("-", "−")
    short = re.sub(r"^(-?)0\.", r"\1.", f"{round(value, 2) + 0.0:.2f}")
    return short.replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign.

    >>> signed(0.12), signed(-0.12), signed(0.0)
    ('+0.120', '−0.120', '0.000')
    """
    text = decimal(value, digits)
    return f"+{text}" if value > 0 and text.strip("0.,") else text


def p_value(p: float | None, *, at_floor: bool = False) -> str:
    """A probability as papers print it.

    at_floor: it is as small as so many random draws can say, and may be smaller.

    >>> p_value(0.00001), p_value(0.0312), p_value(0.0312, at_floor=True), p_value(None)
    ('< 0.001', '0.031', '≤ 0.031', '–')
    """
    if p is not None and p < 0.001:
        return "< 0.001"
    return f"≤ {decimal(p)}" if at_floor else decimal(p)


def p_relation(p: float | None, *, at_floor: bool = False) -> str:
    """A probability behind the letter p.

    >>> p_relation(0.00001), p_relation(0.0312)
    ('< 0.001', '= 0.031')
    """
    text = p_value(p, at_floor=at_floor)
    return text if text[0] in "<≤" else f"= {text}"


def size(n_bytes: int | None) -> str:
    """A number of bytes in the unit that fits.

    >>> size(512), size(1_234_567), size(None)
    ('512 B', '1.2 MB', '–')
    """
    if n_bytes is None:
        return MISSING
    amount = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def language_title(code: str | None) -> str:
    """The English name of a language; the code itself where it has no name.

    >>> language_title("sw"), language_title(None), language_title("")
    ('Swahili', 'all', 'not known')
    """
    if code is None:
        return "all"
    if code in ("", UNDETERMINED):
        return UNKNOWN_LANGUAGE
    try:
        return language_name(code)
    except (LanguageTagError, ValueError, LookupError):
        return code


def language_label(code: str | None) -> str:
    """Name and code together.

    They are never parted at the end of a line.

    >>> language_label("sw")
    'Swahili\xa0(sw)'
    """
    title = language_title(code)
    return (
        title if code in (None, "", UNDETERMINED, title) else f"{title}\N{NO-BREAK SPACE}({code})"
    )


def text_direction(code: str) -> str:
    """'rtl', 'ltr', or 'auto' where the language is not known, for the attribute `dir`."""
    if code in ("", UNDETERMINED):
        return "auto"
    try:
        return direction(code)
    except (LanguageTagError, ValueError, LookupError):
        return "auto"
