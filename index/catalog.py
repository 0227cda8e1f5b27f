"""The catalog: the one file of an index that changes. One transaction is one commit.

SQLite with a rollback journal and full synchronisation: after a crash at any point the
last commit is whole, and the folder needs no other file to be read. Texts, languages and
metadata live here; vectors live in the segments that it names.
"""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from xret.errors import DamagedIndexError, IndexLockedError, IndexNotFoundError
from xret.index.segment import SegmentFile
from xret.types import Document

__all__ = ["Catalog", "IndexInfo", "StoredRoute", "content_hash"]

FORMAT = 1
NAME = "catalog.sqlite"

SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (
    segment INTEGER NOT NULL, file TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    checksum TEXT NOT NULL, PRIMARY KEY (segment, file)) WITHOUT ROWID;
CREATE TABLE documents (
    document INTEGER PRIMARY KEY, doc_id TEXT NOT NULL UNIQUE,
    segment INTEGER NOT NULL, position INTEGER NOT NULL,
    lang TEXT NOT NULL, lang_source TEXT NOT NULL, lang_confidence REAL NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, url TEXT, date TEXT, meta TEXT NOT NULL,
    hash TEXT NOT NULL, UNIQUE (segment, position));
CREATE INDEX documents_lang ON documents (lang);
CREATE TABLE routes (
    lang TEXT PRIMARY KEY, adapter TEXT NOT NULL, how TEXT NOT NULL, reason TEXT NOT NULL)
    WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class StoredRoute:
    """Which language adapter the documents of a language went through, how chosen, and why."""

    lang: str
    adapter: str
    how: str
    reason: str


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index says of itself; `settings` as they were when it was created.

    routes: by language, where the encoder has language adapters.
    """

    documents: int
    languages: dict[str, int]
    segments: int
    vectors_bytes: int
    version: int
    settings: dict[str, str]
    routes: dict[str, StoredRoute]


class Catalog:
    """An open catalog. `create` and `open` make one; `transaction` is the only way to write."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def create(cls, folder: Path, settings: dict[str, str]) -> Catalog:
        """A new catalog in an existing folder, with its settings committed."""
        catalog = cls(folder / NAME, _connect(folder / NAME))
        with catalog.transaction():
            for statement in SCHEMA.split(";"):
                catalog._connection.execute(statement)
            rows = {**settings, "format": str(FORMAT), "commits": "0"}
            catalog._connection.executemany("INSERT INTO settings VALUES (?, ?)", rows.items())
        return catalog

    @classmethod
    def open(cls, folder: Path) -> Catalog:
        """The catalog in a folder.

        Raises IndexNotFoundError where there is none, DamagedIndexError where the file is
        no catalog, or one of a format that this version does not read.
        """
        path = folder / NAME
        if not path.is_file():
            raise IndexNotFoundError(f"{folder} holds no index (no {NAME} in it)")
        with _damage(path):
            catalog = cls(path, _connect(path))
        found = catalog.setting("format")
        if found != str(FORMAT):
            raise DamagedIndexError(
                f"{path} has index format {found}, this version reads {FORMAT}; "
                "build the index again"
            )
        return catalog

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is one commit: all of it durable, or none of it there.

        Raises OSError when the disk refuses; the last commit stays.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                reason = f"cannot commit ({error}); what was committed before stays"
                raise OSError(errno.EIO, reason, str(self.path)) from error
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside belongs to one commit."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def settings(self) -> dict[str, str]:
        return dict(self._rows("SELECT name, value FROM settings"))

    def setting(self, name: str) -> str:
        """One setting. Raises DamagedIndexError where it is missing."""
        for (value,) in self._rows("SELECT value FROM settings WHERE name = ?", (name,)):
            return str(value)
        raise DamagedIndexError(f"{self.path} has lost its setting {name!r}")

    def add_segment(
        self, segment: int, files: Iterable[SegmentFile], documents: Sequence[Document]
    ) -> None:
        """Name a written segment and its documents, in the order of its vectors.

        A document takes the place of an earlier one of the same id, whose vectors stay in
        their segment and are never scored again.
        """
        self._connection.executemany(
            "INSERT INTO segments VALUES (?, ?, ?, ?)",
            [(segment, file.name, file.size_bytes, file.checksum) for file in files],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO documents (doc_id, segment, position, lang,"
            " lang_source, lang_confidence, title, text, url, date, meta, hash)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            [_row(document, segment, position) for position, document in enumerate(documents)],
        )

    def count_commit(self) -> None:
        """Raise the version that readers compare, once a transaction."""
        self._connection.execute(
            "UPDATE settings SET value = CAST(value AS INTEGER) + 1 WHERE name = 'commits'"
        )

    def record_setting(self, name: str, value: str) -> None:
        """Write down a setting that the index is read with, where it has none of that name."""
        self._connection.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, value))

    def record_routes(self, routes: Iterable[StoredRoute]) -> None:
        """Write down through which adapters documents of these languages go."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO routes VALUES (?, ?, ?, ?)",
            [(route.lang, route.adapter, route.how, route.reason) for route in routes],
        )

    def routes(self) -> dict[str, StoredRoute]:
        """The recorded routes by language; empty for an encoder without adapters."""
        rows = self._rows("SELECT lang, adapter, how, reason FROM routes ORDER BY lang")
        return {row[0]: StoredRoute(*row) for row in rows}

    def segments(self) -> dict[int, list[SegmentFile]]:
        """Every committed segment's files, in the order of the commits."""
        found: dict[int, list[SegmentFile]] = {}
        for segment, *file in self._rows(
            "SELECT segment, file, size_bytes, checksum FROM segments ORDER BY segment, file"
        ):
            found.setdefault(segment, []).append(SegmentFile(*file))
        return found

    def stored(self, doc_id: str) -> tuple[int, str] | None:
        """The stored document's row number and content hash, None when the id is new."""
        for row in self._rows("SELECT document, hash FROM documents WHERE doc_id = ?", (doc_id,)):
            return row[0], row[1]
        return None

    def last_document(self) -> int:
        """The highest row number in use, 0 for an empty index."""
        (highest,) = next(self._rows("SELECT MAX(document) FROM documents"))
        return int(highest or 0)

    def version(self) -> int:
        """How many commits the index has seen."""
        with _damage(self.path):
            return int(self.setting("commits"))

    def positions(self, langs: Sequence[str] | None = None) -> Iterator[tuple[int, int]]:
        """(segment, position) of every document, or of those in one of these languages."""
        where = "" if langs is None else f"WHERE lang IN ({','.join('?' * len(langs))})"
        query = f"SELECT segment, position FROM documents {where}"  # noqa: S608
        yield from self._rows(query, langs or ())

    def alive(self) -> dict[int, int]:
        """How many documents of each segment have not been replaced."""
        return dict(self._rows("SELECT segment, COUNT(*) FROM documents GROUP BY segment"))

    def doc_ids(self, places: Iterable[tuple[int, int]]) -> list[str]:
        """The document ids at these (segment, position) places, in that order."""
        query = "SELECT doc_id FROM documents WHERE segment = ? AND position = ?"
        return [str(row[0]) for place in places for row in self._rows(query, place)]

    def documents(self, doc_ids: Iterable[str]) -> list[Document]:
        """The documents of these ids, in that order; ids that are not there are left out."""
        query = f"SELECT {_COLUMNS} FROM documents WHERE doc_id = ?"  # noqa: S608
        with _damage(self.path):
            return [_document(row) for doc in doc_ids for row in self._rows(query, (doc,))]

    def damaged_documents(self) -> Iterator[str]:
        """Ids of stored documents whose content no longer has the hash written with it."""
        query = f"SELECT {_COLUMNS}, hash FROM documents ORDER BY document"  # noqa: S608
        for *row, written in self._rows(query):
            try:
                sound = content_hash(_document(row)) == written
            except (TypeError, ValueError, AttributeError):
                sound = False
            if not sound:
                yield str(row[0])

    def damaged_pages(self) -> list[str]:
        """What SQLite's own integrity check says; empty for a sound file."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check(5)")]
        return [] if found == ["ok"] else found

    def info(self) -> IndexInfo:
        languages = dict(
            self._rows(
                "SELECT lang, COUNT(*) FROM documents GROUP BY lang ORDER BY COUNT(*) DESC, lang"
            )
        )
        count = "SELECT COUNT(DISTINCT segment), TOTAL(size_bytes) FROM segments"
        segments, size_bytes = next(self._rows(count))
        return IndexInfo(
            documents=sum(languages.values()),
            languages=languages,
            segments=segments,
            vectors_bytes=int(size_bytes),
            version=self.version(),
            settings=self.settings(),
            routes=self.routes(),
        )

    def _rows(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query; whatever SQLite trips over on the way is damage."""
        with _damage(self.path):
            yield from self._connection.execute(query, tuple(values))


