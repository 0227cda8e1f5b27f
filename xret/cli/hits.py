"""The hits of a search: two or three lines each at a terminal, a tab-separated one elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from xret.cli.explained import matched_words, stage_words
from xret.cli.ids import typable
from xret.cli.output import message, print_table, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from xret.retriever.answer import SearchAnswer, SearchHit

__all__ = ["print_answer"]

HEADINGS = ("rank", "score", "lang", "id", "title", "text")
INDENT = 4


def print_answer(answer: SearchAnswer, *, narrowed: bool) -> None:
    """The hits, and on stderr what there is to know about them.

    narrowed: whether only some of the documents were asked for.
    """
    hits = answer.hits or [hit for group in answer.groups for hit in group.hits]
    if not hits:
        among = " among the documents that --doc-lang and --filter leave" if narrowed else ""
        message(f"no hits in {answer.index}{among}")
    elif sys.stdout.isatty():
        _print_blocks(hits)
    else:
        print_table(*_columns(hits))
    for name, facet in answer.facets.items():
        counts = ", ".join(f"{one.value} {one.count}" for one in facet.values[:20])
        message(f"{name}, of the best {facet.documents}: {counts or 'none'}")
    through = [answer.query.adapter, *(hit.adapter for hit in hits)]
    for line in dict.fromkeys([*(adapter for adapter in through if adapter), *answer.warnings]):
        message(line)


def _columns(hits: Sequence[SearchHit]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows, with the words and stages of hits that are explained."""
    headings: tuple[str, ...] = HEADINGS
    rows = [_row(hit) for hit in hits]
    if any(hit.explanations for hit in hits):
        headings = (*headings, "words")
        rows = [(*row, matched_words(hit)) for row, hit in zip(rows, hits, strict=True)]
        if any(hit.stages for hit in hits):
            headings = (*headings, "stages")
            rows = [(*row, stage_words(hit.stages)) for row, hit in zip(rows, hits, strict=True)]
    return headings, rows


def _row(hit: SearchHit) -> tuple[str, ...]:
    text = hit.snippets[0].text
    return str(hit.rank), f"{hit.score:.4f}", _lang(hit), typable(hit.id), hit.title, text


def _lang(hit: SearchHit) -> str:
    """A language that was not given but identified carries a mark."""
    return hit.lang if hit.lang_source == "given" else f"{hit.lang}?"


def _print_blocks(hits: list[SearchHit]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for hit in hits:
        for line in _block(hit, console.width):
            console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def _block(hit: SearchHit, width: int) -> list[Text]:
    """Rank, score, language, title and id, the id on its own line where it does not fit."""
    from rich.cells import cell_len
    from rich.text import Text

    start = f"{hit.rank:>2}  {hit.score:.4f}  {_lang(hit)}  "
    title, doc_id = printable(hit.title), printable(typable(hit.id))
    head = Text.assemble(start, (title or doc_id, "bold"))
    lines = [head]
    if title and head.cell_len + 2 + cell_len(doc_id) <= width:
        head.append(f"  {doc_id}", style="dim")
    elif title:
        lines.append(Text(" " * INDENT + doc_id, style="dim"))
    lines.append(_snippet(hit))
    if hit.explanations:
        lines.append(Text(" " * INDENT + matched_words(hit), style="dim"))
        if hit.stages:
            lines.append(Text(" " * INDENT + stage_words(hit.stages), style="dim"))
    return lines


def _snippet(hit: SearchHit) -> Text:
    """The text of a hit, the words that carry its score in bold."""
    from rich.text import Text

    snippet = hit.snippets[0]
    line = Text(" " * INDENT)
    if not snippet.spans:
        return line.append(" ".join(printable(snippet.text).split()))
    end = 0
    for start, stop, _ in sorted(snippet.spans):
        line.append(printable(snippet.text[end:start]))
        line.append(printable(snippet.text[start:stop]), style="bold")
        end = stop
    return line.append(printable(snippet.text[end:]))
