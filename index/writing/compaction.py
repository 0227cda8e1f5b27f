"""Compaction: segments written again without their deleted documents, small ones together.

One commit a group of segments, so that a compaction that is killed, or meets a full disk,
has lost nothing and goes on where it was; at most one new segment lies on the disk beside
the old ones. Readers that have old files open read them to the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock

from xret.errors import IndexLockedError, IndexNotFoundError
from xret.index.coding import recoding
from xret.index.storage.catalog import Catalog
from xret.index.storage.files import prepare_folder
from xret.index.storage.folder import lock_index, sweep
from xret.index.storage.stored import SegmentRecord
from xret.index.writing import writer
from xret.index.writing.merging import OldSegment, merge_segments, read_codecs, read_old
from xret.types import Progress, Work

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
        known, named = read_codecs(self.folder, catalog), catalog.files()
        sources = [
            (read_old(self.folder, catalog, record, known, named), known.get(record.codec))
            for record in records.values()
        ]
        codec = recoding.train_on_segments(
            [(segment.coded, segment.offsets, own) for segment, own in sources],
            bits=bits,
            dim=int(catalog.setting("dim")),
        )
        prepare_folder(self.folder / "codec")
        files = recoding.write_codec(self.folder, number + 1, codec)
        with catalog.transaction():
            catalog.write_codec(number + 1, vectors, files)
            catalog.count_commit()
        self.summary.retrained = True

    def _rewrite(self, catalog: Catalog, group: Sequence[OldSegment], current: int) -> None:
        """One new segment in place of these, and one commit."""
        number = max(catalog.segments()) + 1
        merge_segments(self.folder, catalog, group, number=number, codec=current)
        self.summary.rewritten += len(group)
        self.summary.removed += sum(old.record.documents - len(old.alive) for old in group)


def _groups(records: Sequence[SegmentRecord], current: int) -> list[list[OldSegment]]:
    """Segments to be rewritten, in groups of about one full segment.

    One that has no deleted documents, the current codec and at least half the vectors of a
    full segment stays, and so does a small one that there is none to join.
    """
    groups: list[list[OldSegment]] = []
    group: list[OldSegment] = []
    vectors = 0
    for record in records:
        old = OldSegment.of(record)
        whole = len(old.alive) == record.documents and record.codec == current
        if whole and max(record.vectors, record.documents) >= writer.SEGMENT_ROWS // 2:
            continue
        group.append(old)
        vectors += old.rows
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
