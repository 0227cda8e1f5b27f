"""`xret lang check`: what an encoder makes of a language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xret.cli.options import AsJson, EncoderOption
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.eval.evaluation import Interval
    from xret.eval.fitness import LanguageFitness
    from xret.eval.parallel_sentences import Pairs, ParallelSentences
    from xret.retriever.encoder import Encoder
    from xret.types import Progress

__all__ = ["check"]

HEADINGS = (
    "language",
    "verdict",
    "to English",
    "from English",
    "MEXA",
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
    encoder: EncoderOption = "xret-static",
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
    from xret.eval.fitness import encoder_tokenizer, threshold_doubts, worst_first
    from xret.eval.parallel_sentences import draw_sentences
    from xret.retriever.opening.encoder import load_encoder

    named = _codes(langs or [])
    drawn = draw_sentences(
        _pairs(named, parallel, corpus),
        n=sentences,
        seed=seed,
        on_few=None if named else lambda said: message(f"left out: {said}"),
    )
    from xret.retriever.models.location import encoder_name

    name = encoder_name(encoder)
    loaded = load_encoder(name)
    tokenizer = encoder_tokenizer(name, loaded)
    found: list[LanguageFitness] = []
    show_progress(_checked(found, loaded, drawn, tokenizer=tokenizer, seed=seed))
    ranked = worst_first(found)
    if tokenizer is None:
        message(f"{encoder} has no tokenizer.json: pieces, parity and unknown words are left out")
    for each in ranked:
        for note in each.notes:
            message(f"{each.lang}: {note}")
    for doubt in threshold_doubts(ranked):
        message(doubt)
    if as_json:
        print_json({"encoder": loaded.spec.name, "languages": [_described(f) for f in ranked]})
        return
    print_table(HEADINGS, map(_row, ranked))
    _print_verdict(loaded.spec.name, ranked)


def _codes(langs: Sequence[str]) -> list[str]:
    """Codes of what was typed; English, which the others are compared with, is none of them."""
    from xret.errors import LanguageError
    from xret.retriever.languages.codes import ENGLISH, language_code
    from xret.types import UNDETERMINED

    found = list(dict.fromkeys(language_code(spelling) for spelling in langs))
    if ENGLISH in found:
        raise LanguageError("English is what other languages are compared with; name another")
    if UNDETERMINED in found:
        raise LanguageError("'und' is no language; name one, such as sw")
    return found


def _pairs(langs: Sequence[str], parallel: Path | None, corpus: str | None) -> Mapping[str, Pairs]:
    from xret.errors import ConfigError
    from xret.eval.parallel_sentences import read_parallel_corpus, read_parallel_file

    if parallel is not None and corpus is None:
        return read_parallel_file(parallel, langs)
    if corpus is not None and parallel is None:
        return read_parallel_corpus(corpus, langs)
    raise ConfigError(
        "name the parallel sentences either with --parallel FILE or with --corpus FOLDER_OR_NAME"
    )


def _checked(
    found: list[LanguageFitness],
    encoder: Encoder,
    drawn: Sequence[ParallelSentences],
    **options: Any,
) -> Iterator[Progress]:
    from xret.eval.fitness import check_languages
    from xret.types import Progress

    for done, fitness in enumerate(check_languages(encoder, drawn, **options), 1):
        found.append(fitness)
        yield Progress("check", done, len(drawn), "languages")


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
