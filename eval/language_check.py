"""How fit an encoder is for languages, from parallel sentences: what `xret lang check` asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xret.errors import ConfigError, LanguageError
from xret.eval.fitness import (
    LanguageFitness,
    check_languages,
    encoder_tokenizer,
    threshold_doubts,
    worst_first,
)
from xret.eval.parallel_sentences import (
    Pairs,
    draw_sentences,
    read_parallel_corpus,
    read_parallel_file,
)
from xret.retriever.languages.codes import ENGLISH, language_code
from xret.retriever.models.location import encoder_name
from xret.retriever.opening.encoder import load_encoder
from xret.types import UNDETERMINED, Progress, Work, finished

__all__ = ["LanguageCheck", "check_encoder_languages", "check_steps"]


@dataclass(frozen=True, slots=True)
class LanguageCheck:
    """Languages by how well an encoder serves them, the worst first, and what to know of it."""

    encoder: str
    ranked: tuple[LanguageFitness, ...]
    notes: tuple[str, ...]


def check_steps(
    encoder: str,
    langs: Sequence[str] = (),
    *,
    parallel: Path | None = None,
    corpus: str | None = None,
    n_sentences: int = 200,
    seed: int = 0,
) -> Work[LanguageCheck]:
    """Estimate from parallel sentences which languages an encoder is unfit for.

    langs: in any spelling, () for all of the source. parallel, corpus: one of them, a file or
    the folder or name of a corpus. Raises LanguageError, ConfigError, CorpusError, and what
    `load_encoder` raises.
    """
    codes = _codes(langs)
    notes: list[str] = []
    drawn = draw_sentences(
        _pairs(codes, parallel, corpus),
        n=n_sentences,
        seed=seed,
        on_few=None if codes else lambda said: notes.append(f"left out: {said}"),
    )
    name = encoder_name(encoder)
    loaded = load_encoder(name)
    tokenizer = encoder_tokenizer(name, loaded)
    checked = []
    fitnesses = check_languages(loaded, drawn, tokenizer=tokenizer, seed=seed)
    for done, fitness in enumerate(fitnesses, 1):
        checked.append(fitness)
        yield Progress("check", done, len(drawn), "languages")
    ranked = worst_first(checked)
    if tokenizer is None:
        notes.append(
            f"{encoder} has no tokenizer.json: pieces, parity and unknown words are left out"
        )
    notes += [f"{fitness.lang}: {note}" for fitness in ranked for note in fitness.notes]
    notes += threshold_doubts(ranked)
    return LanguageCheck(loaded.spec.name, tuple(ranked), tuple(notes))


check_encoder_languages = finished(check_steps)
"""The same, run to its end: returns the result alone."""


def _codes(langs: Sequence[str]) -> list[str]:
    """Codes of what was typed; English, which the others are compared with, is none of them."""
    codes = list(dict.fromkeys(language_code(spelling) for spelling in langs))
    if ENGLISH in codes:
        raise LanguageError("English is what other languages are compared with; name another")
    if UNDETERMINED in codes:
        raise LanguageError("'und' is no language; name one, such as sw")
    return codes


def _pairs(langs: Sequence[str], parallel: Path | None, corpus: str | None) -> Mapping[str, Pairs]:
    if parallel is not None and corpus is None:
        return read_parallel_file(parallel, langs)
    if corpus is not None and parallel is None:
        return read_parallel_corpus(corpus, langs)
    raise ConfigError(
        "name the parallel sentences either with --parallel FILE or with --corpus FOLDER_OR_NAME"
    )
