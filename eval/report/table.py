"""A table as a value, and its Markdown and LaTeX. `elements.py` makes its HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from xret.eval.report.latex_text import SCRIPT_COMMAND, SUPERSCRIPTS, latex_text
from xret.eval.report.text import MISSING, isolated, shown

__all__ = [
    "SUPERSCRIPTS",
    "Cell",
    "Table",
    "TableRow",
    "columns",
    "latex",
    "latex_text",
    "markdown",
    "markdown_text",
]

LINE = 88
"""Characters of small print that a line of text takes."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place of a table.

    lang: the text is somebody's, in that language ("" where it is not known); None: it is the
    report's own. mark: a sign behind a number, explained under the table. best: set in bold.
    """

    text: str
    lang: str | None = None
    mark: str = ""
    best: bool = False


TableRow = tuple[Cell | str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, a line of headings and rows as long as it.

    align: one letter a column, `l` for words and `r` for numbers. heads: how many of the first
    columns name their row. note: what the signs in the cells mean.
    """

    caption: str
    headings: tuple[str, ...]
    align: str
    rows: tuple[TableRow, ...]
    heads: int = 1
    note: str = ""


def columns(table: Table, places: tuple[int, ...]) -> Table:
    """The same table with those columns alone, in that order."""
    return replace(
        table,
        headings=tuple(table.headings[place] for place in places),
        align="".join(table.align[place] for place in places),
        rows=tuple(tuple(row[place] for place in places) for row in table.rows),
    )


def markdown(table: Table) -> str:
    """A pipe table of GitHub's Markdown under its caption in bold."""
    lines = [f"**{markdown_text(table.caption)}**", ""]
    lines.append(f"| {' | '.join(map(markdown_text, table.headings))} |")
    lines.append(f"|{'|'.join('---:' if side == 'r' else ':---' for side in table.align)}|")
    lines += [f"| {' | '.join(map(_markdown_cell, row))} |" for row in table.rows]
    if table.note:
        lines += ["", markdown_text(table.note)]
    return "\n".join(lines) + "\n"


def markdown_text(text: str) -> str:
    """A text that Markdown shows as it is, and takes for no markup, HTML or link.

    >>> markdown_text("<b>|*x*")
    '&lt;b&gt;\\\\|\\\\*x\\\\*'
    """
    kept = "".join(part if part in "\u2068\u2069" else shown(part) for part in _isolates(text))
    escaped = re.sub(r"([\\`*_{}\[\]#|~$!])", r"\\\1", kept)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _isolates(text: str) -> list[str]:
    """The parts of a text of our own around the isolates that it sets about names."""
    return [part for part in re.split("([\u2068\u2069])", text) if part]


def _markdown_cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return markdown_text(shown(cell))
    text = markdown_text(shown(cell.text) if cell.lang is None else isolated(cell.text))
    return (f"**{text}**" if cell.best else text) + cell.mark


def latex(table: Table, label: str) -> str:
    """A floating booktabs table; needs graphicx.

    Where it is wider than a column of two it spans both, and is scaled to the line where it would
    be wider still.
    """
    width = _width(table)
    wide, name = width > LINE, "table*" if width > LINE / 2 else "table"
    body = [" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows]
    note = [rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {latex_text(table.note)}}}"]
    lines = [
        rf"\begin{{{name}}}[htbp]",
        r"\centering\small",
        rf"\caption{{{latex_text(table.caption)}}}",
        rf"\label{{{label}}}",
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        rf"\begin{{tabular}}{{{table.align}}}",
        r"\toprule",
        " & ".join(map(latex_text, table.headings)) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}" + ("}" if wide else ""),
        *(note if table.note else ()),
        rf"\end{{{name}}}",
    ]
    # A table that is copied alone brings what it needs.
    needed = [SCRIPT_COMMAND] if any(r"\xretscript" in line for line in lines) else []
    return "\n".join([*lines[:1], *needed, *lines[1:]]) + "\n"


def _width(table: Table) -> int:
    """Characters of the widest cell of every column, and a gap of three after each."""
    texts = [
        [cell if isinstance(cell, str) else cell.text for cell in row]
        for row in (table.headings, *table.rows)
    ]
    return sum(max(map(len, column)) + 3 for column in zip(*texts, strict=True))


def _latex_cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return latex_text(shown(cell))
    text = latex_text(shown(cell.text)) if cell.text != MISSING else "--"
    return (rf"\textbf{{{text}}}" if cell.best else text) + latex_text(cell.mark)
