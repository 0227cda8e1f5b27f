"""The best documents of one commit for each query, before anyone asks what they are called.

An index of 8-bit codes has every passage scored with queries of 8 bits; one with a trained
codec is asked for candidates by their centroids. The documents that come out best are scored
with queries of 15 bits, and those scores rank. A document scores what its best passage does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.index.candidates import candidate_documents, default_candidates
from xret.index.centroids import centroid_tables
from xret.index.maxsim import fine_scores, score_passages
from xret.index.params import SearchParams
from xret.index.query_codes import QueryCodes, query_codes
from xret.index.segment import Segment, padded
from xret.index.stored import place
from xret.types import Embeddings, FloatArray, IntArray

if TYPE_CHECKING:
    from xret.index.codec import ResidualCodec

__all__ = ["Best", "Masks", "best_documents"]

QUERY_BLOCK = 64
"""Queries whose scores of all documents are in memory at once."""

RESCORED = 100
"""Documents beyond the k best, at least, that are scored again before the k are taken."""

Masks = tuple[npt.NDArray[np.bool_] | None, ...]
"""For each segment (n,): which of its documents may be found; None for all."""


@dataclass(frozen=True, slots=True)
class Best:
    """The k best documents of a query and all that tie with the last of them, in no order.

    scores: (m,); numbers: (m,) row numbers in the catalog; spans: (m, 2) of each one's best
    passage, -1 where the document is one passage.
    """

    scores: FloatArray
    numbers: IntArray
    spans: npt.NDArray[np.int32]


def best_documents(
    queries: Embeddings, segments: Sequence[Segment], keep: Masks, k: int, *,
    codecs: Mapping[int, ResidualCodec], params: SearchParams,
) -> list[Best]:  # fmt: skip
    """One `Best` a query. codecs: those of the segments, by number; 0 is that of 8 bits."""
    found = []
    threads = params.threads or _usable_cpus()
    for first in range(0, len(queries), QUERY_BLOCK):
        offsets = queries.offsets[first : first + QUERY_BLOCK + 1]
        block = Embeddings(queries.values[offsets[0] : offsets[-1]], offsets - offsets[0])
        coded = _CodedQueries(block, codecs, threads)
        if params.exact:
            chosen = [_all_kept(segments, keep)] * len(block)
        elif any(segment.codec for segment in segments):
            chosen = _candidates(coded, segments, keep, k, params)
        else:
            chosen = _coarse(coded, segments, keep, k + max(k, RESCORED))
        for values, documents in zip(block, chosen, strict=True):
            one = Embeddings(values, np.array([0, len(values)]))
            found.append(_fine(_CodedQueries(one, codecs, threads), segments, documents, k))
    return found


class _CodedQueries:
    """Queries as the codes of each codec see them, made where a segment needs them."""

    def __init__(
        self, queries: Embeddings, codecs: Mapping[int, ResidualCodec], threads: int
    ) -> None:
        self.queries = queries
        self._codecs = codecs
        self.threads = threads
        self._tables: dict[int, tuple[QueryCodes, FloatArray | None]] = {}
        self._fine: dict[int, QueryCodes] = {}

    def coarse(self, segment: Segment, keep: npt.NDArray[np.bool_] | None) -> FloatArray:
        """(queries, p) scores of passages, -inf for those that are not kept."""
        codec = self._codecs.get(segment.codec)
        codes, tables = self.tables(segment.codec)
        return score_passages(
            codes, *segment.packed, keep=keep, threads=self.threads, tables=tables,
            centroids=segment.coded.centroids, bits=8 if codec is None else codec.bits,
            levels=None if codec is None else codec.levels,
        )  # fmt: skip

    def tables(self, number: int) -> tuple[QueryCodes, FloatArray | None]:
        """8-bit queries for the codec of that number, and what its centroids score."""
        if number not in self._tables:
            codec, tables = self._codecs.get(number), None
            codes = query_codes(self._seen(codec), self.queries.offsets)
            if codec is not None:
                tables = centroid_tables(codes, codec.centroid_codes, codec.centroid_scales)
            self._tables[number] = codes, tables
        return self._tables[number]

    def fine(self, segment: Segment, passages: IntArray) -> FloatArray:
        """(queries, len(passages)) scores without the queries' rounding."""
        codec = self._codecs.get(segment.codec)
        if segment.codec not in self._fine:
            seen = self._seen(codec)
            self._fine[segment.codec] = query_codes(seen, self.queries.offsets, fine=True)
        return fine_scores(
            self._fine[segment.codec], *segment.packed, which=passages, threads=self.threads,
            centroids=segment.coded.centroids, bits=8 if codec is None else codec.bits,
            levels=None if codec is None else codec.levels,
            centroid_codes=None if codec is None else codec.centroid_codes,
            centroid_scales=None if codec is None else codec.centroid_scales,
        )  # fmt: skip

    def _seen(self, codec: ResidualCodec | None) -> FloatArray:
        if codec is not None:
            return codec.rotate(self.queries.values)
        width = self.queries.values.shape[1]
        return np.pad(self.queries.values, ((0, 0), (0, padded(width) - width)))


