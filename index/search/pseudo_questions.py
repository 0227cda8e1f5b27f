"""How languages differ in what questions in one language give to them, learnt without questions.

A run of vectors out of a document's passage stands for a question in its language: sixteen
such, scored with the backgrounds of all languages, say how far the means of these lie apart,
in units of the spread, and how the spreads compare. The best document of each language is left
out: it may be the one that the vectors are of, or its translation. Both numbers are of the encoder
and the pair of languages, not of what is asked, and only languages with few documents need them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.index.search.calibration import (
    LanguageOffsets,
    trust,
    upper_spread,
    weighted_mean,
)
from xret.index.search.languages import LanguageGroups, owners_of
from xret.index.search.seen_queries import SeenQueries, background_scores
from xret.index.storage.segment import Segment, widened
from xret.types import Embeddings, FloatArray, IntArray

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = [
    "PSEUDO_QUESTIONS",
    "language_numbers",
    "learn_offsets",
    "offsets_of",
    "pseudo_background",
    "pseudo_each",
    "pseudo_embeddings",
    "pseudo_vectors",
]

PSEUDO_QUESTIONS = 16
PSEUDO_VECTORS = 12
"""Vectors of one: those of a question of usual length."""

PSEUDO_BACKGROUND = 64
MOST_DOCUMENTS = 8192
"""Documents of each language, at least, and of all together, about, that they are scored with."""

SHIFT_PRIOR = 10
RATIO_PRIOR = 20
"""As how many documents "no difference" counts beside what a language's own say."""

Codecs = Mapping[int, "ResidualCodec"]
Floats = npt.NDArray[np.float64]


def learn_offsets(
    groups: LanguageGroups, segments: Sequence[Segment], codecs: Codecs, lang: str
) -> LanguageOffsets:
    """For questions in a language, from the documents in it or, where the index has none, from
    those in any others, which then say nothing of their own language.
    """
    n_langs = len(groups.langs)
    same = language_numbers(groups.langs, lang)
    chosen, of_chosen = _asked(groups, same or range(n_langs))
    values = [pseudo_vectors(segments[s], codecs, at) for s, at in chosen]
    queries = SeenQueries(pseudo_embeddings(values), codecs, 1)
    some = groups.some(np.arange(n_langs), pseudo_background(n_langs))
    scores = background_scores(queries, segments, some).astype(np.float64)
    return offsets_of(scores, of_chosen, owners_of(groups, some), n_langs, own=bool(same))


def offsets_of(
    scores: Floats, of_rows: Sequence[int], owners: IntArray, n_langs: int, *, own: bool
) -> LanguageOffsets:
    """What the scores of pseudo-questions say.

    scores: (q, b) with documents of all languages. of_rows: (q,) the languages of the questions;
    own: whether they may speak for documents in it. owners: (b,) those of the documents.
    """
    shifts, ratios, n_rows = np.zeros(n_langs), np.zeros(n_langs), np.zeros(n_langs)
    for row, number in zip(scores, of_rows, strict=True):
        other = _without_best(row, owners, n_langs)
        counts = np.bincount(owners[other], minlength=n_langs).astype(np.float64)
        means, spreads = upper_spread(row[other], owners[other], n_langs)
        heard = np.where(counts > 1, trust(counts, RATIO_PRIOR), 0)
        spread = weighted_mean(spreads, heard)
        if not spread:
            continue
        told = (counts > 1) & (own | (np.arange(n_langs) != number))
        shifts[told] += (means[told] - weighted_mean(means, heard)) / spread
        ratios[told] += spreads[told] / spread
        n_rows += told
    counts = np.bincount(owners, minlength=n_langs).astype(np.float64)
    known = np.maximum(n_rows, 1)
    ratios = np.where(n_rows > 0, ratios / known, 1.0)
    return LanguageOffsets(
        shifts / known * (counts / (counts + SHIFT_PRIOR)),
        1 + (ratios - 1) * (counts / (counts + RATIO_PRIOR)),
    )


def pseudo_background(n_langs: int) -> int:
    """With how many documents of each of so many languages pseudo-questions are scored."""
    return max(PSEUDO_BACKGROUND, MOST_DOCUMENTS // max(n_langs, 1))


def _without_best(scores: Floats, owners: IntArray, n_langs: int) -> npt.NDArray[np.bool_]:
    """All documents but the one with the highest score in each language."""
    kept = np.ones(len(scores), np.bool_)
    for number in range(n_langs):
        own = np.flatnonzero(owners == number)
        if len(own):
            kept[own[np.argmax(scores[own])]] = False
    return kept


def language_numbers(langs: Sequence[str], lang: str) -> list[int]:
    """Numbers of the code itself, else of those that differ in script or region only."""
    if lang in langs:
        return [langs.index(lang)]
    base = lang.partition("-")[0]
    return [number for number, other in enumerate(langs) if other.partition("-")[0] == base]


def pseudo_each(n_langs: int) -> int:
    """Of how many documents of each of so many languages vectors are taken."""
    return max(1, PSEUDO_QUESTIONS // n_langs)


def _asked(groups: LanguageGroups, langs: Sequence[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Segment and position, and language, of the documents whose vectors are taken: the first of
    the backgrounds of these languages, of as many languages as can be."""
    each = pseudo_each(len(langs))
    documents = [
        (int(numbers[at]), int(rank), number, int(at))
        for number, (numbers, where, ranks) in enumerate(
            zip(groups.numbers, groups.background, groups.ranks, strict=True)
        )
        for at, rank in zip(where, ranks, strict=True)
        if rank < each and numbers[at] in langs
    ]
    chosen = sorted(documents)[: max(PSEUDO_QUESTIONS, each)]
    return [(number, at) for _, _, number, at in chosen], [lang for lang, *_ in chosen]


def pseudo_embeddings(values: Sequence[FloatArray]) -> Embeddings:
    """Pseudo-questions as queries are."""
    ends = np.cumsum([0, *map(len, values)]).astype(np.int64)
    return Embeddings(np.concatenate(values), ends)


def pseudo_vectors(segment: Segment, codecs: Codecs, position: int) -> FloatArray:
    """A run of vectors from the middle of a document's first passage."""
    return _decoded(segment, codecs, *_middle(segment, position))


def _middle(segment: Segment, position: int) -> tuple[int, IntArray]:
    """The passage and the rows of a document's pseudo-question."""
    passage = position if segment.documents is None else int(segment.documents[position])
    first, last = segment.offsets[passage : passage + 2].tolist()
    start = first + max(0, (last - first - PSEUDO_VECTORS) // 2)
    return passage, np.arange(start, min(last, start + PSEUDO_VECTORS))


def _decoded(segment: Segment, codecs: Codecs, passage: int, rows: IntArray) -> FloatArray:
    codec = codecs.get(segment.codec)
    if codec is not None:
        return codec.decode(segment.coded.rows(rows, np.full(len(rows), passage)))
    coded = segment.coded.rows(rows)
    values: FloatArray = coded.codes.view(np.int8) * widened(coded.scales)[:, None]
    dims = [other.dim for other in codecs.values()]  # of the vectors, without their padding
    return values[:, : dims[0]] if dims else values
