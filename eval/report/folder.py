"""The folder of a report: the page, its tables for papers and repositories, numbers, drawings."""

from __future__ import annotations

from pathlib import Path

from xret.errors import RunError
from xret.eval.evaluation import Evaluation
from xret.eval.report.documents import latex_document, markdown_document
from xret.eval.report.page import drawing_style, page, standing_alone
from xret.eval.report.paper_files import PAPER_SUFFIXES, write_paper_table
from xret.eval.report.records import write_csv
from xret.eval.report.sections import charts
from xret.eval.report.stored import write_evaluation

__all__ = ["write_report"]


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write report.html, .md, .tex and .json, the table of a paper (table.md, .tex and .csv), the
    CSV files and figures/*.svg; files of those names are replaced. Returns their paths, the page
    first.

    Raises RunError for an evaluation without a system or a measure, and where the folder cannot
    be written.
    """
    if not evaluation.systems or not evaluation.measures:
        raise RunError(
            f"nothing to report: {len(evaluation.systems)} systems and "
            f"{len(evaluation.measures)} measures; evaluate at least one of each"
        )
    try:
        return _write(evaluation, folder)
    except OSError as error:
        raise RunError(
            f"the report cannot be written to {folder}: {error.strerror}; name another folder"
        ) from error


def _write(evaluation: Evaluation, folder: Path) -> list[Path]:
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for path in figures.glob("*-[0-9]*.svg"):  # of an earlier report, with more systems
        path.unlink()
    drawn = []
    for chart in charts(evaluation):
        path = figures / f"{chart.key}.svg"
        path.write_text(standing_alone(chart.svg, drawing_style()), encoding="utf-8")
        drawn.append((path, chart.title))
    documents = {
        "report.html": page(evaluation),
        "report.md": markdown_document(
            evaluation, [(title, f"figures/{path.name}") for path, title in drawn]
        ),
        "report.tex": latex_document(evaluation),
    }
    paths = []
    for name, content in documents.items():
        path = folder / name
        path.write_text(content, encoding="utf-8", newline="\n")
        paths.append(path)
    paths += [
        write_paper_table(evaluation, folder / f"table{suffix}")
        for suffix in PAPER_SUFFIXES
        if suffix != ".html"  # the page has it
    ]
    stored = folder / "report.json"
    write_evaluation(evaluation, stored)
    return [*paths, stored, *write_csv(evaluation, folder), *(path for path, _ in drawn)]