_COLUMNS = "doc_id, text, lang, title, url, date, meta, lang_source, lang_confidence"


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Errors of a file that is no sound catalog, named. A lock is not damage.

    Python's sqlite3 raises more than its own errors on a torn file: UnicodeDecodeError for
    a message with foreign bytes in it, TypeError and ValueError for values of other types.
    """
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError, TypeError, ValueError) as error:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            raise IndexLockedError(f"{path} is locked by another process; try again") from error
        raise DamagedIndexError(
            f"{path} cannot be read as a catalog ({error}); restore it from a copy or build "
            "the index again"
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
    for pragma in ("journal_mode = DELETE", "synchronous = EXTRA", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def content_hash(document: Document) -> str:
    """xxh3-128 of what the user gave: id, texts, url, date and metadata.

    The language counts only where it was given, so that a better identifier later does
    not make every unchanged document look changed.
    """
    lang = document.lang if document.lang_source == "given" else ""
    fields = [document.doc_id, document.title, document.text, document.url, document.date, lang]
    content = json.dumps(fields) + _meta_json(document)
    return xxhash.xxh3_128_hexdigest(content.encode())


def _meta_json(document: Document) -> str:
    """Metadata as JSON; what JSON has no type for (dates, decimals) is kept as its text."""
    return json.dumps(dict(document.meta), sort_keys=True, default=str)


def _row(document: Document, segment: int, position: int) -> tuple[str | int | float | None, ...]:
    return (
        document.doc_id,
        segment,
        position,
        document.lang,
        document.lang_source,
        document.lang_confidence,
        document.title,
        document.text,
        document.url,
        document.date,
        _meta_json(document),
        content_hash(document),
    )


def _document(row: Sequence[Any]) -> Document:
    doc_id, text, lang, title, url, date, meta, lang_source, lang_confidence = row
    return Document(
        doc_id=doc_id,
        text=text,
        lang=lang,
        title=title,
        url=url,
        date=date,
        meta=json.loads(meta),
        lang_source=lang_source,
        lang_confidence=lang_confidence,
    )
