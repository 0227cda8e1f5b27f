"""Queries as each codec of an index sees them, and what they score passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.index.coding.passage_means import mean_scores, query_sums
from xret.index.scoring.centroids import centroid_tables
from xret.index.scoring.maxsim import fine_scores, score_passages
from xret.index.scoring.query_codes import QueryCodes, query_codes
from xret.index.storage.segment import Segment, padded
from xret.types import Embeddings, FloatArray, IntArray

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = ["KeptTables", "SeenQueries", "background_scores"]

KEPT_BYTES = 1 << 27
"""Of tables that are kept: those of 64 queries to an index of 16,384 centroids."""

Made = tuple[QueryCodes, FloatArray | None, QueryCodes | None]
"""Queries in the codes of a codec, what its centroids score, and their sums for its means."""


class KeptTables:
    """What single queries are to codecs, for searches of other documents by the same queries.

    The first queries are kept, until they are `KEPT_BYTES` together. Nothing is answered of
    another commit's codecs.
    """

    def __init__(self) -> None:
        self._codecs: Mapping[int, ResidualCodec] = {}
        self._made: dict[tuple[int, bytes], Made] = {}
        self._bytes = 0

    def made(self, codecs: Mapping[int, ResidualCodec], key: tuple[int, bytes]) -> Made | None:
        return self._made.get(key) if self._codecs is codecs else None

    def keep(self, codecs: Mapping[int, ResidualCodec], key: tuple[int, bytes], made: Made) -> None:
        if self._codecs is not codecs:
            self._codecs, self._made, self._bytes = codecs, {}, 0
        size = len(key[1]) + (0 if made[1] is None else made[1].nbytes)
        if self._bytes + size <= KEPT_BYTES:
            self._bytes += size
            self._made[key] = made


class SeenQueries:
    """Queries as the codes of each codec see them, made where a segment needs them.

    kept: where a single query's are looked for first, and left for the next search.
    """

    def __init__(
        self,
        queries: Embeddings,
        codecs: Mapping[int, ResidualCodec],
        threads: int,
        deadline: Deadline | None = None,
        kept: KeptTables | None = None,
    ) -> None:
        self.queries = queries
        self._deadline = deadline
        self._codecs = codecs
        self.threads = threads
        self._kept = kept if kept is not None and len(queries) == 1 else None
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
            deadline=self._deadline,
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
                deadline=self._deadline,
            )
        return scores

    def tables(self, number: int) -> tuple[QueryCodes, FloatArray | None]:
        """8-bit queries for the codec of that number, and what its centroids score.

        Makes their `sums` too, where the codec has means.
        """
        if number not in self._tables:
            codes, tables, sums = self._made(number)
            if sums is not None:
                self.sums[number] = sums
            self._tables[number] = codes, tables
        return self._tables[number]

    def _made(self, number: int) -> Made:
        if self._kept is None:
            return self._make(number)
        key = number, self.queries.values.tobytes()
        made = self._kept.made(self._codecs, key)
        if made is None:
            made = self._make(number)
            self._kept.keep(self._codecs, key, made)
        return made

    def _make(self, number: int) -> Made:
        codec, tables, sums = self._codecs.get(number), None, None
        seen = self._seen(codec)
        codes = query_codes(seen, self.queries.offsets)
        if codec is not None and codec.with_means:
            sums = query_sums(seen, self.queries.offsets)
        if codec is not None:
            added = codec.centre_lanes(codes, seen, self.queries.offsets)
            tables = centroid_tables(
                codes, codec.centroid_codes, codec.centroid_scales, added=added
            )
        return codes, tables, sums

    def final(self, segment: Segment, passages: IntArray) -> FloatArray:
        """(queries, len(passages)) scores that rank: of 8-bit codes by queries of 15 bits."""
        if segment.codec:
            return self.coarse(segment, which=passages)
        if self._fine is None:
            self._fine = query_codes(self._seen(None), self.queries.offsets, fine=True)
        return fine_scores(
            self._fine,
            *segment.packed,
            which=passages,
            threads=self.threads,
            deadline=self._deadline,
        )

    def _seen(self, codec: ResidualCodec | None) -> FloatArray:
        if codec is not None:
            return codec.rotate(self.queries.values)
        width = self.queries.values.shape[1]
        if width == padded(width):
            return self.queries.values
        return np.pad(self.queries.values, ((0, 0), (0, padded(width) - width)))


def background_scores(
    queries: SeenQueries, segments: Sequence[Segment], background: Sequence[IntArray]
) -> FloatArray:
    """(queries, b) scores of the documents at these positions, segment by segment."""
    parts = [np.empty((len(queries.queries), 0), np.float32)]
    for segment, positions in zip(segments, background, strict=True):
        if len(positions):
            passages, starts = segment.passages(positions)
            scores = queries.coarse(segment, which=passages)
            parts.append(np.maximum.reduceat(scores, starts, axis=1))
    return np.concatenate(parts, axis=1)
