"""Vectors of passages that have one each, in a GPU's memory, searched there by FAISS.

They are float16 where these fit into the memory, so that what is found is the exact best but
for the rounding of near ties; else product codes in inverted lists (IVF-PQ, Jégou et al.
2011), of which more are taken. Either way the caller scores what is found by the index's own
codes. On a CPU the same is done by FAISS's indices of the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.index.scoring.query_codes import QueryCodes
from xret.index.search.dense import ann
from xret.index.search.device.device_blocks import ScanSegment
from xret.types import FloatArray, IntArray

__all__ = ["DeviceVectors"]

BLOCK_ROWS = 2**16
MOST_PARTS = 8
"""Commits that are added side by side before everything is sent again as one."""

CODE_ROW_BYTES = 72
"""Of a product code and its number; see `ann.inverted_codes`."""

LIST_ROWS = 256
"""Vectors of an inverted list, about, where there are as few lists as their training needs."""

MOST_LISTS = 2**16
SAMPLE_A_LIST = 39
"""Vectors to train a list on, as FAISS advises."""

PROBED_SHARE = 16
"""One list in so many is looked into."""

A_HIT = 4
"""Passages with product codes for each document that is wanted."""

Best = tuple[list[IntArray], list[FloatArray]]


class DeviceVectors:
    """Passages of one vector each on a device; a value, never changed, that threads may share.

    FAISS's indices on a GPU take one caller at a time, so that searches wait for each other;
    many queries belong into one call.
    """

    def __init__(
        self, parts: Sequence[Any], passages: Sequence[int], documents: IntArray, *, device: str
    ) -> None:
        """parts: FAISS indices; passages: how many each has; documents: that of each passage."""
        self._parts, self._passages, self._documents = tuple(parts), tuple(passages), documents
        self._device = device
        self.n_documents = int(documents[-1]) + 1 if len(documents) else 0
        self.exact = not any(hasattr(part, "nprobe") for part in parts)

    @classmethod
    def open(
        cls, segments: Sequence[ScanSegment], *, device: str, memory_bytes: int
    ) -> DeviceVectors | None:
        """Send the vectors to the device; None where not even their codes would fit.

        segments: every passage one vector, one passage or more. Raises as `ann.faiss_device`.
        """
        dim = segments[0].vectors.rows(slice(0, 1)).shape[1]
        n_rows = sum(len(segment.vectors) for segment in segments)
        if n_rows * dim * 2 <= memory_bytes:
            index = ann.half_vectors(dim, device=device)
        elif n_rows * CODE_ROW_BYTES <= memory_bytes and ann.code_width(dim) is not None:
            with ann.device_turn(device):
                index = _trained(segments, n_rows, device)
        else:
            return None
        for segment in segments:
            _fill(index, segment, device)
        return cls([index], [n_rows], _documents(segments, 0), device=device)

    def extended(
        self, segments: Sequence[ScanSegment], *, memory_bytes: int
    ) -> DeviceVectors | None:
        """These and further passages, beside what is on the device, which is not sent again.

        None where they do not fit or there are too many parts by now: then `open` all again.
        """
        added = DeviceVectors.open(segments, device=self._device, memory_bytes=memory_bytes)
        if added is None or len(self._parts) >= MOST_PARTS:
            return None
        documents = np.concatenate([self._documents, added._documents + self.n_documents])
        parts, passages = (*self._parts, *added._parts), (*self._passages, *added._passages)
        return DeviceVectors(parts, passages, documents, device=self._device)

    def search(
        self, queries: QueryCodes, k: int, *, keep: npt.NDArray[np.bool_] | None = None
    ) -> Best | None:
        """Numbers and scores of the best k documents of each query, or of somewhat more.

        queries: from `query_codes`; a query of several vectors is their sum. keep:
        (n_documents,) bool; others are no hits. Best first, ties by number. None where so many
        are wanted, or so few kept, that `ann.MOST_BEST` passages do not hold them.
        """
        n_kept = self.n_documents if keep is None else int(np.count_nonzero(keep))
        k = min(k, n_kept)
        if k < 1 or not len(queries):
            return [np.empty(0, np.int64)] * len(queries), [np.empty(0, np.float32)] * len(queries)
        wanted = k if self.exact else A_HIT * k
        depth = -(-wanted * self.n_documents // n_kept)
        values = _sums(queries)
        n_passages = len(self._documents)
        while True:
            depth = min(depth, n_passages)
            if depth > ann.MOST_BEST:
                return None
            best = self._best(values, depth, keep)
            if depth == n_passages or all(len(numbers) >= k for numbers in best[0]):
                return best
            if depth == ann.MOST_BEST:
                return None
            depth = min(2 * depth, ann.MOST_BEST)

    def _best(self, values: FloatArray, depth: int, keep: npt.NDArray[np.bool_] | None) -> Best:
        """The documents that the `depth` best passages of each part belong to."""
        scores, passages, first = [], [], 0
        with ann.device_turn(self._device):
            for part, n in zip(self._parts, self._passages, strict=True):
                near = np.ascontiguousarray(_widened(values, part.d))
                found = part.search(near, min(depth, n))
                scores.append(found[0])
                passages.append(np.where(found[1] < 0, -1, found[1] + first))
                first += n
        joined = np.concatenate(scores, axis=1), np.concatenate(passages, axis=1)
        ranked = [self._ranked(*row, keep) for row in zip(*joined, strict=True)]
        return [numbers for numbers, _ in ranked], [found for _, found in ranked]

    def _ranked(
        self, scores: FloatArray, passages: IntArray, keep: npt.NDArray[np.bool_] | None
    ) -> tuple[IntArray, FloatArray]:
        """The kept documents of one query's passages, each by its best one."""
        real = passages >= 0
        documents, scores = self._documents[passages[real]], scores[real]
        if keep is not None:
            allowed = keep[documents]
            documents, scores = documents[allowed], scores[allowed]
        order = np.lexsort((documents, -scores))
        documents, scores = documents[order], scores[order]
        firsts = np.sort(np.unique(documents, return_index=True)[1])
        return documents[firsts], scores[firsts]


