"""BM25 over the documents of segments (Robertson and Zaragoza 2009; idf as in Lucene).

Statistics (documents, mean length, in how many documents a term is) are those of the living
documents of the whole index, so that scores are bit for bit those of one index built at
once: sums are in float64 and in the order of the query's terms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.errors import DamagedIndexError
from xret.index.words.lexical import LexicalSegment
from xret.types import FloatArray, IntArray

__all__ = ["Bm25", "QueryTerms", "WordTotals", "best_scores"]

K1 = 0.9
B = 0.4
"""Pyserini's defaults, those of the published baselines."""

KEPT_POSTINGS = 1 << 21
"""Postings of an index up to which their parts of scores are kept in memory, 8 bytes each."""

QueryTerms = Sequence[str] | Mapping[str, float]
"""Of a query: repeated ones repeated, or each with how much of it is asked for."""

Mask = npt.NDArray[np.bool_] | None
_Array = npt.NDArray[Any]
_Scores = TypeVar("_Scores", FloatArray, npt.NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class WordTotals:
    """Living documents of an index, and the words in all of them."""

    documents: int
    words: int


class Bm25:
    """Scores over the segments of one commit; shared by threads.

    segments: in order. alive: of each, (n,) bool, None where every document lives. parts: into how
    many a word is divided by frequencies that are expectations. A document has such a term as far
    as it is expected there, and counts so in the term's document frequency. totals: of a larger
    index that these segments are a part of; None where they are all of it.
    """

    def __init__(
        self,
        segments: Sequence[LexicalSegment],
        alive: Sequence[Mask],
        *,
        k1: float = K1,
        b: float = B,
        parts: int = 1,
        totals: WordTotals | None = None,
    ) -> None:
        self._segments = tuple(segments)
        self._alive = tuple(alive)
        self._of_a_word = parts
        masked = [
            segment.lengths if mask is None else segment.lengths[mask]
            for segment, mask in zip(segments, alive, strict=True)
        ]
        self.n_documents = sum(map(len, masked))
        self.n_terms = sum(int(lengths.sum(dtype=np.int64)) for lengths in masked)
        if totals is not None:
            self.n_documents, self.n_terms = totals.documents, totals.words
        # Where no living document has a term nothing is divided by this.
        mean = self.n_terms / self.n_documents if self.n_terms else 1.0
        self._norms = tuple(
            k1 * (1 - b + b * segment.lengths.astype(np.float64) / mean) for segment in segments
        )
        self._kept = sum(len(segment.documents) for segment in segments) <= KEPT_POSTINGS
        self._whole: list[npt.NDArray[np.float64] | None] = [None] * len(self._segments)

    def scores(
        self,
        terms: QueryTerms,
        *,
        keep: Sequence[Mask] | None = None,
        deadline: Deadline | None = None,
    ) -> FloatArray:
        """(documents of all segments,) float32: each document's BM25 for a query's terms.

        A term counts as often as the query has it, or as much as it says. keep: of each
        segment (n,) bool, the living documents to score, None for all of them; the statistics
        stay those of the whole index. 0 for a document that is not kept, is dead, or has none
        of the terms. deadline: looked at between terms, and raises DeadlineError.
        Raises DamagedIndexError where postings name documents that are not there.
        """
        until = deadline or Deadline()
        wanted: Mapping[str, float] = terms if isinstance(terms, Mapping) else Counter(terms)
        found = self._find(list(wanted))
        having = self._having(list(wanted), found, until)
        weights = self._weights(having, list(wanted.values()))
        masks = self._alive if keep is None else keep
        parts = []
        for number, (alive, mask) in enumerate(zip(self._alive, masks, strict=True)):
            total = self._segment_scores(number, found[number], weights, until).astype(np.float32)
            mask = alive if mask is None else mask
            if mask is not None:
                if len(mask) != len(total):
                    raise ValueError(f"a mask of {len(mask)} documents for {len(total)}")
                total *= mask
            parts.append(total)
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.float32), *parts])

    def best(
        self,
        terms: QueryTerms,
        k: int,
        *,
        keep: Sequence[Mask] | None = None,
        deadline: Deadline | None = None,
    ) -> tuple[IntArray, FloatArray]:
        """Positions among the documents of all segments, rising, and scores: of the k best
        documents that have one of the terms, and of all that tie with the last of them.
        """
        return best_scores(self.scores(terms, keep=keep, deadline=deadline), k)

    def document_frequencies(
        self, terms: Sequence[str], *, deadline: Deadline | None = None
    ) -> npt.NDArray[np.float64]:
        """(terms,) float64: how many living documents have each term, or are expected to.

        Sums of sixteenths, which float64 has exactly: those of parts of an index add up to those
        of the whole.
        """
        return self._having(terms, self._find(terms), deadline or Deadline()).astype(np.float64)

    def _find(self, terms: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Of each segment and term, where its postings are."""
        names = [term.encode(errors="replace") for term in terms]
        return [segment.find(names) for segment in self._segments]

    def _having(
        self, terms: Sequence[str], found: list[list[tuple[int, int]]], until: Deadline
    ) -> _Array:
        """(terms,) in how many living documents each is."""
        having = np.zeros(len(terms), np.int64 if self._of_a_word == 1 else np.float64)
        for segment, mask, places in zip(self._segments, self._alive, found, strict=True):
            for term, (start, end) in enumerate(places):
                until.check()
                if self._of_a_word > 1:
                    having[term] += self._expected_documents(segment, mask, start, end)
                elif mask is None:
                    having[term] += end - start
                elif start < end:
                    documents = _in_range(segment.documents[start:end], len(mask))
                    having[term] += np.count_nonzero(mask[documents])
        return having

    def _weights(self, having: _Array, times: list[float]) -> list[float]:
        """Of each term, its inverse document frequency times its frequency in the query."""
        n = self.n_documents
        having = np.minimum(having, n)  # only damaged postings have more
        idf = np.log1p((n - having + 0.5) / (having + 0.5))
        return [float(weight) for weight in np.array(times) * idf]

    def _expected_documents(
        self, segment: LexicalSegment, mask: Mask, start: int, end: int
    ) -> float:
        """How many living documents are expected to have the term of postings start:end."""
        present = np.minimum(segment.counts(start, end) / self._of_a_word, 1.0)
        if mask is not None and start < end:
            present *= mask[_in_range(segment.documents[start:end], len(mask))]
        return float(present.sum())

    def _segment_scores(
        self,
        number: int,
        places: list[tuple[int, int]],
        weights: list[float],
        until: Deadline,
    ) -> npt.NDArray[np.float64]:
        """(n,) float64, summed in the order of the terms."""
        segment = self._segments[number]
        total = np.zeros(segment.n_documents)
        for (start, end), weight in zip(places, weights, strict=True):
            until.check()
            if start < end:
                documents = segment.documents[start:end]
                parts = self._parts(number, start, end)
                try:
                    total[documents] += weight * parts  # a term has a document once
                except IndexError:
                    _in_range(documents, len(total))
        return total

    def _parts(self, number: int, start: int, end: int) -> npt.NDArray[np.float64]:
        """Postings start:end of a segment by what their frequencies and lengths give."""
        if not self._kept:
            return self._computed(number, start, end)
        whole = self._whole[number]
        if whole is None:  # two threads may both do it, and come to the same
            n_postings = len(self._segments[number].documents)
            whole = self._whole[number] = self._computed(number, 0, n_postings)
        return whole[start:end]

    def _computed(self, number: int, start: int, end: int) -> npt.NDArray[np.float64]:
        segment = self._segments[number]
        counts = segment.counts(start, end)
        if self._of_a_word > 1:
            counts /= self._of_a_word
        documents = _in_range(segment.documents[start:end], segment.n_documents)
        parts: npt.NDArray[np.float64] = counts / (counts + self._norms[number][documents])
        return parts


def best_scores(scores: _Scores, k: int, *, least: float = 0.0) -> tuple[IntArray, _Scores]:
    """Where the k best scores above `least` stand, and all that tie with the last; and those
    scores."""
    low = np.partition(scores, -k)[-k] if 0 < k < len(scores) else least
    found = np.flatnonzero(scores >= low if low > least else scores > least)
    return found, scores[found]


def _in_range(documents: _Array, n_documents: int) -> _Array:
    if documents.size and documents.max() >= n_documents:
        raise DamagedIndexError(
            "the lexical index names a document that is not there; run xret verify, then "
            "restore the index from a copy or build it again"
        )
    return documents
