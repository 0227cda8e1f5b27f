"""One segment in the place of several: their living documents in order, in one commit.

Codes are taken over as they are where the codec stays the same, so every score does too; texts
are not read. Readers that have the old files open read them to the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xret.errors import XretError
from xret.index.coding import recoding
from xret.index.storage.catalog import Catalog
from xret.index.storage.files import remove_folder
from xret.index.storage.segment import Coded, Segment, padded, read_segment, write_segment
from xret.index.storage.stored import SegmentRecord, codec_folder, deleted_mask, place
from xret.types import IntArray

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = ["OldSegment", "merge_segments", "read_codecs", "read_old"]


@dataclass(frozen=True, slots=True)
class OldSegment:
    """A segment to be rewritten: alive are the positions of its documents that stay."""

    record: SegmentRecord
    alive: IntArray

    @classmethod
    def of(cls, record: SegmentRecord) -> OldSegment:
        return cls(record, np.flatnonzero(~deleted_mask(record.deleted, record.documents)))

    @property
    def rows(self) -> int:
        """About how many vectors, or documents where those are more, stay of it."""
        return max(self.record.vectors * len(self.alive) // self.record.documents, len(self.alive))


def merge_segments(
    folder: Path, catalog: Catalog, group: Sequence[OldSegment], *, number: int, codec: int
) -> None:
    """Write segment `number`, coded by `codec`, in the place of these, and commit it.

    The codecs that no segment needs any more go with it. No segment is written where no
    document stays. Raises OSError when the disk refuses, DamagedIndexError for a file that is
    not as it was written and IndexLockedError; the last commit is then as it was.
    """
    codecs = read_codecs(folder, catalog)
    files_of = catalog.files()
    parts = [(read_old(folder, catalog, old.record, codecs, files_of), old.alive) for old in group]
    coded, counts, arrays = _merged(parts, codecs, codec)
    record = SegmentRecord(number, codec, len(counts), int(counts.sum()), len(coded))
    before = [place(old.record.segment, 0) + int(p) for old in group for p in old.alive]
    files = write_segment(folder, record, coded, arrays) if len(counts) else []
    with _taken_away(folder, catalog, record), catalog.transaction():
        if len(counts):
            catalog.write_segment(record, files)
            catalog.documents.move([(n, place(number, i)) for i, n in enumerate(before)])
        for old in group:
            catalog.remove_segment(old.record)
        used = {segment.codec for segment in catalog.segments().values()} | {codec}
        unused = [known for known in catalog.codecs() if known not in used]
        for known in unused:
            catalog.remove_codec(known)
        catalog.count_commit()
    for name in [old.record.folder for old in group] + [codec_folder(c) for c in unused]:
        remove_folder(folder / name)


def read_codecs(folder: Path, catalog: Catalog) -> dict[int, ResidualCodec]:
    """Every codec of an index by its number."""
    files = catalog.files()
    return {
        number: recoding.read_codec(folder, number, files.get(codec_folder(number), []))
        for number in catalog.codecs()
    }


def read_old(
    folder: Path,
    catalog: Catalog,
    record: SegmentRecord,
    codecs: Mapping[int, ResidualCodec],
    files: Mapping[str, list[Any]],
) -> Segment:
    """An open segment. files: of the index, by folder."""
    codec = codecs.get(record.codec)
    return read_segment(
        folder,
        record,
        files.get(record.folder, []),
        code_bytes=padded(int(catalog.setting("dim"))) if codec is None else codec.code_bytes,
        n_centroids=0 if codec is None else codec.n_centroids,
        mean_bytes=0 if codec is None else codec.mean_bytes,
    )


@contextmanager
def _taken_away(folder: Path, catalog: Catalog, record: SegmentRecord) -> Iterator[None]:
    """A written segment goes again where the transaction that names it failed."""
    try:
        yield
    except (XretError, OSError):
        if record.segment not in catalog.segments():
            remove_folder(folder / record.folder)
        raise


def _merged(
    parts: Sequence[tuple[Segment, IntArray]], codecs: Mapping[int, ResidualCodec], current: int
) -> tuple[Coded, IntArray, dict[str, npt.NDArray[Any] | None]]:
    """Codes, passages of each document, and arrays of one segment of documents of others."""
    coded, lengths, counts, spans = [], [np.empty(0, np.int64)], [np.empty(0, np.int64)], []
    for segment, alive in parts:
        passages, starts = segment.passages(alive)
        selected, offsets = recoding.selected_passages(segment.coded, segment.offsets, passages)
        if segment.codec != current:
            selected = recoding.recoded(
                selected, codecs[current], offsets=offsets, before=codecs.get(segment.codec)
            )
        coded.append(selected)
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
