"""Compaction: segments written again without their deleted documents, small ones together.

One commit a group of segments, so that a compaction that is killed, or meets a full disk,
has lost nothing and goes on where it was; at most one new segment lies on the disk beside
the old ones. Readers that have old files open read them to the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np
import numpy.typing as npt

from xret.errors import IndexLockedError, IndexNotFoundError
from xret.index.coding import recoding
from xret.index.storage.catalog import Catalog
from xret.index.storage.files import prepare_folder, remove_folder
from xret.index.storage.folder import lock_index, sweep
from xret.index.storage.segment import Coded, Segment, padded, read_segment, write_segment
from xret.index.storage.stored import SegmentRecord, codec_folder, deleted_mask, place
from xret.index.writing import writer
from xret.types import IntArray, Progress, Work

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = ["Compaction", "CompactionSummary"]

OUTGROWN = 16
"""A codec is trained anew when the index has so many times the vectors that it had then."""

FREE_SHARE = 0.25
"""Share of unused pages from which on the catalog is written anew."""


@dataclass(slots=True)
class CompactionSummary:
    """What a compaction did. rewritten: segments that were read; documents: that moved."""

    removed: int = 0
    documents: int = 0
    rewritten: int = 0
    segments: int = 0
    retrained: bool = False


@dataclass(frozen=True, slots=True)
class _Old:
    """A segment to be rewritten: alive are the positions of its documents that stay."""

    record: SegmentRecord
    alive: IntArray


class Compaction:
    """Rewrites the segments of an index that have deleted documents or are small."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary = CompactionSummary()

    def run(self) -> Work[CompactionSummary]:
        """Compact; one Progress a commit, counted in documents.

        Raises IndexNotFoundError, IndexLockedError while another process writes, OSError
        when the disk refuses; what was committed before stays.
        """
        if not self.folder.is_dir():
            raise IndexNotFoundError(f"no index at {self.folder}")
        catalog = Catalog.open(self.folder)
        try:
            lock: filelock.BaseFileLock = lock_index(self.folder)
            try:
                sweep(self.folder, catalog)
                yield from self._run(catalog)
            finally:
                lock.release()
        finally:
            catalog.close()
        return self.summary

    def _run(self, catalog: Catalog) -> Iterator[Progress]:
        self._retrain(catalog)
        current = max(catalog.codecs(), default=0)
        groups = _groups(list(catalog.segments().values()), current)
        total = sum(len(old.alive) for group in groups for old in group)
        for group in groups:
            self._rewrite(catalog, group, current)
            self.summary.documents += sum(len(old.alive) for old in group)
            yield Progress("compact", self.summary.documents, total, "documents")
        self.summary.segments = len(catalog.segments())
        if catalog.free_share() > FREE_SHARE:
            try:
                catalog.shrink()
            except IndexLockedError:
                return  # a reader is in it; it shrinks the next time

    def _retrain(self, catalog: Catalog) -> None:
        """Train a codec where the index has outgrown the last one; deleted vectors count too."""
        bits = recoding.preset_bits(catalog.setting("preset"))
        records, codecs = catalog.segments(), catalog.codecs()
        number = max(codecs, default=0)
        vectors = sum(record.vectors for record in records.values())
        passages = sum(record.passages for record in records.values())
        if not recoding.wants_codec(bits, vectors=vectors, passages=passages):
            return
        if number and vectors < OUTGROWN * codecs[number]:
            return
        known = self._codecs(catalog)
        sources = [(self._read(catalog, r, known), known.get(r.codec)) for r in records.values()]
        made = recoding.train_on_segments(
            [(segment.coded, segment.offsets, codec) for segment, codec in sources],
            bits=bits,
            dim=int(catalog.setting("dim")),
        )
        prepare_folder(self.folder / "codec")
        files = recoding.write_codec(self.folder, number + 1, made)
        with catalog.transaction():
            catalog.write_codec(number + 1, vectors, files)
            catalog.count_commit()
        self.summary.retrained = True

    def _rewrite(self, catalog: Catalog, group: Sequence[_Old], current: int) -> None:
        """One new segment in place of these, and one commit."""
        number = max(catalog.segments()) + 1
        codecs = self._codecs(catalog)
        made, counts, arrays = _merged(
            [(self._read(catalog, old.record, codecs), old.alive) for old in group],
            codecs,
            current,
        )
        n_documents = len(counts)
        record = SegmentRecord(number, current, n_documents, int(counts.sum()), len(made))
        files = write_segment(self.folder, record, made, arrays) if n_documents else []
        before = [place(old.record.segment, 0) + int(p) for old in group for p in old.alive]
        with catalog.transaction():
            if n_documents:
                catalog.write_segment(record, files)
                catalog.documents.move((n, place(number, i)) for i, n in enumerate(before))
            for old in group:
                catalog.remove_segment(old.record)
            used = {segment.codec for segment in catalog.segments().values()} | {current}
            unused = [codec for codec in catalog.codecs() if codec not in used]
            for codec in unused:
                catalog.remove_codec(codec)
            catalog.count_commit()
        for folder in [old.record.folder for old in group] + [codec_folder(c) for c in unused]:
            remove_folder(self.folder / folder)
        self.summary.rewritten += len(group)
        self.summary.removed += sum(old.record.documents - len(old.alive) for old in group)

    def _codecs(self, catalog: Catalog) -> dict[int, ResidualCodec]:
        files = catalog.files()
        return {
            number: recoding.read_codec(self.folder, number, files.get(codec_folder(number), []))
            for number in catalog.codecs()
        }

    def _read(
        self, catalog: Catalog, record: SegmentRecord, codecs: dict[int, ResidualCodec]
    ) -> Segment:
        codec = codecs.get(record.codec)
        return read_segment(
            self.folder,
            record,
            catalog.files().get(record.folder, []),
            code_bytes=padded(int(catalog.setting("dim"))) if codec is None else codec.code_bytes,
            n_centroids=0 if codec is None else codec.n_centroids,
            mean_bytes=0 if codec is None else codec.mean_bytes,
        )


