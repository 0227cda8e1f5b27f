"""Documents in hand that wait for their segment, and written segments for their commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import DimensionMismatchError
from xret.index.storage.files import StoredFile
from xret.index.storage.segment import Coded, Span, quantize
from xret.index.storage.stored import SegmentRecord, place_of, with_deleted
from xret.index.words.lexical import DocumentTerms, segment_arrays
from xret.types import Document, Embeddings, IntArray

__all__ = ["PendingSegment", "WrittenSegment", "quantized"]

QUANTIZED_ROWS = 1 << 13


@dataclass(slots=True)
class PendingSegment:
    """What the next segment will hold.

    coded: 8-bit codes. lengths: vectors of each passage; spans: of each document's passages;
    terms: of each document, or None. removed: row numbers of documents that go when this
    segment is committed; superseded: (doc_id, content hash) of versions replaced;
    touched: ids of documents added or deleted.
    """

    number: int
    documents: list[Document] = field(default_factory=list)
    spans: list[Sequence[Span]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    coded: CodeBuffer = field(default_factory=lambda: CodeBuffer(0))
    terms: list[DocumentTerms | None] = field(default_factory=list)
    rows: int = 0
    removed: set[int] = field(default_factory=set)
    superseded: list[tuple[str, bytes]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    @property
    def offsets(self) -> IntArray:
        """(p + 1,) of the passages into the vectors."""
        return np.cumsum([0, *self.lengths], dtype=np.int64)

    def record(self) -> SegmentRecord:
        """Counts of this segment, coded in 8 bits."""
        dead = [
            position for number, position in map(place_of, self.removed) if number == self.number
        ]
        return SegmentRecord(
            self.number,
            0,
            len(self.documents),
            len(self.lengths),
            self.rows,
            with_deleted(b"", sorted(dead), len(self.documents)),
        )

    def arrays(self) -> Mapping[str, npt.NDArray[Any] | None]:
        """Offsets, documents and spans, and the lexical arrays where there are terms."""
        counts = [len(spans) for spans in self.spans]
        several = any(count > 1 for count in counts)
        pairs = [s for spans in self.spans for s in (spans if len(spans) > 1 else [(-1, -1)])]
        lexical: Mapping[str, npt.NDArray[Any]] = {}
        if any(terms is not None for terms in self.terms):
            lexical = segment_arrays([terms or () for terms in self.terms])
        return {
            "offsets": self.offsets,
            "documents": np.cumsum([0, *counts], dtype=np.int64) if several else None,
            "spans": np.array(pairs, np.int32) if several else None,
            **lexical,
        }


@dataclass(frozen=True, slots=True)
class WrittenSegment:
    """A segment on disk that waits for its commit. documents: (position, document), alive."""

    record: SegmentRecord
    files: list[StoredFile]
    documents: list[tuple[int, Document]]
    removed: list[int]
    superseded: list[tuple[str, bytes]]

    @classmethod
    def of(
        cls, pending: PendingSegment, record: SegmentRecord, files: list[StoredFile]
    ) -> WrittenSegment:
        own = {p for number, p in map(place_of, pending.removed) if number == pending.number}
        return cls(
            record,
            files,
            [(i, one) for i, one in enumerate(pending.documents) if i not in own],
            sorted(n for n in pending.removed if place_of(n)[0] != pending.number),
            pending.superseded,
        )


def quantized(parts: Iterable[Embeddings], dim: int) -> tuple[Coded, list[int]]:
    """Vectors in codes of 8 bits, and the offsets of their texts.

    Raises ValueError and DimensionMismatchError for what a segment cannot hold.
    """
    codes, offsets = CodeBuffer(), [0]
    for embeddings in parts:
        _check_embeddings(embeddings, dim)
        for at in range(0, max(1, len(embeddings.values)), QUANTIZED_ROWS):
            codes.append(quantize(embeddings.values[at : at + QUANTIZED_ROWS]))
        offsets += (embeddings.offsets[1:] + offsets[-1]).tolist()
    return codes.whole(dim), offsets


class CodeBuffer:
    """Codes of 8 bits that grow at the end, in one place: their parts and the whole are never in
    memory together. What is asked for in advance and not used takes no memory."""

    def __init__(self, expected_rows: int = 0) -> None:
        self._expected = expected_rows
        self._rows = 0
        self._whole: Coded | None = None

    def append(self, coded: Coded) -> None:
        last = self._rows + len(coded)
        if self._whole is None or last > len(self._whole):
            room = max(self._expected, last + last // 2 if self._rows else last)
            grown = Coded(np.empty((room, coded.codes.shape[1]), np.uint8), np.empty(room, "<u2"))
            if self._whole is not None:
                _put(grown, 0, self._whole.rows(slice(self._rows)))
            self._whole = grown
        _put(self._whole, self._rows, coded)
        self._rows = last

    def whole(self, dim: int) -> Coded:
        """All of them; dim: of their vectors, where there are none."""
        if self._whole is None:
            return quantize(np.empty((0, dim), np.float32))
        return self._whole.rows(slice(self._rows))


def _put(place: Coded, first: int, coded: Coded) -> None:
    place.codes[first : first + len(coded)] = coded.codes
    place.scales[first : first + len(coded)] = coded.scales


def _check_embeddings(embeddings: Embeddings, dim: int) -> None:
    """What a segment cannot hold, refused before any of it is in hand."""
    values, offsets = embeddings.values, embeddings.offsets
    if values.ndim != 2 or values.shape[1] != dim:
        raise DimensionMismatchError(
            f"vectors of shape {values.shape} for an index of {dim} dimensions"
        )
    rising = not dim or bool((offsets[1:] > offsets[:-1]).all())
    if offsets[0] != 0 or offsets[-1] != len(values) or not rising:
        raise ValueError("offsets go from 0 to the number of vectors; every text needs one or more")
