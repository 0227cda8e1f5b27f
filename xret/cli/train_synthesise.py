"""`xret train synthesise`: questions to train on, made of one's own documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.retriever.training.synthesis.synthesis import SynthesisReport

__all__ = ["synthesise_questions"]


def synthesise_questions(
    corpus: Annotated[str, typer.Option("--corpus", help="Name of a corpus, a file or a folder.")],
    output: Annotated[
        Path, typer.Option("--output", dir_okay=False, help="JSON lines (.jsonl) for training.")
    ],
    llm: Annotated[
        str | None,
        typer.Option(
            "--llm",
            metavar="URL|FOLDER",
            help="Asked for the questions: https://host/v1/chat/completions#model (its key in "
            "XRET_SYNTHESIS_KEY), or the folder of a causal model; else the documents' own words, "
            "translated by the shipped lexicon.",
        ),
    ] = None,
    lang: Annotated[
        list[str] | None,
        typer.Option(
            "--lang", help="Of the questions; repeatable. The corpus's own and English if none."
        ),
    ] = None,
    passages: Annotated[
        int, typer.Option("--passages", min=1, help="Asked about, each of another document.")
    ] = 1_000,
    questions: Annotated[
        int, typer.Option("--questions", min=1, help="About each passage, in other languages.")
    ] = 2,
    round_trip: Annotated[
        int,
        typer.Option(
            "--round-trip", min=0, help="Keep what finds its passage among so many; 0: all."
        ),
    ] = 10,
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="That searches for that; xret-modular if none.")
    ] = None,
    held_out: Annotated[
        float,
        typer.Option("--held-out", metavar="SHARE", help="Of the documents, for a file apart."),
    ] = 0.2,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds that one request may take.")
    ] = 60.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of every random draw.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume/--anew", help="Go on with a broken run, or ask all again.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Make questions in several languages of a corpus, to train and to compare encoders on.

    Those in another language than asked for, too short or long, met before, or that do not find
    their passage are left out.
    """
    from xret.retriever.training.synthesis.settings import Synthesis
    from xret.retriever.training.synthesis.synthesis import synthesise_steps

    settings = Synthesis(
        n_passages=passages,
        n_questions=questions,
        langs=tuple(lang or ()),
        llm=llm,
        timeout_s=timeout,
        round_trip=round_trip,
        encoder=encoder,
        held_out=held_out,
        seed=seed,
    )
    report = show_progress(synthesise_steps(corpus, output, settings=settings, resume=resume))
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    message(
        f"written: {output}; train on it with: xret train contrastive --data {output} --held-out "
        f"{report.held_out_file} ..."
    )


def _print_report(report: SynthesisReport) -> None:
    rows = [
        ("questions by", report.generator),
        ("passages", report.passages),
        ("asked", report.asked),
        *((f"dropped: {reason}", count) for reason, count in report.dropped.items()),
        ("written", report.written),
        ("held out", report.held_out),
        *((f"pair {pair}", count) for pair, count in report.pairs.items()),
        ("requests", report.requests),
        ("tokens read", report.prompt_tokens),
        ("tokens written", report.completion_tokens),
        ("seconds of asking", round(report.seconds, 1)),
    ]
    print_table(("", "value"), [(n, f"{v:,}" if not isinstance(v, str) else v) for n, v in rows])
