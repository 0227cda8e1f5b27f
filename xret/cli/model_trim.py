"""`xret model trim`: a model for the languages that are served, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xret.cli.model import FolderArgument
from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.retriever.trim.report import TrimReport

__all__ = ["trim_model"]


def trim_model(
    model: FolderArgument,
    lang: Annotated[
        list[str], typer.Option("--lang", help="A language that is served; repeatable.")
    ],
    output: Annotated[
        Path, typer.Option("--output", help="Folder of the trimmed model: new, or empty.")
    ],
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Texts whose pieces are kept: plain lines, .jsonl with text and title, .tsv, "
            ".parquet, .gz and .zst of these, or the name of a corpus; repeatable. Without, all "
            "pieces in the scripts of the languages are kept.",
        ),
    ] = None,
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="Keep pieces that occur so often.")
    ] = 1,
    pieces: Annotated[
        int,
        typer.Option(
            "--pieces",
            min=0,
            help="Fill the vocabulary up to so many, by the likeliest of the other pieces: for "
            "languages of which there is little text.",
        ),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Copy a model with only the vocabulary and the adapters of the languages served."""
    from xret.retriever.trim.trim import trim_steps

    report = show_progress(
        trim_steps(model, output, langs=lang, texts=text or (), min_count=min_count, pieces=pieces)
    )
    if report.unread:
        message(
            f"{len(report.unread)} records could not be read and were left out: {report.unread[0]}"
        )
    if as_json:
        print_json(report.described())
        return
    print_table(("", "before", "after", "saved"), _rows(report))
    _say(report, min_count)


def _rows(report: TrimReport) -> list[tuple[str, ...]]:
    rows = [("pieces", report.pieces_before, report.pieces_after)]
    if report.languages_before is not None and report.languages_after is not None:
        counts = len(report.languages_before), len(report.languages_after)
        rows.append((report.module or "languages", *counts))
    rows += [
        (file.name, file.before, file.after) for file in report.files if file.before != file.after
    ]
    rows.append(("all files, bytes", report.bytes_before, report.bytes_after))
    return [
        (
            name,
            f"{before:,}",
            f"{after:,}",
            f"{before - after:,} ({1 - after / before:.1%})" if before else f"{before - after:,}",
        )
        for name, before, after in rows
    ]


def _say(report: TrimReport, min_count: int) -> None:
    """What the numbers mean, on stderr."""
    if report.chosen_by == "scripts":
        message(
            f"every piece in {', '.join(report.scripts)} is kept: texts in these scripts are cut "
            "as before"
        )
    else:
        held_out = "too few lines to estimate how texts yet unseen are cut"
        if report.held_out is not None:
            held_out = (
                f"of every tenth line, had it not been read, {report.held_out.share:.1%} "
                f"({report.held_out.identical:,} of {report.held_out.lines:,}) would be"
            )
        message(
            f"{report.identical:,} of {report.lines:,} lines are cut into the same pieces as "
            f"before; {held_out}. Other texts may be cut otherwise: give more text, or leave "
            "--text out"
        )
        if min_count > 1 and report.identical < report.lines:
            message(f"lines with pieces that occur under {min_count} times have other vectors")
    if report.skipped:
        message(f"{report.skipped:,} texts in other languages were not read")
    if report.scripts_unread:
        scripts = ", ".join(report.scripts_unread)
        message(f"texts in these scripts are no longer read: {scripts}")
    if report.languages_unread:
        message(f"served, but the vocabulary cannot write: {', '.join(report.languages_unread)}")
    for name, why in report.left_out.items():
        message(f"not copied: {name}: {why}")
    message(
        f"{report.compared} texts encoded by both models: numbers differ by at most "
        f"{report.largest_difference:.1e}. Trimmed model: {report.output}"
    )
