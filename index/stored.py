"""What a catalog's tables hold: documents with their hashes, and what an index says of itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import xxhash

from xret.types import Document

__all__ = [
    "COLUMNS",
    "SCHEMA",
    "SEALED",
    "IndexInfo",
    "StoredRoute",
    "content_hash",
    "document_row",
    "row_hash",
    "stored_document",
]

SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE segments (
    segment INTEGER NOT NULL, file TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    checksum TEXT NOT NULL, PRIMARY KEY (segment, file)) STRICT, WITHOUT ROWID;
CREATE TABLE documents (
    document INTEGER PRIMARY KEY, doc_id TEXT NOT NULL UNIQUE,
    segment INTEGER NOT NULL, position INTEGER NOT NULL,
    lang TEXT NOT NULL, lang_source TEXT NOT NULL, lang_confidence REAL NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, url TEXT, date TEXT, meta TEXT NOT NULL,
    hash TEXT NOT NULL, row_hash TEXT NOT NULL, UNIQUE (segment, position)) STRICT;
CREATE INDEX documents_lang ON documents (lang);
CREATE TABLE superseded (doc_id TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (doc_id, hash))
    STRICT, WITHOUT ROWID;
CREATE TABLE routes (
    lang TEXT PRIMARY KEY, adapter TEXT NOT NULL, how TEXT NOT NULL, reason TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE seal (one INTEGER PRIMARY KEY CHECK (one = 1), checksum TEXT NOT NULL) STRICT
"""

SEALED = (
    "SELECT name, value FROM settings ORDER BY name",
    "SELECT segment, file, size_bytes, checksum FROM segments ORDER BY segment, file",
    "SELECT lang, adapter, how, reason FROM routes ORDER BY lang",
)
"""What one checksum, the seal, is over: everything but the documents."""

COLUMNS = (
    "doc_id",
    "segment",
    "position",
    "lang",
    "lang_source",
    "lang_confidence",
    "title",
    "text",
    "url",
    "date",
    "meta",
    "hash",
)
"""The columns of a document in the order of its row; `row_hash` is over all of them."""


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


def content_hash(document: Document) -> str:
    """xxh3-128 of what the user gave: id, texts, url, date and metadata.

    The language counts only where it was given, so that a better identifier later does
    not make every unchanged document look changed.
    """
    lang = document.lang if document.lang_source == "given" else ""
    fields = [document.doc_id, document.title, document.text, document.url, document.date, lang]
    content = json.dumps(fields) + _meta_json(document)
    return xxhash.xxh3_128_hexdigest(content.encode())


def row_hash(row: Sequence[Any]) -> str:
    """xxh3-128 of every stored value of a document, its place and its language among them.

    row: values of `COLUMNS`. Tells a row that changed on disk; `content_hash` tells a
    document that its user changed.
    """
    return xxhash.xxh3_128_hexdigest(json.dumps(list(row)).encode())


def document_row(
    document: Document, segment: int, position: int
) -> tuple[str | int | float | None, ...]:
    """The values of `COLUMNS` for a document whose vectors lie at that place."""
    return (
        document.doc_id,
        segment,
        position,
        document.lang,
        document.lang_source,
        float(document.lang_confidence),
        document.title,
        document.text,
        document.url,
        document.date,
        _meta_json(document),
        content_hash(document),
    )


def stored_document(row: Sequence[Any]) -> Document:
    """The document in a row of `COLUMNS`. Raises ValueError for metadata that is no JSON."""
    values = dict(zip(COLUMNS, row, strict=True))
    meta = json.loads(values.pop("meta"))
    for name in ("segment", "position", "hash"):
        del values[name]
    return Document(**values, meta=meta)


def _meta_json(document: Document) -> str:
    """Metadata as JSON; what JSON has no type for (dates, decimals) is kept as its text."""
    return json.dumps(dict(document.meta), sort_keys=True, default=str)
