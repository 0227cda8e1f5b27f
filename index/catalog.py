"""The catalog: the one file of an index that changes. One transaction is one commit.

SQLite with a rollback journal and full synchronisation: after a crash at any point the
last commit is whole, and the folder needs no other file to be read. Texts, languages and
metadata live here; vectors live in the segments that it names. Every document's row has a
hash, and one seal covers the settings, segments and routes: SQLite itself has no checksums.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xxhash

from xret.errors import DamagedIndexError, IndexNotFoundError
from xret.index.database import Database, damage
from xret.index.segment import SegmentFile
from xret.index.stored import (
    COLUMNS,
    SCHEMA,
    SEALED,
    IndexInfo,
    StoredRoute,
    document_row,
    row_hash,
    stored_document,
)
from xret.types import Document

__all__ = ["Catalog"]

FORMAT = 1
NAME = "catalog.sqlite"
PAGE_DOCUMENTS = 512
"""Documents that a check of all of them reads at once; between pages a writer may commit."""

_ROW = ", ".join(COLUMNS)


class Catalog:
    """An open catalog. `open` and `open_or_create` make one; `transaction` alone writes."""

    def __init__(self, database: Database) -> None:
        self.path = database.path
        self.snapshot = database.snapshot
        self._database = database

    @classmethod
    def open(cls, folder: Path) -> Catalog:
        """The catalog in a folder, with its seal checked.

        Raises IndexNotFoundError where there is none, DamagedIndexError where the file is
        no catalog, or one of a format that this version does not read.
        """
        if not (folder / NAME).is_file():
            raise IndexNotFoundError(f"{folder} holds no index (no {NAME} in it)")
        catalog = cls(Database.connect(folder / NAME))
        try:
            if catalog._is_empty():
                raise IndexNotFoundError(
                    f"{folder} holds no index: its first commit was never made; build it"
                )
            catalog._check_format()
        except BaseException:
            catalog.close()
            raise
        return catalog

    @classmethod
    def open_or_create(cls, folder: Path, settings: dict[str, str]) -> Catalog:
        """The catalog in an existing folder, created with these settings where there is none.

        The file is connected to before it is looked into: a first commit that was killed
        left a journal, and only SQLite, by rolling it back, finds that nothing was there.
        """
        catalog = cls(Database.connect(folder / NAME))
        try:
            if catalog._is_empty():
                catalog._create(settings)
            catalog._check_format()
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

    def _create(self, settings: dict[str, str]) -> None:
        rows = {**settings, "format": str(FORMAT), "commits": "0"}
        with self.transaction():
            self._database.define(SCHEMA)
            self._database.write("INSERT INTO settings VALUES (?, ?)", rows.items())

    def _check_format(self) -> None:
        found = self.setting("format")
        if found != str(FORMAT):
            raise DamagedIndexError(
                f"{self.path} has index format {found}, this version reads {FORMAT}; "
                "build the index again"
            )
        with self.snapshot():
            self.check_seal()

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside is one commit, sealed; see `Database.transaction`."""
        with self._database.transaction():
            before = self._database.changes
            yield
            if self._database.changes != before:
                self._database.write("INSERT OR REPLACE INTO seal VALUES (1, ?)", [(self._seal(),)])

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

    def add_segment(
        self,
        segment: int,
        files: Iterable[SegmentFile],
        documents: Sequence[Document],
        *,
        superseded: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Name a written segment and its documents, in the order of its vectors.

        A document takes the place of an earlier one of the same id, whose vectors stay in
        their segment and are never scored again. superseded: (doc_id, content hash) of
        every version that one of these documents replaces.
        """
        self._database.write(
            "INSERT INTO segments VALUES (?, ?, ?, ?)",
            [(segment, file.name, file.size_bytes, file.checksum) for file in files],
        )
        rows = (document_row(document, segment, i) for i, document in enumerate(documents))
        places = ", ".join("?" * (len(COLUMNS) + 1))
        self._database.write(
            f"INSERT OR REPLACE INTO documents ({_ROW}, row_hash) VALUES ({places})",  # noqa: S608
            ((*row, row_hash(row)) for row in rows),
        )
        self._database.write("INSERT OR IGNORE INTO superseded VALUES (?, ?)", list(superseded))

    def count_commit(self) -> None:
        """Raise the version that readers compare, once a transaction."""
        self._database.write(
            "UPDATE settings SET value = CAST(value AS INTEGER) + 1 WHERE name = 'commits'"
        )

    def record_setting(self, name: str, value: str) -> None:
        """Write down a setting that the index is read with, where it has none of that name."""
        self._database.write("INSERT OR IGNORE INTO settings VALUES (?, ?)", [(name, value)])

    def record_routes(self, routes: Iterable[StoredRoute]) -> None:
        """Write down through which adapters documents of these languages go."""
        known = self.routes()
        self._database.write(
            "INSERT OR REPLACE INTO routes VALUES (?, ?, ?, ?)",
            [
                (route.lang, route.adapter, route.how, route.reason)
                for route in routes
                if known.get(route.lang) != route
            ],
        )

    def routes(self) -> dict[str, StoredRoute]:
        """The recorded routes by language; empty for an encoder without adapters."""
        rows = self._database.rows("SELECT lang, adapter, how, reason FROM routes ORDER BY lang")
        return {row[0]: StoredRoute(*row) for row in rows}

    def segments(self) -> dict[int, list[SegmentFile]]:
        """Every committed segment's files, in the order of the commits."""
        found: dict[int, list[SegmentFile]] = {}
        for segment, *file in self._database.rows(
            "SELECT segment, file, size_bytes, checksum FROM segments ORDER BY segment, file"
        ):
            found.setdefault(segment, []).append(SegmentFile(*file))
        return found

    def stored(self, doc_id: str) -> tuple[int, str] | None:
        """The stored document's row number and content hash, None when the id is new."""
        for row in self._database.rows(
            "SELECT document, hash FROM documents WHERE doc_id = ?", (doc_id,)
        ):
            return row[0], row[1]
        return None

    def was_superseded(self, doc_id: str, content: str) -> bool:
        """Whether a document of that id and content hash was here and was replaced."""
        query = "SELECT 1 FROM superseded WHERE doc_id = ? AND hash = ?"
        return bool(self._database.rows(query, (doc_id, content)))

    def last_document(self) -> int:
        """The highest row number in use, 0 for an empty index."""
        ((highest,),) = self._database.rows("SELECT MAX(document) FROM documents")
        return int(highest or 0)

    def version(self) -> int:
        """How many commits the index has seen."""
        with damage(self.path):
            return int(self.setting("commits"))

    def positions(self, langs: Sequence[str] | None = None) -> Iterator[tuple[int, int]]:
        """(segment, position) of every document, or of those in one of these languages."""
        where = "" if langs is None else f"WHERE lang IN ({','.join('?' * len(langs))})"
        query = f"SELECT segment, position FROM documents {where}"  # noqa: S608
        return self._database.each(query, tuple(langs or ()))

    def alive(self) -> dict[int, int]:
        """How many documents of each segment have not been replaced."""
        return dict(self._database.rows("SELECT segment, COUNT(*) FROM documents GROUP BY segment"))

    def doc_ids(self, places: Iterable[tuple[int, int]]) -> list[str]:
        """The document ids at these (segment, position) places, in that order.

        Raises DamagedIndexError where a place has none.
        """
        query = "SELECT doc_id FROM documents WHERE segment = ? AND position = ?"
        with damage(self.path):
            return [
                str(row[0]) for place in places for (row,) in [self._database.rows(query, place)]
            ]

    def documents(self, doc_ids: Iterable[str]) -> list[Document]:
        """The documents of these ids, in that order; ids that are not there are left out.

        Raises DamagedIndexError for a document that is not as it was written.
        """
        query = f"SELECT {_ROW}, row_hash FROM documents WHERE doc_id = ?"  # noqa: S608
        found = []
        for doc_id in doc_ids:
            for *row, written in self._database.rows(query, (doc_id,)):
                if not _is_sound(row, written):
                    raise DamagedIndexError(
                        f"{self.path}: document {doc_id!r} has changed since it was written; "
                        "restore the index from a copy or build it again"
                    )
                found.append(stored_document(row))
        return found

    def damaged_documents(self) -> Iterator[str]:
        """Ids of stored documents that no longer have the hash written with them."""
        query = (
            f"SELECT document, {_ROW}, row_hash FROM documents WHERE document > ? "  # noqa: S608
            "ORDER BY document LIMIT ?"
        )
        last = 0
        while page := self._database.rows(query, (last, PAGE_DOCUMENTS)):
            for _, *row, written in page:
                if not _is_sound(row, written):
                    yield str(row[0])
            following = page[-1][0]
            if following <= last:  # only a damaged file goes round in circles
                return
            last = following

    def damaged_pages(self) -> list[str]:
        """What SQLite's own integrity check says; empty for a sound file."""
        found = [str(row[0]) for row in self._database.rows("PRAGMA integrity_check(5)")]
        return [] if found == ["ok"] else found

    def info(self) -> IndexInfo:
        """What the index says of itself, read in one snapshot."""
        by_lang = "SELECT lang, COUNT(*) FROM documents GROUP BY lang ORDER BY COUNT(*) DESC, lang"
        count = "SELECT COUNT(DISTINCT segment), TOTAL(size_bytes) FROM segments"
        with self.snapshot():
            languages = dict(self._database.rows(by_lang))
            ((segments, size_bytes),) = self._database.rows(count)
            return IndexInfo(
                documents=sum(languages.values()),
                languages=languages,
                segments=segments,
                vectors_bytes=int(size_bytes),
                version=self.version(),
                settings=self.settings(),
                routes=self.routes(),
            )

    def _seal(self) -> str:
        """xxh3-128 of everything in the catalog that is not a document."""
        with damage(self.path):
            content = json.dumps([self._database.rows(query) for query in SEALED])
        return xxhash.xxh3_128_hexdigest(content.encode())


def _is_sound(row: Sequence[Any], written: object) -> bool:
    try:
        return row_hash(row) == written
    except (TypeError, ValueError):  # bytes where text was, a lone surrogate
        return False
