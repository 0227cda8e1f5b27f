"""Text that any TeX engine sets: accents, Greek, and scripts that fonts of Latin letters lack."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

import langcodes

from xret.retriever.languages.scripts import script_counts

__all__ = ["SCRIPTS_IN_FONTS", "SCRIPT_COMMAND", "SUPERSCRIPTS", "latex_text"]

SUPERSCRIPTS = dict(zip("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", "abcdefghijklmnoprstuvwxyz", strict=True))
"""Raised letters, which mark systems, and the letters that they are."""

SCRIPT_COMMAND = (
    r"\providecommand{\xretscript}[3]"
    r"{\ifcsname xret#1\endcsname{\csname xret#1\endcsname{#2}}\else#3\fi}"
)
"""Sets a text in the font of its script, or what stands for it: script, text, stand-in."""

SCRIPTS_IN_FONTS = r"""% Texts in scripts that fonts of Latin letters lack are named by script and
% length. To set them, define what sets a text of that script, by its ISO 15924 code, such as
%   \newfontfamily\xretArab[Script=Arabic]{Amiri}  (LuaLaTeX or XeLaTeX, with fontspec)
%   \newcommand\xretHani[1]{\begin{CJK}{UTF8}{gbsn}#1\end{CJK}}  (pdfLaTeX, with CJKutf8)
% and so on: xretJpan, xretHang, xretDeva, xretThai, xretCyrl ...
"""

FEW = 4
"""So many characters are named one by one by their code points; more are counted."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "…": r"\ldots{}",
    "▲": r"$^{\blacktriangle}$",
    "▼": r"$^{\blacktriangledown}$",
    # A line that begins with it would be the optional argument of the line break before.
    "[": "{[}",
    "−": "$-$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ı": r"\i{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "đ": r"\dj{}",
    "Đ": r"\DJ{}",
    "→": r"$\to$",
    "\u2068": "",
    "\u2069": "",
}


_ACCENTS = {
    "\u0300": r"\`",
    "\u0301": r"\'",
    "\u0302": r"\^",
    "\u0303": r"\~",
    "\u0304": r"\=",
    "\u0306": r"\u",
    "\u0307": r"\.",
    "\u0308": r"\"",
    "\u030a": r"\r",
    "\u030b": r"\H",
    "\u030c": r"\v",
    "\u0323": r"\d",
    "\u0327": r"\c",
    "\u0328": r"\k",
}
"""Accents of LaTeX by the combining character."""

_LETTERS = re.compile(f"[{''.join(SUPERSCRIPTS)}]+")
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (\w+)")
_CAPITALS = [
    "GAMMA",
    "DELTA",
    "THETA",
    "LAMBDA",
    "XI",
    "PI",
    "SIGMA",
    "UPSILON",
    "PHI",
    "PSI",
    "OMEGA",
]
"""Greek capitals that LaTeX has a command for; the others look like Latin ones."""


def latex_text(text: str) -> str:
    """A text for any TeX engine.

    What pdfLaTeX's fonts lack is set by `SCRIPT_COMMAND`, which names a few characters by their
    code points, and counts more than 4 of one script.

    >>> latex_text("50 % of a_b: é ź λ")
    "50 \\\\% of a\\\\_b: é \\\\'{z} $\\\\lambda$"
    >>> latex_text("شكرا جزيلا")
    '\\\\xretscript{Arab}{شكرا جزيلا}{{[}Arabic, 9 characters]}'
    """
    parts: list[str] = []
    at = 0
    for letters in _LETTERS.finditer(text):
        parts += _pieces(text[at : letters.start()])
        parts.append(f"$^{{{''.join(SUPERSCRIPTS[sign] for sign in letters[0])}}}$")
        at = letters.end()
    return "".join([*parts, *_pieces(text[at:])])


def _pieces(text: str) -> Iterator[str]:
    """The text as TeX has it; what the fonts lack stands together, with the spaces inside."""
    runs = [
        (lacking, "".join(characters))
        for lacking, characters in groupby(text, key=lambda one: _latex_character(one) is None)
    ]
    at = 0
    while at < len(runs):
        lacking, piece = runs[at]
        at += 1
        if not lacking:
            yield "".join(filter(None, map(_latex_character, piece)))
            continue
        while at + 1 < len(runs) and runs[at][1] == " ":
            piece += f" {runs[at + 1][1]}"
            at += 2
        yield _in_script(piece)


def _in_script(text: str) -> str:
    """A text that the fonts lack, in the font of its script where there is one."""
    counted = script_counts(text)
    points = " ".join(f"U+{ord(character):04X}" for character in text if character != " ")
    if not counted:
        return f"{{[}}{points}]"
    kana = counted["Hira"] + counted["Kana"]
    script = "Jpan" if kana else counted.most_common(1)[0][0]
    length = len(text.replace(" ", ""))
    named = f"{langcodes.Language.make(script=script).script_name()}, {length} characters"
    return rf"\xretscript{{{script}}}{{{text}}}{{{{[}}{points if length <= FEW else named}]}}"


def _latex_character(character: str) -> str | None:
    """What stands for a character; None where no font of Latin letters has it."""
    if character in _LATEX:
        return _LATEX[character]
    latin = "À" <= character <= "ÿ" and unicodedata.category(character)[0] == "L"
    if latin or " " <= character <= "~":
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in _ACCENTS:
        return f"{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return " " if character.isspace() else _greek(character) or None


def _greek(character: str) -> str:
    """The command of an unaccented Greek letter; empty for any other character."""
    named = _GREEK.fullmatch(unicodedata.name(character, ""))
    if named is None or named[2] in ("FINAL", "OMICRON"):
        return ""
    name = named[2].replace("LAMDA", "LAMBDA")
    if named[1] == "SMALL":
        return rf"$\{name.lower()}$"
    return rf"$\{name.capitalize()}$" if name in _CAPITALS else ""
