"""The report in Markdown for a repository and in LaTeX for a paper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from xret.eval.evaluation import Evaluation
from xret.eval.report.findings import findings
from xret.eval.report.heat_map import MAX_NUMBERED
from xret.eval.report.latex_text import SCRIPT_COMMAND, SCRIPTS_IN_FONTS, latex_text
from xret.eval.report.paper import paper_tables
from xret.eval.report.provenance import (
    checksum_table,
    collection_table,
    cost_table,
    measure_table,
    repetition_table,
    system_table,
)
from xret.eval.report.queries import change_table, recall_table, share_table, worst_table
from xret.eval.report.results import (
    PAPER_COLUMNS,
    comparison_table,
    language_table,
    matrix_table,
    pair_table,
    summary_table,
)
from xret.eval.report.sections import ranked_comparisons
from xret.eval.report.table import Table, columns, latex, markdown, markdown_text
from xret.eval.report.text import shown

__all__ = ["latex_document", "markdown_document"]

WEAKEST = 10
_PREAMBLE = r"""
% Tables of an evaluation by xret. To use one in a paper, copy its table environment;
% they need \usepackage[T1]{fontenc}, {booktabs}, {graphicx} and {amssymb}.
\documentclass[a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{amssymb}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage[margin=25mm]{geometry}
\begin{document}
"""


def markdown_document(evaluation: Evaluation, drawings: Iterable[tuple[str, str]]) -> str:
    """The whole report in GitHub's Markdown; drawings: title and relative path of each."""
    parts = [f"# {markdown_text(shown(evaluation.title, limit=160))}\n"]
    if evaluation.warnings:
        parts += [
            "## Before you read on\n",
            _list([shown(warning, limit=1_000) for warning in evaluation.warnings]),
        ]
    parts += ["## Summary\n", _list(findings(evaluation))]
    for heading, tables in _chapters(evaluation):
        if tables and heading:
            parts.append(f"## {heading}\n")
        parts += [markdown(table) for table in tables]
    parts.append("## Drawings\n")
    parts += [f"![{markdown_text(title)}]({place})\n" for title, place in drawings]
    parts += ["## Command\n", _fenced(shown(evaluation.environment.command, limit=4_000))]
    return "\n".join(parts)


def latex_document(evaluation: Evaluation) -> str:
    """A document that compiles with any TeX engine, a booktabs table after another."""
    parts = [_PREAMBLE.lstrip(), SCRIPTS_IN_FONTS + SCRIPT_COMMAND]
    title = latex_text(shown(evaluation.title, limit=160))
    parts.append(rf"\section*{{{title}}}")
    parts += [
        rf"\noindent {latex_text(shown(sentence, limit=1_000))}\par"
        for sentence in evaluation.warnings
    ]
    for number, table in enumerate(_paper_tables(evaluation), start=1):
        parts.append(latex(table, f"tab:xret-{number}"))
        if number % 8 == 0:  # TeX holds eighteen floating tables at once
            parts.append(r"\clearpage")
    return "\n".join([*parts, r"\end{document}", ""])


def _chapters(evaluation: Evaluation) -> Iterator[tuple[str, list[Table]]]:
    measure = evaluation.measures[0].name
    systems = evaluation.systems
    crossing = [s for s in systems if any(cell.doc_lang is not None for cell in s.pairs)]
    compared = comparison_table(evaluation)
    yield "", [summary_table(evaluation), *([compared] if compared else [])]
    yield "By the language of the documents", [*paper_tables(evaluation)]
    matrices = [matrix_table(evaluation, s, measure) for s in crossing] if _fits(evaluation) else []
    weakest = [pair_table(system, measure, most=WEAKEST) for system in crossing]
    yield "Language pairs", [*matrices, *weakest]
    yield "By language", [language_table(evaluation, s, measure) for s in systems]
    ranks = [recall_table(evaluation)] if any(s.recall for s in systems) else []
    yield "By rank", [*ranks, *(share_table(s) for s in systems if s.language_share)]
    yield "By query", [change_table(evaluation, c) for c in ranked_comparisons(evaluation)]
    yield "Worst queries", [worst_table(s, measure) for s in systems if s.worst_queries]
    yield "Time and size", [cost_table(evaluation)]
    sums = checksum_table(evaluation)
    yield (
        "To repeat it",
        [
            system_table(evaluation),
            measure_table(evaluation),
            collection_table(evaluation),
            repetition_table(evaluation),
            *([sums] if sums else []),
        ],
    )


def _paper_tables(evaluation: Evaluation) -> Iterator[Table]:
    measure = evaluation.measures[0].name
    yield from paper_tables(evaluation)
    yield summary_table(evaluation)
    compared = comparison_table(evaluation)
    if compared is not None:
        yield columns(compared, PAPER_COLUMNS)
    for system in evaluation.systems:
        if any(cell.doc_lang is not None for cell in system.pairs):
            if _fits(evaluation):
                yield matrix_table(evaluation, system, measure)
            yield pair_table(system, measure, most=WEAKEST)
        if len(evaluation.query_langs) <= 40:  # a table cannot break over pages
            yield language_table(evaluation, system, measure)
    yield cost_table(evaluation)


def _fits(evaluation: Evaluation) -> bool:
    """Whether a matrix has room on a page; if not, pairs.csv has it."""
    return max(len(evaluation.query_langs), len(evaluation.doc_langs)) <= MAX_NUMBERED


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {markdown_text(sentence)}" for sentence in sentences) + "\n"


def _fenced(text: str) -> str:
    """A block of code whose fence is longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}\n"
