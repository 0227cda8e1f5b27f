"""The catalog: the one file of an index that changes. One transaction is one commit.

SQLite with a rollback journal and full synchronisation: after a crash at any point the
last commit is whole, and the folder needs no other file to be read. Texts, languages and
metadata live here; vectors live in the segments that it names. Every document's row has a
hash, and one seal covers everything else: SQLite itself has no checksums.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import xxhash

from xret.config import SHARDS_FILE
from xret.errors import DamagedIndexError, IndexNotFoundError
from xret.index.storage.database import Database, damage
from xret.index.storage.documents import DocumentTable
from xret.index.storage.files import StoredFile
from xret.index.storage.stored import (
    SCHEMA,
    SEALED,
    TEXTS,
    IndexInfo,
    SegmentRecord,
    StoredRoute,
    codec_folder,
    place_of,
    with_deleted,
)

__all__ = ["NAME", "Catalog"]

FORMAT = 3
READ_FORMATS = ("2", "3")
"""Format 2 holds texts as they are; what is added to such an index is written so too."""

NAME = "catalog.sqlite"

UNFINISHED = "unfinished"
"""Name of a setting that is there until the first commit: before it there is no index."""


class Catalog:
    """An open catalog. `open` and `open_or_create` make one; `transaction` alone writes."""

    def __init__(self, database: Database) -> None:
        self.path = database.path
        self.snapshot = database.snapshot
        self.until = database.until
        self.documents = DocumentTable(database)
        self._database = database

    @classmethod
    def open(cls, folder: Path) -> Catalog:
        """The catalog in a folder, with its seal checked.

        Raises IndexNotFoundError where there is none, DamagedIndexError where the file is
        no catalog, or one of a format that this version does not read.
        """
        if not (folder / NAME).is_file():
            if (folder / SHARDS_FILE).is_file():
                raise IndexNotFoundError(
                    f"{folder} is an index in several parts; name one of them (ls {folder})"
                )
            raise IndexNotFoundError(f"{folder} holds no index (no {NAME} in it)")
        catalog = cls(Database.connect(folder / NAME))
        try:
            empty = catalog._is_empty()
            if not empty:
                catalog._check_format()
            if empty or catalog.unfinished:
                raise IndexNotFoundError(
                    f"{folder} holds no index: its first commit was never made; build it"
                )
        except BaseException:
            catalog.close()
            raise
        return catalog

    @classmethod
    def open_or_create(cls, folder: Path, settings: Mapping[str, str]) -> Catalog:
        """The catalog in an existing folder, created with these settings where there is none.

        The file is connected to before it is looked into: a first commit that was killed
        left a journal, and only SQLite, by rolling it back, finds that nothing was there.
        What a build with other settings left before its first commit is replaced.
        """
        catalog = cls(Database.connect(folder / NAME))
        try:
            if catalog._is_empty():
                catalog._create(settings)
            catalog._check_format()
            if catalog.unfinished and not settings.items() <= catalog.settings().items():
                catalog._start_again(settings)
        except BaseException:
            catalog.close()
            raise
        return catalog

    def _is_empty(self) -> bool:
        """Whether no commit was ever made. Segments are written after the first one."""
        if self._database.rows("SELECT 1 FROM sqlite_master LIMIT 1"):
            return False
        segments = self.path.parent / "segments"
        if segments.is_dir() and any(segments.iterdir()):
            raise DamagedIndexError(
                f"{self.path} is empty, but the index has segments; restore it from a copy, "
                "or remove the folder and build the index again"
            )
        return True

    def _create(self, settings: Mapping[str, str]) -> None:
        with self._database.transaction():
            self._database.define(SCHEMA)
            self._write_settings(settings)

    def _start_again(self, settings: Mapping[str, str]) -> None:
        """As if nothing had been recorded: no segment is named before the first commit."""
        with self._database.transaction():
            for table in ("settings", "routes", "codecs", "files"):
                self._database.write(f"DELETE FROM {table}")  # noqa: S608
            self._database.define(f"DROP TABLE texts; {TEXTS}")
            self._write_settings(settings)

    def _write_settings(self, settings: Mapping[str, str]) -> None:
        rows = {**settings, "format": str(FORMAT), "commits": "0", UNFINISHED: "1"}
        self._database.write("INSERT INTO settings VALUES (?, ?)", rows.items())
        self._write_seal()

    def _check_format(self) -> None:
        found = self.setting("format")
        if found not in READ_FORMATS:
            raise DamagedIndexError(
                f"{self.path} has index format {found}, this version reads "
                f"{' and '.join(READ_FORMATS)}; build the index again"
            )
        with self.snapshot():
            self.check_seal()

    @property
    def unfinished(self) -> bool:
        """Whether the first commit has not been made yet."""
        return bool(self._database.rows("SELECT 1 FROM settings WHERE name = ?", (UNFINISHED,)))

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside is one commit, sealed; see `Database.transaction`."""
        with self._database.transaction():
            before = self._database.changes
            yield
            if self._database.changes != before:
                self._write_seal()

    def check_seal(self) -> None:
        """Raises DamagedIndexError where settings, segments or routes are not as written.

        Call it in the snapshot that they are read in.
        """
        if self._database.rows("SELECT one, checksum FROM seal") != [(1, self._seal())]:
            raise DamagedIndexError(
                f"{self.path}: its settings, segments or routes have changed since they were "
                "written (checksum); restore it from a copy or build the index again"
            )

    def settings(self) -> dict[str, str]:
        return dict(self._database.rows("SELECT name, value FROM settings"))

    def setting(self, name: str) -> str:
        """One setting. Raises DamagedIndexError where it is missing."""
        for (value,) in self._database.rows("SELECT value FROM settings WHERE name = ?", (name,)):
            return str(value)
        raise DamagedIndexError(f"{self.path} has lost its setting {name!r}")

    def record_setting(self, name: str, value: str, *, replace: bool = False) -> None:
        """Write down a setting; without `replace` one of that name stays as it is."""
        insert = "INSERT OR REPLACE" if replace else "INSERT OR IGNORE"
        self._database.write(f"{insert} INTO settings VALUES (?, ?)", [(name, value)])

    def forget_setting(self, name: str) -> None:
        self._database.write("DELETE FROM settings WHERE name = ?", [(name,)])

    def version(self) -> int:
        """How many commits the index has seen."""
        with damage(self.path):
            return int(self.setting("commits"))

    def identity(self) -> tuple[int, bytes]:
        """The version, and the seal over all that is no document: another index has another."""
        query = "SELECT (SELECT value FROM settings WHERE name = 'commits'), checksum FROM seal"
        with damage(self.path):
            for version, seal in self._database.rows(query):
                return int(version), bytes(seal)
        raise DamagedIndexError(f"{self.path} has lost its seal; restore it from a copy")

    def count_commit(self) -> None:
        """Raise the version that readers compare, once a transaction."""
        self.forget_setting(UNFINISHED)
        self._database.write(
            "UPDATE settings SET value = CAST(value AS INTEGER) + 1 WHERE name = 'commits'"
        )

    def segments(self) -> dict[int, SegmentRecord]:
        """Every committed segment by its number, in rising order."""
        rows = self._database.rows(
            "SELECT segment, codec, documents, passages, vectors, deleted FROM segments "
            "ORDER BY segment"
        )
        return {row[0]: SegmentRecord(*row) for row in rows}

    def files(self) -> dict[str, list[StoredFile]]:
        """Every file by its folder in the index."""
        found: dict[str, list[StoredFile]] = {}
        for folder, *file in self._database.rows(
            "SELECT folder, file, size_bytes, checksum FROM files ORDER BY folder, file"
        ):
            found.setdefault(folder, []).append(StoredFile(*file))
        return found

    def write_segment(self, record: SegmentRecord, files: Iterable[StoredFile]) -> None:
        """Name a written segment, in place of one of the same number with another codec."""
        for (codec,) in self._database.rows(
            "SELECT codec FROM segments WHERE segment = ?", (record.segment,)
        ):
            self._forget_files(SegmentRecord(record.segment, codec, 0, 0, 0).folder)
        row = dataclasses.astuple(record)
        self._database.write("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?)", [row])
        self._name_files(record.folder, files)

    def remove_segment(self, record: SegmentRecord) -> None:
        """Name a segment no longer; its documents have been removed or moved."""
        self._forget_files(record.folder)
        self._database.write("DELETE FROM segments WHERE segment = ?", [(record.segment,)])

    def delete_documents(self, numbers: Iterable[int]) -> None:
        """Remove documents by row number; their vectors stay and are never scored again."""
        by_segment: dict[int, list[int]] = {}
        for number in numbers:
            segment, position = place_of(number)
            by_segment.setdefault(segment, []).append(position)
            self.documents.remove([number])
        query = "SELECT documents, deleted FROM segments WHERE segment = ?"
        for segment, positions in sorted(by_segment.items()):
            for size, deleted in self._database.rows(query, (segment,)):
                self._database.write(
                    "UPDATE segments SET deleted = ? WHERE segment = ?",
                    [(with_deleted(deleted, positions, size), segment)],
                )

    def codecs(self) -> dict[int, int]:
        """Codecs by number, with the vectors that the index had when each was trained."""
        return dict(self._database.rows("SELECT codec, vectors FROM codecs ORDER BY codec"))

    def write_codec(self, codec: int, vectors: int, files: Iterable[StoredFile]) -> None:
        """Name a trained codec; vectors: how many the index had then."""
        self._database.write("INSERT INTO codecs VALUES (?, ?)", [(codec, vectors)])
        self._name_files(codec_folder(codec), files)

    def remove_codec(self, codec: int) -> None:
        """Name a codec no longer, that no segment is coded with."""
        self._forget_files(codec_folder(codec))
        self._database.write("DELETE FROM codecs WHERE codec = ?", [(codec,)])

    def record_routes(self, routes: Iterable[StoredRoute]) -> None:
        """Write down through which adapters documents of these languages go."""
        known = self.routes()
        self._database.write(
            "INSERT OR REPLACE INTO routes VALUES (?, ?, ?, ?)",
            [dataclasses.astuple(route) for route in routes if known.get(route.lang) != route],
        )

    def routes(self) -> dict[str, StoredRoute]:
        """The recorded routes by language; empty for an encoder without adapters."""
        rows = self._database.rows("SELECT lang, adapter, how, reason FROM routes ORDER BY lang")
        return {row[0]: StoredRoute(*row) for row in rows}

    def record_superseded(self, versions: Iterable[tuple[str, bytes]]) -> None:
        """Write down (doc_id, content hash) of versions that others took the place of."""
        self._database.write("INSERT OR IGNORE INTO superseded VALUES (?, ?)", list(versions))

    def was_superseded(self, doc_id: str, content: bytes) -> bool:
        """Whether a document of that id and content hash was here and was replaced."""
        query = "SELECT 1 FROM superseded WHERE doc_id = ? AND hash = ?"
        return bool(self._database.rows(query, (doc_id, content)))

    def damaged_pages(self) -> list[str]:
        """What SQLite's own integrity check says; empty for a sound file."""
        found = self._database.rows("PRAGMA integrity_check(5)")
        return [str(page) for (page,) in found if page != "ok"]

    def free_share(self) -> float:
        """Share of the file's pages that hold nothing."""
        names = ("freelist_count", "page_count")
        (free,), (pages,) = (self._database.rows(f"PRAGMA {name}")[0] for name in names)
        return float(free) / max(int(pages), 1)

    def shrink(self) -> None:
        """Write the file anew without unused pages. Raises as `Database.transaction` does."""
        self._database.rewrite()

    def info(self) -> IndexInfo:
        """What the index says of itself, read in one snapshot."""
        with self.snapshot():
            languages = self.documents.languages()
            segments, settings = self.segments().values(), self.settings()
            return IndexInfo(
                documents=sum(languages.values()),
                deleted=sum(record.documents for record in segments) - sum(languages.values()),
                passages=sum(record.passages for record in segments),
                vectors=sum(record.vectors for record in segments),
                languages=languages,
                segments=len(segments),
                vectors_bytes=sum(f.size_bytes for files in self.files().values() for f in files),
                version=self.version(),
                preset=settings["preset"],
                codecs=tuple(sorted({record.codec for record in segments})),
                settings=settings,
                routes=self.routes(),
            )

    def _name_files(self, folder: str, files: Iterable[StoredFile]) -> None:
        self._database.write(
            "INSERT INTO files VALUES (?, ?, ?, ?)",
            [(folder, file.name, file.size_bytes, file.checksum) for file in files],
        )

    def _forget_files(self, folder: str) -> None:
        self._database.write("DELETE FROM files WHERE folder = ?", [(folder,)])

    def _write_seal(self) -> None:
        self._database.write("INSERT OR REPLACE INTO seal VALUES (1, ?)", [(self._seal(),)])

    def _seal(self) -> bytes:
        """xxh3-128 of everything in the catalog that is not a document."""
        with damage(self.path):
            content = json.dumps([self._database.rows(query) for query in SEALED])
        return xxhash.xxh3_128_digest(content.encode())
