"""The table of a paper in a file: Markdown, LaTeX, CSV or a page, by the end of its name."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from xret.errors import ConfigError, RunError
from xret.eval.evaluation import Evaluation
from xret.eval.report.elements import html_table
from xret.eval.report.latex_text import SCRIPTS_IN_FONTS
from xret.eval.report.markup import join
from xret.eval.report.page import html_page
from xret.eval.report.paper import (
    column_value,
    paper_columns,
    paper_measures,
    paper_tables,
    significantly_above,
)
from xret.eval.report.records import harmless
from xret.eval.report.table import latex, markdown
from xret.eval.report.text import shown

__all__ = ["PAPER_SUFFIXES", "check_paper_paths", "write_paper_table"]


def check_paper_paths(paths: Sequence[Path]) -> None:
    """Find out before anything is measured what cannot be written."""
    for path in paths:
        if path.suffix not in PAPER_SUFFIXES:
            raise ConfigError(f"--table {path}: its end must be {', '.join(PAPER_SUFFIXES)}")
        if path.is_dir() or not path.resolve().parent.is_dir():
            raise ConfigError(f"--table {path}: name a file in a folder that is there")


def write_paper_table(evaluation: Evaluation, path: Path) -> Path:
    """Write the tables of every measure of effectiveness; returns the path.

    The LaTeX has no document around it: `\\input` it where booktabs, graphicx and amssymb are
    loaded. The CSV has all digits, and beside each value the systems that it is significantly
    above. Raises RunError where the file cannot be written.
    """
    try:
        path.write_text(
            PAPER_SUFFIXES[path.suffix](evaluation),
            encoding="utf-8",
            errors="replace",
            newline="\n",
        )
    except OSError as error:
        raise RunError(
            f"the table cannot be written to {path}: {error.strerror}; name another file"
        ) from error
    return path


def _markdown(evaluation: Evaluation) -> str:
    return "\n".join(markdown(table) for table in paper_tables(evaluation))


def _latex(evaluation: Evaluation) -> str:
    needed = (
        "% \\usepackage[T1]{fontenc}, {booktabs}, {graphicx} and {amssymb}\n" + SCRIPTS_IN_FONTS
    )
    tables = enumerate(paper_tables(evaluation), start=1)
    return needed + "\n".join(latex(table, f"tab:languages-{n}") for n, table in tables)


def _html(evaluation: Evaluation) -> str:
    title = f"{shown(evaluation.title, limit=160)}: systems by document languages"
    tables = join([html_table(table, class_="paper") for table in paper_tables(evaluation)], "\n")
    return html_page(title, tables, generator=f"xret {evaluation.environment.xret}")


def _csv(evaluation: Evaluation) -> str:
    """A row for each system and measure; the columns are those of every measure."""
    measures = paper_measures(evaluation)
    heads = dict.fromkeys(h for measure in measures for h in paper_columns(evaluation, measure))
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(
        ["measure", "system", *(cell for head in heads for cell in (head, f"{head} above"))]
    )
    for measure in measures:
        for system in evaluation.systems:
            row: list[str | float | None] = [measure, system.name]
            for head in heads:
                above = significantly_above(evaluation, system.name, measure, head)
                names = [name for name, higher in above.items() if higher]
                row += [column_value(evaluation, system.name, measure, head), "; ".join(names)]
            writer.writerow(harmless(row))
    return written.getvalue()


PAPER_SUFFIXES: dict[str, Callable[[Evaluation], str]] = {
    ".md": _markdown,
    ".tex": _latex,
    ".csv": _csv,
    ".html": _html,
}
"""What writes it, by the end of a file's name."""
