"""The best documents of one commit by BM25, in the form in which dense ones are given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.errors import QueryError
from xret.index.search.calibration import Calibration
from xret.index.search.ranking import Best, Masks
from xret.index.storage.segment import Segment
from xret.index.storage.stored import place
from xret.index.words.bm25 import Bm25, QueryTerms, best_scores
from xret.index.words.lexical import LexicalSegment
from xret.types import Hit, IntArray

__all__ = [
    "HYBRID_DEPTH",
    "Words",
    "best_by_terms",
    "numbers_within",
    "open_bm25",
    "open_lexical",
    "rank_words",
]

HYBRID_DEPTH = 100
"""Documents of each ranking, at least, that are joined."""

Join = Callable[[Sequence[Hit], Sequence[Hit], Collection[str]], list[Hit]]


@dataclass(frozen=True, slots=True)
class Words:
    """A search by words. terms: of each query.

    join: makes one ranking of a dense one, one by BM25 of the documents in `langs` alone, and
    the ids of those among the dense ones; None: BM25 of all documents, by itself.
    langs: of each query, the languages that its words are of; none for any. calibrated: whether
    scores of documents in different languages are made to compare, where that is asked for:
    words of one language for all can be, each language's own cannot.
    """

    terms: Sequence[QueryTerms]
    join: Join | None = None
    langs: Sequence[tuple[str, ...]] = ()
    calibrated: bool = False


def open_bm25(segments: Sequence[Segment], alive: Masks, *, parts: int = 1) -> Bm25:
    """BM25 over the lexical arrays that lie beside the vectors.

    parts: into how many a word is divided by their frequencies. Raises as `open_lexical`.
    """
    return Bm25(open_lexical(segments), alive, parts=parts)


def open_lexical(segments: Sequence[Segment]) -> list[LexicalSegment]:
    """The words of segments.

    Raises QueryError where the index was built without them, DamagedIndexError where they
    are not as they were written.
    """
    if any("lexical_lengths" not in segment.arrays for segment in segments):
        raise QueryError(
            "this index was built without words to match; search with --mode dense, or build "
            "it again with --lexical"
        )
    return [
        LexicalSegment.from_arrays(
            segment.arrays, segment.n_documents, where=f"segment {segment.segment}"
        )
        for segment in segments
    ]


def rank_words(
    bm25: Bm25,
    segments: Sequence[Segment],
    words: Words,
    masks: Sequence[Masks],
    depth: int,
    *,
    calibration: Calibration | None = None,
    counted: bool = False,
    deadline: Deadline | None = None,
) -> list[tuple[Best, Masks]]:
    """For each query its best documents, and which documents they were chosen among.

    counted: whether it is said which documents have one of the words.
    """
    within = masks[1:] if words.join else [masks[0]] * len(words.terms)
    rank = partial(
        best_by_terms,
        bm25,
        segments,
        k=depth,
        calibration=calibration if words.calibrated else None,
        counted=counted,
        deadline=deadline,
    )
    asked = enumerate(zip(words.terms, within, strict=True))
    return [(rank(terms, own, query=query), own) for query, (terms, own) in asked]


def best_by_terms(
    bm25: Bm25,
    segments: Sequence[Segment],
    terms: QueryTerms,
    keep: Masks,
    *,
    k: int,
    calibration: Calibration | None = None,
    query: int = 0,
    counted: bool = False,
    deadline: Deadline | None = None,
) -> Best:
    """The k best of one query; documents that have none of its terms are not among them.

    A document is scored as a whole, so no passage is named. query: its number in the calibration.
    """
    if calibration is None:
        every = bm25.scores(terms, keep=keep, deadline=deadline)
        best, scores = best_scores(every, k)
        raw = None
    else:
        whole = bm25.scores(terms, deadline=deadline)  # the background may be filtered out
        every = whole * _joined(keep, segments)
        calibrated = np.where(every > 0, calibration.of_words(query, whole), -np.inf)
        best, scores = best_scores(calibrated, k, least=-np.inf)
        raw = every[best]
    ends = np.cumsum([0, *(segment.n_documents for segment in segments)])
    matches = every > 0
    matching = [matches[start:end] for start, end in pairwise(ends.tolist())] if counted else []
    of = np.searchsorted(ends, best, side="right") - 1
    firsts = np.array([place(segment.segment, 0) for segment in segments], np.int64)
    numbers = best - ends[of] + firsts[of] if len(best) else np.empty(0, np.int64)
    spans = np.full((len(best), 2), -1, np.int32)
    total = int(np.count_nonzero(matches))
    return Best(scores, numbers, spans, raw, total=total, matching=tuple(matching))


def _joined(masks: Masks, segments: Sequence[Segment]) -> npt.NDArray[np.bool_]:
    """The masks of all segments as one."""
    parts = [
        np.ones(segment.n_documents, np.bool_) if mask is None else mask
        for segment, mask in zip(segments, masks, strict=True)
    ]
    return np.concatenate([np.empty(0, np.bool_), *parts])


def numbers_within(numbers: IntArray, segments: Sequence[Segment], masks: Masks) -> list[int]:
    """Those row numbers whose documents the masks let through."""
    found: list[int] = []
    for segment, mask in zip(segments, masks, strict=True):
        first = place(segment.segment, 0)
        own = numbers[(numbers >= first) & (numbers < first + segment.n_documents)]
        found += (own if mask is None else own[mask[own - first]]).tolist()
    return found
