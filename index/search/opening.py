"""The files of a commit, opened: those that are open already stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xret.errors import DamagedIndexError
from xret.index.coding.recoding import read_codec
from xret.index.search.commit import Commit
from xret.index.search.dense.single_vectors import has_single_vectors
from xret.index.search.faults import BackgroundCheck
from xret.index.search.ranking import Masks
from xret.index.storage.catalog import Catalog
from xret.index.storage.files import FileStamp, StoredFile
from xret.index.storage.segment import Segment, padded, read_segment
from xret.index.storage.stored import SegmentRecord, codec_folder, deleted_mask

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = ["OpenFiles"]

EAGER_BYTES = 1 << 28
"""Files of a commit, together, that are compared with their checksums before it is searched;
those of larger ones are checked beside the searches."""


@dataclass(frozen=True, slots=True)
class _Names:
    """What a commit consists of, as the catalog names it."""

    version: int
    seal: bytes
    records: tuple[SegmentRecord, ...]
    files: Mapping[str, list[StoredFile]]
    codecs: tuple[int, ...]


class OpenFiles:
    """Segments and codecs of the last commit that was asked for. One thread at a time."""

    def __init__(self, folder: Path, catalog: Catalog, *, in_memory: bool = False) -> None:
        self.folder = folder
        self._in_memory = in_memory
        self.stamps: dict[Path, FileStamp] = {}
        self.dim = int(catalog.setting("dim"))
        self._catalog = catalog
        self.check = BackgroundCheck()
        self._segments: dict[str, tuple[list[StoredFile], Segment]] = {}
        self._codecs: dict[int, tuple[list[StoredFile], ResidualCodec]] = {}

    def close(self) -> None:
        self.check.stop()

    def wait(self) -> None:
        """Until every file that is open has been compared with its checksum."""
        self.check.wait()

    def commit(self) -> Commit:
        """The last commit: its names from one snapshot, then its files.

        Files are immutable, so they are opened after the snapshot, and those that an earlier
        commit named with the same checksums are open already. Where one is missing because
        a commit made meanwhile needs it no longer, that commit is taken.
        """
        while True:
            names = self._names()
            try:
                return self._opened(names)
            except DamagedIndexError:
                if self._catalog.identity() == (names.version, names.seal):
                    raise

    def _names(self) -> _Names:
        with self._catalog.snapshot():
            self._catalog.check_seal()
            return _Names(
                *self._catalog.identity(),
                tuple(self._catalog.segments().values()),
                self._catalog.files(),
                tuple(self._catalog.codecs()),
            )

    def _opened(self, names: _Names) -> Commit:
        stamps = self._stamped(names)  # before: what is touched from now on is seen
        self._codecs = {number: self._codec(number, names) for number in names.codecs}
        new = {
            record.folder: names.files.get(record.folder, [])
            for record in names.records
            if self._segments.get(record.folder, ([], None))[0] != names.files.get(record.folder)
        }
        size = sum(f.size_bytes for files in new.values() for f in files)
        eager = self._in_memory or size <= EAGER_BYTES
        opened = {}
        for record in names.records:
            files = names.files.get(record.folder, [])
            if record.folder in new:
                segment = self._read(record, files, verify=eager)
            else:
                segment = self._segments[record.folder][1]
            opened[record.folder] = (files, segment)
        if not eager:
            self.check.start(self.folder, new)
        self._segments = opened
        self.stamps = stamps
        alive: Masks = tuple(
            ~deleted_mask(record.deleted, record.documents) if record.deleted else None
            for record in names.records
        )
        segments = tuple(segment for _, segment in opened.values())
        codecs = {number: codec for number, (_, codec) in self._codecs.items()}
        single = has_single_vectors(segments)
        return Commit(names.version, segments, alive, codecs, single, names.seal)

    def _codec(self, number: int, names: _Names) -> tuple[list[StoredFile], ResidualCodec]:
        files = names.files.get(codec_folder(number), [])
        known = self._codecs.get(number)
        if known is not None and known[0] == files:
            return known
        return files, read_codec(self.folder, number, files)

    def _read(self, record: SegmentRecord, files: list[StoredFile], *, verify: bool) -> Segment:
        code_bytes, n_centroids, mean_bytes = padded(self.dim), 0, 0
        if record.codec:
            codec = self._codecs[record.codec][1]
            code_bytes, n_centroids = codec.code_bytes, codec.n_centroids
            mean_bytes = codec.mean_bytes
        return read_segment(
            self.folder,
            record,
            files,
            code_bytes=code_bytes,
            n_centroids=n_centroids,
            mean_bytes=mean_bytes,
            verify=verify,
            in_memory=self._in_memory,
        )

    def _stamped(self, names: _Names) -> dict[Path, FileStamp]:
        """Of every file of the commit, what tells that it has been touched since."""
        stamps = {}
        for folder, files in names.files.items():
            for file in files:
                path = self.folder / folder / file.name
                known = self.stamps.get(path)
                same = known is not None and known.checksum == file.checksum
                stamps[path] = known if known and same else FileStamp.of(path, file)
        return stamps
