"""The best documents of one commit for each query, before anyone asks what they are called.

An index of 8-bit codes has every passage scored with queries of 8 bits, and the documents
that come out best are scored again with queries of 15 bits: those scores rank, and are within
1e-4 of what exact queries would get. One with a trained codec is asked for candidates by
their centroids, and they are scored and ranked with queries of 8 bits, whose rounding is a
tenth of what such codes round themselves. A document scores what its best passage does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.index.coding.passage_means import mean_scores, query_sums
from xret.index.scoring.centroids import centroid_tables
from xret.index.scoring.maxsim import fine_scores, score_passages
from xret.index.scoring.query_codes import QueryCodes, query_codes
from xret.index.search.candidates import candidate_documents, default_candidates
from xret.index.search.dense.single_vectors import dense_documents
from xret.index.storage.segment import Segment, padded
from xret.index.storage.stored import place
from xret.types import Embeddings, FloatArray, IntArray, SearchParams

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec
    from xret.index.search.dense.dense_candidates import DenseCandidates
    from xret.index.search.device.gpu import DeviceScan

__all__ = ["Best", "Masks", "best_documents"]

QUERY_BLOCK = 64
"""Queries whose scores of all documents are in memory at once."""

RESCORED = 100
"""Documents beyond the k best, at least, that are scored again before the k are taken."""

SHARED_ROWS = 1 << 22
"""Vectors of an index with a codec from which the threads share one query: below, two cores
took 1.4 times as long as one, measured at 690,000."""

Masks = tuple[npt.NDArray[np.bool_] | None, ...]
"""For each segment (n,): which of its documents may be found; None for all."""

Chosen = list[IntArray]
"""For each segment, positions of the documents to rank."""


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
    queries: Embeddings,
    segments: Sequence[Segment],
    keep: Masks,
    k: int,
    *,
    codecs: Mapping[int, ResidualCodec],
    params: SearchParams,
    dense: DenseCandidates | None = None,
    scan: DeviceScan | None = None,
) -> list[Best]:
    """One `Best` a query, the same whatever the threads and the other queries are.

    codecs: those of the segments, by number; 0 is that of 8 bits. dense: of these segments,
    where every passage is one vector. scan: of these segments, on a device, in the place of
    both. Neither is asked where `params.exact`.
    """
    found: list[Best] = []
    threads = params.threads or _usable_cpus()
    for first in range(0, len(queries), QUERY_BLOCK):
        block = _part(queries, first, first + QUERY_BLOCK)
        choose = _choice(block, segments, keep, k, codecs, params, threads, dense, scan)

        def ranked(
            position: int, threads: int, *, block: Embeddings = block, choose: _Choose = choose
        ) -> Best:
            one = _part(block, position, position + 1)
            query = _CodedQueries(one, codecs, threads)
            return _ranked(query, segments, choose(query, position), k)

        short = len(block) == 1 and not params.exact and _is_short(segments)
        found += _each(ranked, len(block), 1 if short else threads)
    return found


def _is_short(segments: Sequence[Segment]) -> bool:
    """Whether a query by candidates is done before other threads have woken."""
    return (
        any(segment.codec for segment in segments)
        and sum(len(segment.coded) for segment in segments) < SHARED_ROWS
    )


def _part(queries: Embeddings, first: int, last: int) -> Embeddings:
    offsets = queries.offsets[first : last + 1]
    return Embeddings(queries.values[offsets[0] : offsets[-1]], offsets - offsets[0])


def _each(work: Callable[[int, int], Best], n: int, threads: int) -> list[Best]:
    """work(position, threads) for n queries: side by side where there are several."""
    if n == 1 or threads == 1:
        return [work(position, threads) for position in range(n)]
    with ThreadPoolExecutor(min(n, threads)) as pool:
        return list(pool.map(lambda position: work(position, 1), range(n)))


class _CodedQueries:
    """Queries as the codes of each codec see them, made where a segment needs them."""

    def __init__(
        self, queries: Embeddings, codecs: Mapping[int, ResidualCodec], threads: int
    ) -> None:
        self.queries = queries
        self._codecs = codecs
        self.threads = threads
        self._tables: dict[int, tuple[QueryCodes, FloatArray | None]] = {}
        self.sums: dict[int, QueryCodes] = {}
        self._fine: QueryCodes | None = None

    def coarse(
        self,
        segment: Segment,
        *,
        keep: npt.NDArray[np.bool_] | None = None,
        which: IntArray | None = None,
    ) -> FloatArray:
        """Scores of passages by 8-bit queries: (queries, p), -inf for those that are not
        kept; or (queries, len(which))."""
        codec = self._codecs.get(segment.codec)
        codes, tables = self.tables(segment.codec)
        scores = score_passages(
            codes,
            *segment.packed,
            keep=keep,
            which=which,
            threads=self.threads,
            tables=tables,
            centroids=segment.coded.centroids,
            bits=8 if codec is None else codec.bits,
            levels=None if codec is None else codec.levels,
        )
        if segment.coded.means is not None:
            scores += mean_scores(
                self.sums[segment.codec],
                segment.coded.means,
                keep=keep,
                which=which,
                threads=self.threads,
            )
        return scores

    def tables(self, number: int) -> tuple[QueryCodes, FloatArray | None]:
        """8-bit queries for the codec of that number, and what its centroids score.

        Makes their `sums` too, where the codec has means.
        """
        if number not in self._tables:
            codec, tables = self._codecs.get(number), None
            seen = self._seen(codec)
            codes = query_codes(seen, self.queries.offsets)
            if codec is not None and codec.with_means:
                self.sums[number] = query_sums(seen, self.queries.offsets)
            if codec is not None:
                tables = centroid_tables(codes, codec.centroid_codes, codec.centroid_scales)
            self._tables[number] = codes, tables
        return self._tables[number]

    def final(self, segment: Segment, passages: IntArray) -> FloatArray:
        """(queries, len(passages)) scores that rank: of 8-bit codes by queries of 15 bits."""
        if segment.codec:
            return self.coarse(segment, which=passages)
        if self._fine is None:
            self._fine = query_codes(self._seen(None), self.queries.offsets, fine=True)
        return fine_scores(self._fine, *segment.packed, which=passages, threads=self.threads)

    def _seen(self, codec: ResidualCodec | None) -> FloatArray:
        if codec is not None:
            return codec.rotate(self.queries.values)
        width = self.queries.values.shape[1]
        if width == padded(width):
            return self.queries.values
        return np.pad(self.queries.values, ((0, 0), (0, padded(width) - width)))


_Choose = Callable[[_CodedQueries, int], Chosen]


def _choice(
    block: Embeddings,
    segments: Sequence[Segment],
    keep: Masks,
    k: int,
    codecs: Mapping[int, ResidualCodec],
    params: SearchParams,
    threads: int,
    dense: DenseCandidates | None,
    scan: DeviceScan | None,
) -> _Choose:
    """How the documents to rank are chosen, for a query and its position in the block.

    A scan of everything serves all queries in one pass. Candidates are chosen query by
    query: what is looked up for one stays in the processor's cache, for eight it does not.
    """
    if params.exact:
        every = _all_kept(segments, keep)
        return lambda _query, _position: every
    wanted = k + max(k, RESCORED)
    if scan is not None:
        from xret.index.search.scanned import scanned_documents  # the module needs torch at hand

        scanned = scanned_documents(scan, block, segments, keep, wanted)
        return lambda _query, position: scanned[position]
    if dense is not None:
        return lambda query, _: dense_documents(
            dense, query.queries.values, segments, keep, k, params.n_candidates
        )
    if any(segment.codec for segment in segments):
        return lambda query, _: _candidates(query, segments, keep, k, params)
    coarse = _coarse(_CodedQueries(block, codecs, threads), segments, keep, wanted)
    return lambda _query, position: coarse[position]


def _all_kept(segments: Sequence[Segment], keep: Masks) -> Chosen:
    return [
        np.arange(segment.n_documents) if mask is None else np.flatnonzero(mask)
        for segment, mask in zip(segments, keep, strict=True)
    ]


def _candidates(
    query: _CodedQueries, segments: Sequence[Segment], keep: Masks, k: int, params: SearchParams
) -> Chosen:
    """The documents whose centroids score best."""
    n_documents = sum(segment.n_documents for segment in segments)
    wanted = max(k, params.n_candidates or default_candidates(k, n_documents))
    seen = {}
    for number in {segment.codec for segment in segments}:
        codes, tables = query.tables(number)
        if tables is not None:
            seen[number] = codes, tables
    return candidate_documents(
        seen, segments, keep, wanted, sums=query.sums, threads=query.threads
    )[0]


def _coarse(
    queries: _CodedQueries, segments: Sequence[Segment], keep: Masks, wanted: int
) -> list[Chosen]:
    """For each query, the best documents by 8-bit queries."""
    parts = [np.empty((len(queries.queries), 0), np.float32)]
    ends = np.cumsum([0, *(segment.n_documents for segment in segments)])
    for segment, mask in zip(segments, keep, strict=True):
        allowed = None if mask is None else segment.by_passage(mask)
        parts.append(segment.by_document(queries.coarse(segment, keep=allowed)))
    chosen = []
    for scores in np.concatenate(parts, axis=1):
        best = _at_least(scores, wanted)
        cuts = np.searchsorted(best, ends)
        chosen.append([best[a:b] - c for (a, b), c in zip(pairwise(cuts), ends, strict=False)])
    return chosen


def _ranked(query: _CodedQueries, segments: Sequence[Segment], chosen: Chosen, k: int) -> Best:
    """The best of some documents."""
    scores, numbers = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    spans = [np.empty((0, 2), np.int32)]
    for segment, documents in zip(segments, chosen, strict=True):
        if not len(documents):
            continue
        passages, starts = segment.passages(documents)
        best = found = query.final(segment, passages)[0]
        if segment.documents is not None:
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
