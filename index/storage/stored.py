"""What a catalog's tables hold: documents with their hashes, segments, and what an index says.

A document's row number says where its vectors lie: `place` makes it of the segment and the
position in it, so that neither needs a column or an index of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import xxhash

from xret.errors import DamagedIndexError
from xret.types import Document, LangSource

__all__ = [
    "MAX_DOCUMENTS",
    "SCHEMA",
    "SEALED",
    "TEXTS",
    "IndexInfo",
    "SegmentRecord",
    "StoredRoute",
    "codec_folder",
    "content_hash",
    "deleted_mask",
    "document_row",
    "moment",
    "moment_end",
    "moved_hash",
    "place",
    "place_of",
    "row_hash",
    "stored_document",
    "with_deleted",
]

MAX_DOCUMENTS = 1 << 24
"""Positions that a segment's documents can have."""

TEXTS = """CREATE TABLE texts (
    document INTEGER PRIMARY KEY, title TEXT NOT NULL, text ANY NOT NULL, url TEXT) STRICT"""

SCHEMA = f"""
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE codecs (codec INTEGER PRIMARY KEY, vectors INTEGER NOT NULL) STRICT;
CREATE TABLE segments (
    segment INTEGER PRIMARY KEY, codec INTEGER NOT NULL, documents INTEGER NOT NULL,
    passages INTEGER NOT NULL, vectors INTEGER NOT NULL, deleted BLOB NOT NULL) STRICT;
CREATE TABLE files (
    folder TEXT NOT NULL, file TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    checksum BLOB NOT NULL, PRIMARY KEY (folder, file)) STRICT, WITHOUT ROWID;
CREATE TABLE documents (
    document INTEGER PRIMARY KEY, doc_id TEXT NOT NULL UNIQUE, lang TEXT NOT NULL,
    lang_source INTEGER NOT NULL, lang_confidence REAL NOT NULL, date TEXT, moment INTEGER,
    meta TEXT NOT NULL, hash BLOB NOT NULL, row_hash BLOB NOT NULL) STRICT;
{TEXTS};
CREATE TABLE superseded (doc_id TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (doc_id, hash))
    STRICT, WITHOUT ROWID;
CREATE TABLE routes (
    lang TEXT PRIMARY KEY, adapter TEXT NOT NULL, how TEXT NOT NULL, reason TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE seal (one INTEGER PRIMARY KEY CHECK (one = 1), checksum BLOB NOT NULL) STRICT
"""
"""Texts have a table of their own, so that a filter reads narrow rows only.

texts.text: as `packed_text` makes it; TEXT in catalogs of format 2, where none is packed.
segments.deleted: a bit for each position, in numpy's order, empty where all are alive.
documents.moment: when `date` begins, in seconds since 1970; NULL where it is no date.
"""

SEALED = (
    "SELECT name, value FROM settings ORDER BY name",
    "SELECT codec, vectors FROM codecs ORDER BY codec",
    "SELECT segment, codec, documents, passages, vectors, hex(deleted) FROM segments "
    "ORDER BY segment",
    "SELECT folder, file, size_bytes, hex(checksum) FROM files ORDER BY folder, file",
    "SELECT lang, adapter, how, reason FROM routes ORDER BY lang",
)
"""What one checksum, the seal, is over: everything but the documents."""

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,]\d{1,6})?)?"
    r"(Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
"""Year, month, day, time, second and zone."""

_SOURCES: tuple[LangSource, ...] = get_args(LangSource)


@dataclass(frozen=True, slots=True)
class StoredRoute:
    """Which language adapter the documents of a language went through, how chosen, and why."""

    lang: str
    adapter: str
    how: str
    reason: str


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A segment as the catalog names it; counts are of all it holds, deleted ones too.

    codec: number of the codec that its vectors are coded with, 0 for 8 bits.
    """

    segment: int
    codec: int
    documents: int
    passages: int
    vectors: int
    deleted: bytes = b""

    @property
    def folder(self) -> str:
        """Where its files lie in the index; a recoded segment has a new folder."""
        suffix = f"-{self.codec:06d}" if self.codec else ""
        return f"segments/{self.segment:06d}{suffix}"


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index says of itself; `settings` as they were when it was created.

    passages, vectors: of all segments, those of the `deleted` documents too, which stay
    until the index is compacted. codecs: numbers of those in use, 0 for 8 bits. routes: by
    language, where the encoder has language adapters.
    """

    documents: int
    deleted: int
    passages: int
    vectors: int
    languages: dict[str, int]
    segments: int
    vectors_bytes: int
    version: int
    preset: str
    codecs: tuple[int, ...]
    settings: dict[str, str]
    routes: dict[str, StoredRoute]


def place(segment: int, position: int) -> int:
    """The row number of the document at that position of that segment."""
    return segment * MAX_DOCUMENTS + position


