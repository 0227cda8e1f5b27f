"""`xret lang add`: a language that an encoder lacks, learnt from its text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.retriever.training.language.add import AddedLanguage
    from xret.retriever.training.language.measures import BootstrapInterval
    from xret.retriever.training.language.report import AdditionReport

__all__ = ["add"]

HEADINGS = ("measure", "no adapter", "relative's", "own", "gain over relative's", "n")


def add(
    lang: Annotated[str, typer.Argument(metavar="LANG", help="The language to add.")],
    text: Annotated[
        Path,
        typer.Option("--text", help="Text in it, a sentence or paragraph a line; .gz, .zst too."),
    ],
    model: Annotated[str, typer.Option("--model", help="A model with X-MOD adapters.")],
    parallel: Annotated[
        Path | None,
        typer.Option(
            "--parallel",
            help="Pairs of text, english; of lang, text, english; or of lang, lang, text, text.",
        ),
    ] = None,
    relative: Annotated[
        str | None,
        typer.Option("--from", help="Start as this language's adapter; else as the nearest's."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Learn a language that the model has from there on."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="Change a copy of the model, written here.")
    ] = None,
    adapter_file: Annotated[
        Path | None, typer.Option("--adapter-file", help="Write the adapter to this file.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Of training; by the data if not given.")
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            help="Share of what was learnt that is kept: 1 for documents like the text; by the "
            "model if not given.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="What all chance follows from.")] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Processor threads.")] = 1,
    force: Annotated[
        bool,
        typer.Option("--force", help="Install what made things worse; take the text on trust."),
    ] = False,
    licence: Annotated[
        str, typer.Option("--licence", help="Of the text, for the adapter's card.")
    ] = "unknown",
    as_json: AsJson = False,
) -> None:
    """Learn a language adapter from text, and install it if it helps; run again to go on."""
    from xret.eval.parallel_sentences import read_parallel_file
    from xret.retriever.languages.codes import language_code
    from xret.retriever.models.location import model_location
    from xret.retriever.training.language.text import read_text

    code = language_code(lang)
    folder = model_location(model)
    lines = read_text(text)
    pairs = None if parallel is None else read_parallel_file(parallel, [code])[code]
    data = text.name if parallel is None else f"{text.name}, {parallel.name}"

    import torch

    from xret.retriever.training.language.add import Destination, add_language
    from xret.retriever.training.language.course import CourseSettings

    torch.set_num_threads(threads)
    made: list[AddedLanguage] = []
    show_progress(
        add_language(
            folder,
            code,
            lines=lines,
            pairs=pairs,
            made=made,
            destination=Destination(output, adapter_file),
            relative=relative,
            replace=replace,
            force=force,
            settings=CourseSettings(steps=steps, seed=seed, strength=strength),
            source={"trained_by": "xret lang add", "data": data, "licence": licence},
        )
    )
    added = made[0]
    if as_json:
        print_json(added.described())
    else:
        _print_report(added.report)
    _print_end(added)
    if added.refused:
        raise typer.Exit(1)


def _print_report(report: AdditionReport) -> None:
    print_table(
        HEADINGS,
        [
            (
                row.name,
                _interval(row.none),
                _interval(row.relative),
                _interval(row.own),
                _interval(row.gain, sign="+"),
                f"{row.n:,}",
            )
            for row in report.measures
        ],
    )
    message(
        f"{report.lang} started as {report.relative} ({report.reason}); {report.steps:,} steps, "
        f"the state after {report.best_step:,} kept, {report.minutes:.1f} minutes"
    )
    message(
        f"{report.lines:,} lines, {report.words:,} words, {report.pairs:,} pairs; "
        f"{report.pieces_per_word:.2f} pieces a word, {report.unknown_share:.1%} of the letters "
        f"unknown, {report.new_pieces:,} new pieces"
    )
    for note in report.notes:
        message(note)


def _print_end(added: AddedLanguage) -> None:
    report = added.report
    if added.refused:
        message(
            f"not installed: {report.verdict}; give more text or parallel sentences, another "
            "--from, or --force to have it all the same"
        )
        return
    message(f"{report.verdict}")
    if added.adapter_file is not None:
        message(f"adapter written: {added.adapter_file}")
    if added.installed is not None:
        message(f"installed: {added.installed} now has an adapter for {report.lang}")


def _interval(found: BootstrapInterval, *, sign: str = "") -> str:
    return f"{found.mean:{sign}.3f} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"