def _groups(records: Sequence[SegmentRecord], current: int) -> list[list[_Old]]:
    """Segments to be rewritten, in groups of about one full segment.

    One that has no deleted documents, the current codec and at least half the vectors of a
    full segment stays, and so does a small one that there is none to join.
    """
    groups: list[list[_Old]] = []
    group: list[_Old] = []
    vectors = 0
    for record in records:
        alive = np.flatnonzero(~deleted_mask(record.deleted, record.documents))
        whole = len(alive) == record.documents and record.codec == current
        if whole and max(record.vectors, record.documents) >= writer.SEGMENT_ROWS // 2:
            continue
        group.append(_Old(record, alive))
        vectors += max(record.vectors * len(alive) // record.documents, len(alive))
        if vectors >= writer.SEGMENT_ROWS:
            groups, group, vectors = [*groups, group], [], 0
    groups = [*groups, group] if group else groups
    return [
        group
        for group in groups
        if len(group) > 1
        or len(group[0].alive) < group[0].record.documents
        or group[0].record.codec != current
    ]


def _merged(
    parts: Sequence[tuple[Segment, IntArray]], codecs: dict[int, ResidualCodec], current: int
) -> tuple[Coded, IntArray, dict[str, npt.NDArray[Any] | None]]:
    """Codes, passages of each document, and arrays of one segment of documents of others."""
    coded, lengths, counts, spans = [], [np.empty(0, np.int64)], [np.empty(0, np.int64)], []
    for segment, alive in parts:
        passages, starts = segment.passages(alive)
        made, offsets = recoding.selected_passages(segment.coded, segment.offsets, passages)
        if segment.codec != current:
            made = recoding.recoded(
                made, codecs[current], offsets=offsets, before=codecs.get(segment.codec)
            )
        coded.append(made)
        lengths.append(np.diff(offsets))
        counts.append(np.diff([*starts, len(passages)]))
        whole = np.full((len(passages), 2), -1, np.int32)
        spans.append(whole if segment.spans is None else segment.spans[passages])
    each = np.concatenate(counts)
    several = bool((each > 1).any())
    arrays: dict[str, npt.NDArray[Any] | None] = {
        "offsets": np.cumsum([0, *np.concatenate(lengths)], dtype=np.int64),
        "documents": np.cumsum([0, *each], dtype=np.int64) if several else None,
        "spans": np.concatenate(spans) if several else None,
    }
    return recoding.concatenated(coded), each, {**arrays, **_lexical(parts)}


def _lexical(parts: Sequence[tuple[Segment, IntArray]]) -> dict[str, npt.NDArray[Any]]:
    """The lexical arrays of the same documents, where there are any."""
    if not any("lexical_lengths" in segment.arrays for segment, _ in parts):
        return {}
    from xret.index.words.lexical import LexicalSegment, merged_arrays, segment_arrays

    read = []
    for segment, alive in parts:
        arrays = segment.arrays or segment_arrays([()] * segment.n_documents)
        read.append((LexicalSegment.from_arrays(arrays, segment.n_documents), alive))
    return merged_arrays(read)