def place_of(document: int) -> tuple[int, int]:
    """(segment, position) of a row number."""
    return divmod(document, MAX_DOCUMENTS)


def content_hash(document: Document) -> bytes:
    """xxh3-128 of what the user gave: id, texts, url, date and metadata.

    The language counts only where it was given, so that a better identifier later does
    not make every unchanged document look changed.
    """
    lang = document.lang if document.lang_source == "given" else ""
    fields = [document.doc_id, document.title, document.text, document.url, document.date, lang]
    content = json.dumps(fields) + _meta_json(document)
    return xxhash.xxh3_128_digest(content.encode())


def row_hash(document: int, row: Sequence[Any]) -> bytes:
    """xxh3-64 of every stored value of a document and of its place.

    row: as `document_row` makes it. Tells a row that changed on disk; `content_hash` tells
    a document that its user changed.
    """
    content = json.dumps([*row[:-1], bytes(row[-1]).hex()])
    return moved_hash(xxhash.xxh3_64_digest(content.encode()), 0, document)


def moved_hash(written: bytes, before: int, after: int) -> bytes:
    """The row hash of a document that moves from one row number to another, unread."""
    number = int.from_bytes(written, "big") ^ _place_hash(before) ^ _place_hash(after)
    return number.to_bytes(8, "big")


def document_row(document: Document) -> tuple[Any, ...]:
    """The stored values of a document: those of `texts`, then those of `documents`."""
    return (
        document.title,
        document.text,
        document.url,
        document.doc_id,
        document.lang,
        _SOURCES.index(document.lang_source),
        float(document.lang_confidence),
        document.date,
        moment(document.date),
        _meta_json(document),
        content_hash(document),
    )


def stored_document(row: Sequence[Any]) -> Document:
    """The document of such a row. Raises ValueError for metadata that is no JSON."""
    title, text, url, doc_id, lang, source, confidence, date, _, meta, _ = row
    return Document(
        doc_id, text, lang, title, url, date, json.loads(meta), _SOURCES[source], confidence
    )


def moment(date: str | None) -> int | None:
    """When a date begins, in seconds since 1970 in UTC; None where it is no ISO 8601 date.

    Years and months alone begin with their first day; a time without a zone is UTC.

    >>> moment("1970-01"), moment("1970-01-02"), moment("1970-01-02T01:00+01:00")
    (0, 86400, 86400)
    """
    parsed = None if date is None else _DATE.fullmatch(date)
    if date is None or parsed is None:
        return None
    try:
        read = datetime.fromisoformat(date + {4: "-01-01", 7: "-01"}.get(len(date), ""))
        return _seconds(read if read.tzinfo else read.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def moment_end(date: str) -> int | None:
    """When the year, month, day, minute or second that a date names is over, as `moment`.

    >>> moment_end("1970"), moment_end("1970-01-02"), moment_end("1970-01-01T00:00")
    (31536000, 172800, 60)
    """
    start, parsed = moment(date), _DATE.fullmatch(date)
    if start is None or parsed is None:
        return None
    year, month, day, _, second, _ = parsed.groups()
    if day is not None:
        return start + (1 if second else 60 if parsed[4] else 86_400)
    number = int(year) * 12 + (int(month) if month else 12)
    if number >= 120_000:  # the last month of the year 9999
        return start + (31 if month else 365) * 86_400
    return _seconds(datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC))


def _seconds(date: datetime) -> int:
    return int((date - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() // 1)


def codec_folder(codec: int) -> str:
    """Where a codec's arrays lie in the index."""
    return f"codec/{codec:06d}"


def with_deleted(deleted: bytes, positions: Sequence[int], size: int) -> bytes:
    """A segment's bitmap of deleted documents with these positions added."""
    mask = deleted_mask(deleted, size)
    mask[list(positions)] = True
    return np.packbits(mask).tobytes() if len(positions) or deleted else b""


def deleted_mask(deleted: bytes, size: int) -> npt.NDArray[np.bool_]:
    """(n,) bool of a bitmap. Raises DamagedIndexError where it is of another size."""
    if not deleted:
        return np.zeros(size, np.bool_)
    bits = np.frombuffer(deleted, np.uint8)
    if len(bits) != (size + 7) // 8:
        raise DamagedIndexError(f"a bitmap of {len(bits)} bytes does not fit {size} documents")
    return np.unpackbits(bits, count=size).astype(np.bool_)


def _place_hash(document: int) -> int:
    return xxhash.xxh3_64_intdigest(document.to_bytes(8, "big")) if document else 0


def _meta_json(document: Document) -> str:
    """Metadata as JSON; what JSON has no type for (dates, decimals) is kept as its text."""
    return json.dumps(dict(document.meta), sort_keys=True, default=str)