def _trained(segments: Sequence[ScanSegment], n_rows: int, device: str) -> Any:
    """An index of product codes for vectors like these."""
    n_lists = 1 << max(0, (n_rows // LIST_ROWS).bit_length() - 1)
    n_lists = min(MOST_LISTS, n_lists)
    step = max(1.0, n_rows / max(n_lists * SAMPLE_A_LIST, BLOCK_ROWS))
    sample = np.concatenate(
        [
            segment.vectors.rows(np.arange(0, len(segment.vectors), step).astype(np.int64))
            for segment in segments
        ]
    )
    wide = _widened(sample, ann.code_width(sample.shape[1]) or 0)
    return ann.inverted_codes(wide, n_lists, probed=max(8, n_lists // PROBED_SHARE), device=device)


def _fill(index: Any, segment: ScanSegment, device: str) -> None:
    for values in _blocks(segment):
        wide = np.ascontiguousarray(_widened(values, index.d))
        with ann.device_turn(device):
            index.add(wide)


def _widened(values: FloatArray, width: int) -> FloatArray:
    """The vectors with zeros behind them."""
    more = width - values.shape[1]
    return np.pad(values, ((0, 0), (0, more))) if more else values


def _blocks(segment: ScanSegment) -> Iterator[FloatArray]:
    for first in range(0, len(segment.vectors), BLOCK_ROWS):
        yield segment.vectors.rows(slice(first, first + BLOCK_ROWS))


def _documents(segments: Sequence[ScanSegment], first: int) -> IntArray:
    """Which document each passage belongs to, numbered through all segments."""
    parts = []
    for segment in segments:
        passages, _ = segment.starts()
        numbers = np.repeat(np.arange(len(passages) - 1), np.diff(passages))
        parts.append(numbers + first)
        first += len(passages) - 1
    return np.concatenate(parts).astype(np.int64)


def _sums(queries: QueryCodes) -> FloatArray:
    """(n, d): the sum of each query's vectors, whose product with a passage is its score."""
    values = queries.codes * queries.scales[:, None]
    return np.add.reduceat(values, queries.offsets[:-1], axis=0).astype(np.float32, copy=False)
