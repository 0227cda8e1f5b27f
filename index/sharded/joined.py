"""Indices copied into one: their segments as they are, under new numbers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from xret.errors import ConfigError, DamagedIndexError
from xret.index.sharded.settings import shared_settings
from xret.index.storage.catalog import NAME, Catalog
from xret.index.storage.files import (
    StoredFile,
    checksum,
    prepare_folder,
    remove_folder,
    sync_file,
    sync_folder,
)
from xret.index.storage.folder import claim_folder, lock_index
from xret.index.storage.stored import SegmentRecord, codec_folder
from xret.types import Progress, Work

__all__ = ["JoinedIndex"]

OWN = frozenset({"commits", "format", "cut_batch"})
"""Settings that say how one index was written, and nothing of another."""


class JoinedIndex:
    """A new index of the documents of others; see `run`."""

    def __init__(self, folder: Path, parts: Sequence[Path]) -> None:
        self.folder = folder.resolve()
        self._parts = parts
        self._codecs: dict[tuple[StoredFile, ...], int] = {}
        self._segments = 0

    def run(self) -> Work[int]:
        """Copy; one Progress a segment, counted in documents. Returns how many there are.

        The index appears at its place when it is whole; what a killed run leaves is taken away by
        the next. Files are compared with their checksums on the way. Raises ConfigError where
        there is something already, ShardError for indices that do not go together,
        DuplicateIdError for a document that two have, DamagedIndexError, IndexLockedError while
        another process makes the same index.
        """
        if self.folder.exists() and any(self.folder.iterdir()):
            raise ConfigError(f"{self.folder} is not empty; name a new folder for the index")
        if self.folder == Path.cwd():
            raise ConfigError(
                "the index cannot take the place of the folder you are in; name a new one"
            )
        fresh = self.folder.with_name(f"{self.folder.name}.joining")
        claim_folder(fresh)
        lock = lock_index(fresh)
        try:
            done = yield from self._made(fresh)
        except BaseException:
            remove_folder(fresh)
            raise
        finally:
            lock.release()
        if self.folder.exists():
            self.folder.rmdir()
        fresh.replace(self.folder)
        sync_folder(self.folder.resolve().parent)
        return done

    def _made(self, fresh: Path) -> Work[int]:
        for left in (NAME, f"{NAME}-journal"):
            (fresh / left).unlink(missing_ok=True)
        for left in ("segments", "codec"):
            remove_folder(fresh / left)
        prepare_folder(fresh / "segments")
        with ExitStack() as opened:
            catalogs = {}
            for part in self._parts:
                catalogs[part] = opened.enter_context(closing(Catalog.open(part)))
            return (yield from self._copied(fresh, catalogs))

    def _copied(self, fresh: Path, catalogs: Mapping[Path, Catalog]) -> Work[int]:
        settings = shared_settings({str(part): one.settings() for part, one in catalogs.items()})
        kept = {name: value for name, value in settings.items() if name not in OWN}
        total = sum(sum(one.documents.languages().values()) for one in catalogs.values())
        done = 0
        joined = Catalog.open_or_create(fresh, kept)
        try:
            with joined.transaction():
                self._copy_codecs(fresh, catalogs, joined)
                for part, catalog in catalogs.items():
                    for count in self._taken(part, catalog, fresh, joined):
                        done += count
                        yield Progress("merge", done, total, "documents")
                joined.count_commit()
        finally:
            joined.close()
        return done

    def _copy_codecs(self, fresh: Path, catalogs: Mapping[Path, Catalog], joined: Catalog) -> None:
        """One that several have is there once. Those that were trained on no vector of an index
        come first: the last one is what new documents are coded by."""
        known = []
        for part, catalog in catalogs.items():
            with catalog.snapshot():
                files = catalog.files()
                known += [(part, *one, files) for one in catalog.codecs().items()]
        for part, number, vectors, files in sorted(known, key=lambda one: one[2] > 0):
            self._codec(part, number, vectors, files, fresh, joined)

    def _taken(self, part: Path, catalog: Catalog, fresh: Path, joined: Catalog) -> Iterator[int]:
        """The segments of one index; how many living documents each has."""
        with catalog.snapshot():
            files = catalog.files()
            codecs = {
                number: self._codec(part, number, vectors, files, fresh, joined)
                for number, vectors in catalog.codecs().items()
            }
            joined.record_routes(catalog.routes().values())
            for record in catalog.segments().values():
                self._segments += 1
                new = SegmentRecord(
                    self._segments,
                    codecs.get(record.codec, 0),
                    record.documents,
                    record.passages,
                    record.vectors,
                    record.deleted,
                )
                own = files.get(record.folder, [])
                _copy(part / record.folder, own, fresh / new.folder)
                joined.write_segment(new, own)
                yield joined.documents.take(catalog.documents, record.segment, new.segment)

    def _codec(
        self,
        part: Path,
        number: int,
        vectors: int,
        files: Mapping[str, list[StoredFile]],
        fresh: Path,
        joined: Catalog,
    ) -> int:
        """The number that a codec has in the new index; one that several have is there once."""
        own = files.get(codec_folder(number), [])
        known = self._codecs.get(tuple(own))
        if known is not None:
            return known
        new = self._codecs[tuple(own)] = len(self._codecs) + 1
        prepare_folder(fresh / "codec")
        _copy(part / codec_folder(number), own, fresh / codec_folder(new))
        joined.write_codec(new, vectors, own)
        return new


def _copy(source: Path, files: Sequence[StoredFile], target: Path) -> None:
    """Copy files durably. Raises DamagedIndexError for one that is not as it was written."""
    target.mkdir()
    for file in files:
        try:
            shutil.copyfile(source / file.name, target / file.name)
        except FileNotFoundError as error:
            raise DamagedIndexError(f"{source / file.name} is missing") from error
        if checksum(target / file.name) != file.checksum:
            raise DamagedIndexError(f"{source / file.name} has changed since it was written")
        sync_file(target / file.name)
    sync_folder(target)
