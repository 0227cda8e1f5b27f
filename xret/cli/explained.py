"""An explanation as people read it: a heat map at a terminal, pairs of words elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from xret.cli.output import message, print_table, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.text import Text

    from xret.retriever.alignment import AlignmentMap
    from xret.retriever.answer import SearchHit, StageScore
    from xret.retriever.explaining import ExplainedDocument
    from xret.retriever.explanation import ExplainedWord, Explanation

__all__ = ["matched_words", "print_explanation", "stage_words"]

HEADINGS = (
    "query word",
    "document word",
    "part",
    "start",
    "end",
    "lang",
    "script",
    "similarity",
    "contribution",
    "share",
)
ROWS, COLUMNS = 20, 12
"""Words of a document and of a question that a terminal shows."""


def print_explanation(found: ExplainedDocument) -> None:
    """Each of its scores; on stderr, what it adds up to."""
    from xret.eval.report.alignment_map import METHODS, score_sentence

    several = len(found.explanations) > 1
    for number, explanation in enumerate(found.explanations):
        if sys.stdout.isatty():
            _print_map(explanation)
        else:
            method = (METHODS[explanation.method],) if several else ()
            print_table(
                (*(("score",) if several else ()), *HEADINGS),
                [(*method, *row) for row in _rows(explanation)],
                follows=number > 0,
            )
        message(f"{METHODS[explanation.method]}: {score_sentence(explanation)}")
    if found.stages:
        message(f"at each stage: {stage_words(found.stages)}")


def stage_words(stages: Mapping[str, StageScore]) -> str:
    """What each stage made of a document, as one line: `first 12.3 (rank 4), rerank 5.1 (1)`."""
    return ", ".join(
        f"{name} {one.score:.4f} ({'rank ' if not place else ''}{one.rank})"
        for place, (name, one) in enumerate(stages.items())
    )


def matched_words(hit: SearchHit, most: int = 6) -> str:
    """The pairs of words that carry most of a hit, as one line."""
    parts = []
    for explanation in hit.explanations[:1]:
        for pair in explanation.pairs[:most]:
            asked, word = explanation.query[pair.query], explanation.document[pair.document]
            share = _share(pair.contribution, explanation)
            parts.append(f"{_named(asked)} ~ {_named(word)} {share}")
    return ", ".join(parts)


def _rows(explanation: Explanation) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for pair in explanation.pairs:
        asked, word = explanation.query[pair.query], explanation.document[pair.document]
        rows.append(
            (
                _named(asked),
                _named(word),
                word.part,
                str(word.start),
                str(word.end),
                word.lang,
                word.script,
                "" if pair.similarity is None else f"{pair.similarity:.4f}",
                f"{pair.contribution:.6f}",
                _share(pair.contribution, explanation),
            )
        )
    return rows


def _print_map(explanation: Explanation) -> None:
    """The document's words down, the question's across, on the colours of the report."""
    from rich.console import Console
    from rich.table import Table

    from xret.retriever.alignment import AlignmentMap, percent

    view = AlignmentMap.of(explanation, rows=ROWS, columns=COLUMNS)
    shares = view.pairs()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("", style="dim")
    table.add_column("", justify="right")
    for column in view.columns:
        table.add_column(_label(explanation.query[column]), justify="center", no_wrap=True)
    table.add_column("%", justify="right")
    for row in view.rows:
        word = explanation.document[row]
        notes = f"{word.script} {'title' if word.part == 'title' else ''}".strip()
        cells = [_heat(view, column, row, shares) for column in view.columns]
        table.add_row(notes, _label(word), *cells, percent(view.share(word.contribution)))
    sums = [percent(view.share(explanation.query[i].contribution)) for i in view.columns]
    table.add_row("", "%", *sums, "", style="dim")
    Console(highlight=False).print(table)
    if abs(view.rest) >= 0.005:
        message(f"other words of the document carry {percent(view.rest)} %")


def _heat(view: AlignmentMap, column: int, row: int, shares: dict[tuple[int, int], float]) -> Text:
    """A cell: its colour is how alike the words are, its number the share that they carry."""
    from rich.text import Text

    from xret.eval.report.colours import custom_properties
    from xret.retriever.alignment import percent

    level = view.level(column, row, shares)
    share = shares.get((column, row))
    words = "" if share is None else percent(share)
    if level is None:
        return Text(words)
    colours = custom_properties("light")
    style = f"{colours[f'heat-{level}-ink']} on {colours[f'heat-{level}']}"
    return Text(f"{words:^5}", style=style + (" bold" if words else ""))


def _label(word: ExplainedWord) -> Text:
    from rich.text import Text

    return Text(_named(word)[:18])


def _named(word: ExplainedWord) -> str:
    return "(marks)" if word.part == "marks" else printable(word.text)


def _share(contribution: float, explanation: Explanation) -> str:
    return f"{100 * contribution / explanation.score:.1f}%" if explanation.score else ""
