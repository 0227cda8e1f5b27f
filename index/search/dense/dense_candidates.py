"""Candidates of a bi-encoder's vectors, one a passage: a scan of all passages in 2 bits.

Vectors are centred, rotated at random, cut into pairs of dimensions, and each pair is
replaced by the nearest of 16 (product quantisation, Jégou et al. 2011; scanned in registers,
André et al. 2015). Measured beside inverted lists, HNSW and RaBitQ at 100,000 vectors, it is
the one that keeps its recall where vectors form no clear clusters, it is filled in about
12 µs a vector, and adding to it costs no more than that. What it finds is a short list; the
caller scores the list by the index's own codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import ConfigError, DimensionMismatchError
from xret.index.search.dense import ann
from xret.index.search.dense.dense_vectors import VectorRows
from xret.types import FloatArray, IntArray

__all__ = ["DENSE_CANDIDATES", "EXACT_PASSAGES", "DenseCandidates"]

EXACT_PASSAGES = 2**14
"""Up to here an exact scan takes about a millisecond, and candidates do not pay."""

DENSE_CANDIDATES = 400
"""Passages to score in full for ten hits: recall@10 is that of the codes themselves."""

BLOCK_ROWS = 2**14
SAMPLE_ROWS = 2**14
PART_ROWS = 2**16
MIN_SAMPLE = 256
EXACT_SHARE = 8


class DenseCandidates:
    """Passages of one vector each that may be the best for a query; a value, never changed.

    Passages are numbered in the order they were given. It takes d / 4 bytes a passage and
    8 for its number. A query is searched by itself, so its candidates depend neither on
    the batch nor on the threads.
    """

    def __init__(
        self, rotation: FloatArray, shift: FloatArray, *, trained: Any, parts: tuple[Any, ...]
    ) -> None:
        """trained: an index with codebooks and no codes; parts: its copies that were filled."""
        self._rotation, self._shift = rotation, shift
        self._trained, self._parts = trained, parts
        self.n_passages: int = sum(part.ntotal for part in parts)
        self._unmasked = [ann.scan_parameters(None)] * len(parts)

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return len(self._rotation)

    @classmethod
    def build(
        cls,
        vectors: Sequence[VectorRows],
        *,
        seed: int = 0,
        threads: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> DenseCandidates:
        """Train the codes on a sample of the vectors and fill them in, block by block.

        vectors: one or more segments, together at least `MIN_SAMPLE` passages of d
        dimensions. stopped: asked between blocks; true ends the work with what is there.
        Raises ConfigError for too few vectors, MissingLibraryError without faiss.
        """
        n_passages = sum(map(len, vectors))
        if n_passages < MIN_SAMPLE:
            raise ConfigError(f"codes need {MIN_SAMPLE} vectors to train on, found {n_passages}")
        step = max(1.0, n_passages / SAMPLE_ROWS)
        sample = np.concatenate(
            [rows.rows(np.arange(0, len(rows), step).astype(np.int64)) for rows in vectors]
        )
        dim = sample.shape[1]
        wide = -(-dim // 4) * 4
        gaussian = np.random.default_rng(seed).standard_normal((wide, wide))
        rotation = np.ascontiguousarray(np.linalg.qr(gaussian)[0][:dim], dtype=np.float32)
        shift = sample.mean(axis=0) @ rotation
        with ann.faiss_threads(threads):
            trained = ann.pair_code_scan(sample @ rotation - shift)
            empty = cls(rotation, shift, trained=trained, parts=())
            part = ann.copied_scan(trained)
            for rows in vectors:
                empty._fill(part, rows, stopped)
        return cls(rotation, shift, trained=trained, parts=(part,))

    def extended(self, vectors: VectorRows, *, threads: int | None = None) -> DenseCandidates:
        """These and further passages, by the codes as they were trained; this stays as it is.

        The work is that of the further passages and of copying at most `PART_ROWS` codes.
        """
        full = self._parts[-1].ntotal >= PART_ROWS
        part = ann.copied_scan(self._trained if full else self._parts[-1])
        with ann.faiss_threads(threads):
            self._fill(part, vectors, lambda: False)
        kept = self._parts if full else self._parts[:-1]
        return DenseCandidates(
            self._rotation, self._shift, trained=self._trained, parts=(*kept, part)
        )

    def search(
        self,
        queries: FloatArray,
        n: int,
        *,
        keep: npt.NDArray[np.bool_] | None = None,
        threads: int = 1,
    ) -> list[IntArray]:
        """Rising passage numbers, n of them or more, for each query; none that is not kept.

        queries: (m, d) float32. keep: (n_passages,) bool. Where at most `EXACT_SHARE * n`
        are kept, all of them are candidates, so that the answer is exact there.
        """
        if queries.shape[1] != len(self._rotation):
            raise DimensionMismatchError(
                f"the queries have {queries.shape[1]} dimensions, not {len(self._rotation)} as "
                "the passages"
            )
        n_kept = self.n_passages if keep is None else int(np.count_nonzero(keep))
        if n_kept <= EXACT_SHARE * n:
            few = np.arange(self.n_passages) if keep is None else np.flatnonzero(keep)
            return [few] * len(queries)
        parameters = self._parameters(keep)
        if threads <= 1 or len(queries) == 1:
            return [self._search_one(query, n, parameters) for query in queries]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda query: self._search_one(query, n, parameters), queries))

    def _search_one(self, query: FloatArray, n: int, parameters: list[Any]) -> IntArray:
        rotated = query @ self._rotation
        if len(self._parts) == 1:
            return np.sort(ann.scan_one(self._parts[0], rotated, n, parameters[0])[1])
        scores, numbers, base = [], [], 0
        for part, chosen in zip(self._parts, parameters, strict=True):
            score, number = ann.scan_one(part, rotated, min(n, part.ntotal), chosen)
            scores.append(score)
            numbers.append(number + base)
            base += part.ntotal
        best = np.argsort(-np.concatenate(scores), kind="stable")[:n]
        return np.sort(np.concatenate(numbers)[best])

    def _parameters(self, keep: npt.NDArray[np.bool_] | None) -> list[Any]:
        """FAISS's search parameters of each part: its share of the mask."""
        if keep is None:
            return self._unmasked
        ends = np.cumsum([part.ntotal for part in self._parts])
        return [ann.scan_parameters(share) for share in np.split(keep, ends[:-1])]

    def _fill(self, part: Any, vectors: VectorRows, stopped: Callable[[], bool]) -> None:
        for first in range(0, len(vectors), BLOCK_ROWS):
            if stopped():
                return
            part.add(vectors.rows(slice(first, first + BLOCK_ROWS)) @ self._rotation - self._shift)
