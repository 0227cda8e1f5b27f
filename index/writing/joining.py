"""Small segments joined by the writer once it has committed, before it takes the next commit.

A search costs something for each segment, so an index that is added to a document at a time
must not keep one for each commit. Segments are joined from the last one backwards, so the order
of documents never changes, and each is at least `RATIO` times as large as all after it together:
n rows lie in about log(n) segments, and a row is written again about that often. (Lucene's
tiers, O'Neil et al. 1996.) What is joined is decided by the sizes of segments alone, so a build
that was killed and run again joins the same ones as one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from xret.errors import DamagedIndexError, IndexLockedError
from xret.index.storage.catalog import Catalog
from xret.index.storage.stored import SegmentRecord
from xret.index.writing.merging import OldSegment, merge_segments

__all__ = ["join_small", "to_join"]

RATIO = 2
"""A segment stays while it has so many times the rows of all after it."""


def join_small(folder: Path, catalog: Catalog, number: int, *, full_rows: int) -> int:
    """Join what `to_join` names, one commit each; returns the number of the next segment.

    number: of the segment that would be written next. Joining is upkeep: a disk that refuses,
    a damaged file or a reader that holds the catalog leave the commit before as it is, and the
    next commit tries again.
    """
    with suppress(OSError, DamagedIndexError, IndexLockedError):
        while records := to_join([*catalog.segments().values()], full_rows):
            group = [OldSegment.of(record) for record in records]
            number += 1
            merge_segments(folder, catalog, group, number=number - 1, codec=records[-1].codec)
    return number


def to_join(records: Sequence[SegmentRecord], full_rows: int) -> Sequence[SegmentRecord]:
    """The segments at the end that become one; empty where all may stay.

    records: of an index, in order. Those that are half full stay, and so do those of another
    codec, whose vectors would not score the same; and where no document lives, what has to be
    done is left to a compaction.
    """
    first, rows = len(records), 0
    for at in range(len(records) - 1, -1, -1):
        own = _rows(records[at])
        if own >= full_rows // 2 or rows + own > full_rows:
            break
        if records[at].codec != records[-1].codec:
            break
        if own < RATIO * rows:
            first = at
        rows += own
    group = records[first:]
    if len(group) < 2 or not any(len(OldSegment.of(record).alive) for record in group):
        return ()
    return group


def _rows(record: SegmentRecord) -> int:
    return max(record.vectors, record.documents)
