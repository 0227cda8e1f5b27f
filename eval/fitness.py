"""Whether an encoder serves a language, estimated from parallel sentences alone.

The thresholds are those that, over the 76 languages that FLORES-200 and Belebele share here,
separate best what the embedded encoder measures on Belebele (docs/reproduction.md has the
table and the correlations). They hold for pools of about `POOL` sentences: Success@1 falls as
the pool grows. Parity is printed and decides nothing: it correlates with quality only weakly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from xret.eval.alignment import AlignmentShares, SentencePool
from xret.eval.fertility import Fertility, SubwordCounts, read_tokenizer
from xret.eval.parallel_sentences import ParallelSentences
from xret.retriever.encoder import Encoder
from xret.retriever.encoders.static import StaticEncoder
from xret.retriever.models.location import model_location

__all__ = [
    "POOL",
    "LanguageFitness",
    "check_languages",
    "encoder_tokenizer",
    "judge",
    "threshold_doubts",
    "worst_first",
]

POOL = 200
"""Sentence pairs that are drawn by default, and that the thresholds are for."""

UNFIT_RETRIEVAL, WEAK_RETRIEVAL = 0.5, 0.8
WEAK_MEXA = 0.5
UNFIT_UNKNOWN, WEAK_UNKNOWN = 0.25, 0.05

SHORT_WORDS = 12
"""Sentences of FLORES have 21 words on average in English, those of Tatoeba 7."""

Verdict = Literal["fit", "weak", "unfit"]


@dataclass(frozen=True, slots=True)
class LanguageFitness:
    """What was measured of one language, the verdict, and why it is not better.

    trained: whether the encoder's card lists the language. fertility: None where the encoder
    has no tokenizer file. adapter: that of another language which it goes through, in words, ""
    where it has its own or the encoder has none. pairs: sentences compared, of `available`.
    english_words: how long they are, the mean of the English side.
    """

    lang: str
    verdict: Verdict
    reasons: tuple[str, ...]
    alignment: AlignmentShares
    fertility: Fertility | None
    trained: bool
    adapter: str
    pairs: int
    available: int
    english_words: float
    notes: tuple[str, ...]


def check_languages(
    encoder: Encoder,
    drawn: Sequence[ParallelSentences],
    *,
    tokenizer: SubwordCounts | None = None,
    seed: int = 0,
) -> Iterator[LanguageFitness]:
    """Each language in turn; English sentences that several share are encoded once."""
    pool: SentencePool | None = None
    for sentences in drawn:
        lang = sentences.lang
        if pool is None or pool.english != sentences.english:
            pool = SentencePool(encoder, sentences.english)
        alignment = pool.align(sentences.texts, lang, seed=seed)
        fertility = None
        if tokenizer is not None:
            fertility = tokenizer.fertility(sentences.texts, sentences.english)
        verdict, reasons = judge(alignment, fertility)
        route = encoder.route(lang) if encoder.spec.language_adapters else None
        yield LanguageFitness(
            lang,
            verdict,
            reasons,
            alignment,
            fertility,
            trained=lang in encoder.spec.languages,
            adapter="" if route is None else route.describe(),
            pairs=len(sentences.texts),
            available=sentences.available,
            english_words=sum(len(s.split()) for s in sentences.english) / len(sentences.english),
            notes=sentences.notes,
        )


def judge(
    alignment: AlignmentShares, fertility: Fertility | None
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and every threshold that was missed in words."""
    unfit, weak = [], []
    found = alignment.retrieval
    said = f"{found:.0%} of the sentences find their translation first"
    if found < UNFIT_RETRIEVAL:
        unfit.append(f"{said} (below {UNFIT_RETRIEVAL:.0%})")
    elif found < WEAK_RETRIEVAL:
        weak.append(f"{said} (below {WEAK_RETRIEVAL:.0%})")
    if alignment.mexa.mean < WEAK_MEXA:
        weak.append(f"MEXA {alignment.mexa.mean:.2f} (below {WEAK_MEXA})")
    if fertility is not None and fertility.unknown >= WEAK_UNKNOWN:
        lost = unfit if fertility.unknown >= UNFIT_UNKNOWN else weak
        lost.append(f"{fertility.unknown:.0%} of the words are unknown to the tokenizer")
    return ("unfit" if unfit else "weak" if weak else "fit"), (*unfit, *weak)


def worst_first(found: Sequence[LanguageFitness]) -> list[LanguageFitness]:
    """By verdict, then by the share of sentences that find their translation."""
    order: dict[Verdict, int] = {"unfit": 0, "weak": 1, "fit": 2}
    return sorted(found, key=lambda f: (order[f.verdict], f.alignment.retrieval, f.lang))


def threshold_doubts(found: Sequence[LanguageFitness]) -> list[str]:
    """Why the thresholds, which are for `POOL` sentences like those of FLORES, may not fit."""
    doubts = []
    if any(not POOL / 2 <= each.pairs <= POOL * 2 for each in found):
        doubts.append(
            f"the thresholds are for pools of about {POOL} pairs: smaller ones are easier, larger "
            "ones harder"
        )
    if any(each.english_words < SHORT_WORDS for each in found):
        doubts.append(
            f"the sentences are short (below {SHORT_WORDS} words), and harder to tell apart than "
            "those that the thresholds are for: compare languages rather than verdicts"
        )
    return doubts


def encoder_tokenizer(name: str, encoder: Encoder) -> SubwordCounts | None:
    """The tokenizer of a loaded encoder, None where its folder has no tokenizer.json."""
    return read_tokenizer(model_location(name), static=isinstance(encoder, StaticEncoder))
