"""`xret model choose`: which encoder, and how to ask it, for a corpus without judgements."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.eval.model_choice import SettingScore

__all__ = ["choose"]

HEADINGS = ("encoder", "mode", "nDCG@10", "over questions", "LogME", "MEXA", "by languages")


def choose(
    encoders: Annotated[
        list[str],
        typer.Argument(metavar="ENCODER...", help="Names or folders; bm25 for words alone."),
    ],
    corpus: Annotated[str, typer.Option("--corpus", help="Name of a corpus, a file or a folder.")],
    lang: Annotated[
        list[str] | None,
        typer.Option(
            "--lang", help="Of the questions; repeatable. The corpus's own and English if none."
        ),
    ] = None,
    passages: Annotated[
        int, typer.Option("--passages", min=20, help="Indexed, and asked about once each.")
    ] = 300,
    parallel: Annotated[
        Path | None,
        typer.Option("--parallel", help="Text and its English, for MEXA; as in lang check."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of every random draw.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Rank encoders for a corpus without judgements, by vectors alone and with words.

    Questions are made of the corpus, also in other languages, by the shipped lexicon; the sentence
    that became one is taken out of its passage.
    """
    from xret.eval.model_choice import choose_steps

    choice = show_progress(
        choose_steps(
            encoders,
            corpus,
            langs=lang or (),
            n_passages=passages,
            parallel=parallel,
            seed=seed,
        )
    )
    if as_json:
        print_json(asdict(choice))
        return
    print_table(HEADINGS, map(_row, choice.ranked))
    best = choice.ranked[0]
    message(
        f"{best.encoder} {best.mode} by {choice.questions:,} questions over {choice.passages:,} "
        f"passages; {choice.close} others may be as good by their intervals"
    )
    message(
        f"xret index --corpus {corpus} --encoder {best.encoder}; xret search --mode {best.mode}"
    )


def _row(score: SettingScore) -> tuple[str, ...]:
    interval = score.interval
    return (
        score.encoder,
        score.mode,
        f"{score.score:.4f}",
        f"{interval.mean:.4f} [{interval.low:.4f}, {interval.high:.4f}]",
        "–" if score.logme is None else f"{score.logme:.3f}",
        "–" if score.mexa is None else f"{score.mexa:.2f}",
        "; ".join(f"{pair} {value:.3f}" for pair, value in score.pairs.items()),
    )