def _all_kept(segments: Sequence[Segment], keep: Masks) -> list[IntArray]:
    """For each segment, positions of the documents that may be found."""
    return [
        np.arange(segment.n_documents) if mask is None else np.flatnonzero(mask)
        for segment, mask in zip(segments, keep, strict=True)
    ]


def _candidates(
    queries: _CodedQueries, segments: Sequence[Segment], keep: Masks, k: int, params: SearchParams
) -> list[list[IntArray]]:
    """For each query and segment, positions of the documents whose centroids score best."""
    n_documents = sum(segment.n_documents for segment in segments)
    wanted = max(k, params.n_candidates or default_candidates(k, n_documents))
    seen = {}
    for number in {segment.codec for segment in segments}:
        codes, tables = queries.tables(number)
        if tables is not None:
            seen[number] = codes, tables
    return candidate_documents(seen, segments, keep, wanted, threads=queries.threads)


def _coarse(
    queries: _CodedQueries, segments: Sequence[Segment], keep: Masks, wanted: int
) -> list[list[IntArray]]:
    """For each query and segment, positions of the best documents by 8-bit queries."""
    parts = [np.empty((len(queries.queries), 0), np.float32)]
    ends = np.cumsum([0, *(segment.n_documents for segment in segments)])
    for segment, mask in zip(segments, keep, strict=True):
        allowed = None if mask is None else segment.by_passage(mask)
        parts.append(segment.by_document(queries.coarse(segment, allowed)))
    chosen = []
    for scores in np.concatenate(parts, axis=1):
        best = _at_least(scores, wanted)
        cuts = np.searchsorted(best, ends)
        chosen.append([best[a:b] - c for (a, b), c in zip(pairwise(cuts), ends, strict=False)])
    return chosen


def _fine(
    query: _CodedQueries, segments: Sequence[Segment], chosen: Sequence[IntArray], k: int
) -> Best:
    """The best of some documents. chosen: for each segment, their positions."""
    scores, numbers = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    spans = [np.empty((0, 2), np.int32)]
    for segment, documents in zip(segments, chosen, strict=True):
        if not len(documents):
            continue
        passages, starts = segment.passages(documents)
        found = query.fine(segment, passages)[0]
        best = np.maximum.reduceat(found, starts)
        scores.append(best)
        numbers.append(place(segment.segment, 0) + documents)
        if segment.spans is None:
            spans.append(np.full((len(documents), 2), -1, np.int32))
        else:
            lengths = np.diff([*starts, len(passages)])
            winning = np.flatnonzero(found == np.repeat(best, lengths))
            first = winning[np.searchsorted(winning, starts)]  # the earliest of equal ones
            spans.append(segment.spans[passages[first]])
    together = np.concatenate(scores)
    kept = _at_least(together, k)
    return Best(together[kept], np.concatenate(numbers)[kept], np.concatenate(spans)[kept])


def _usable_cpus() -> int:
    """CPUs that this process may run on, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _at_least(scores: FloatArray, k: int) -> IntArray:
    """Where the k best scores stand and all that equal the last of them, in rising order."""
    k = min(k, int(np.count_nonzero(scores > -np.inf)))
    if k == 0:
        return np.empty(0, np.int64)
    return np.flatnonzero(scores >= np.partition(scores, -k)[-k])
