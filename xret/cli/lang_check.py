"""`xret lang check`: what an encoder makes of a language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xret.cli.options import AsJson, EncoderOption
from xret.cli.output import message, print_json, print_table, show_progress
from xret.retriever.models.registry import DEFAULT_ENCODER

if TYPE_CHECKING:
    from xret.eval.evaluation import Interval
    from xret.eval.fitness import LanguageFitness

__all__ = ["check"]

HEADINGS = (
    "language",
    "verdict",
    "to English",
    "from English",
    "MEXA",
    "ANC",
    "pieces",
    "parity",
    "unknown",
    "pairs",
    "why",
)


def check(
    langs: Annotated[
        list[str] | None, typer.Argument(metavar="[LANG]...", help="All of the source if none.")
    ] = None,
    encoder: EncoderOption = DEFAULT_ENCODER,
    parallel: Annotated[
        Path | None,
        typer.Option(
            "--parallel",
            help="Pairs of text, english; of lang, text, english; or of lang, lang, text, text.",
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", help="Parallel sentences: a folder or a name, such as flores."),
    ] = None,
    sentences: Annotated[
        int, typer.Option("-n", "--sentences", min=20, max=5_000, help="Pairs compared.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draw of sentences.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Estimate from parallel sentences which languages an encoder is unfit for."""
    from xret.eval.language_check import check_steps

    report = show_progress(
        check_steps(
            encoder,
            langs or (),
            parallel=parallel,
            corpus=corpus,
            n_sentences=sentences,
            seed=seed,
        )
    )
    for note in report.notes:
        message(note)
    if as_json:
        print_json({"encoder": report.encoder, "languages": [_described(f) for f in report.ranked]})
        return
    print_table(HEADINGS, map(_row, report.ranked))
    _print_verdict(report.encoder, report.ranked)


def _described(fitness: LanguageFitness) -> dict[str, Any]:
    from dataclasses import asdict

    from xret.retriever.languages.codes import language_name

    return {"name": language_name(fitness.lang), **asdict(fitness)}


def _row(fitness: LanguageFitness) -> tuple[str, ...]:
    from xret.retriever.languages.codes import language_name

    alignment, fertility = fitness.alignment, fitness.fertility
    cut = ("–", "–", "–")
    if fertility is not None:
        cut = (
            f"{fertility.pieces_per_unit:.2f}/{fertility.unit}",
            f"{fertility.parity:.2f}",
            f"{fertility.unknown:.1%}",
        )
    name = f"{fitness.lang} ({language_name(fitness.lang)})"
    return (
        name + ("" if fitness.trained else ", not in the encoder's list"),
        fitness.verdict,
        _share(alignment.to_english),
        _share(alignment.from_english),
        _share(alignment.mexa),
        f"{alignment.anc:.2f}",
        *cut,
        str(fitness.pairs),
        "; ".join([*fitness.reasons, *filter(None, [fitness.adapter])]),
    )


def _share(interval: Interval) -> str:
    return f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _print_verdict(encoder: str, ranked: Sequence[LanguageFitness]) -> None:
    for verdict, said in (("unfit", "is unfit for"), ("weak", "is weak in")):
        named = [fitness.lang for fitness in ranked if fitness.verdict == verdict]
        if named:
            message(f"{encoder} {said} {len(named)}: {' '.join(named)}")
    fit = sum(fitness.verdict == "fit" for fitness in ranked)
    message(f"{fit} of {len(ranked)} languages are served well by these estimates")
