"""The documents in a catalog: rows found by id or by place, checked when they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from xret.errors import DamagedIndexError, DuplicateIdError
from xret.index.storage.database import Database, damage
from xret.index.storage.packed_text import packed_text, unpacked_text
from xret.index.storage.stored import document_row, moved_hash, place, row_hash, stored_document
from xret.types import Document

__all__ = ["MAX_FIELDS", "DocumentTable"]

PAGE_DOCUMENTS = 512
"""Documents that a check of all of them reads at once; between pages a writer may commit."""

MAX_FIELDS = 10_000
"""Metadata fields that are told of one by one."""

ROWS = 1 << 16
"""Places of documents whose fields are read at once."""

_METADATA = """
SELECT document, one.key, one.type, CASE one.type WHEN 'array' THEN one.value ELSE one.atom END
FROM documents, json_each(CASE WHEN json_valid(meta) THEN meta ELSE '{}' END) AS one
"""
_ROW = "title, text, url, doc_id, lang, lang_source, lang_confidence, date, moment, meta, hash"
_JOINED = "documents LEFT JOIN texts USING (document)"


class DocumentTable:
    """The tables `documents` and `texts`. What writes belongs in a transaction."""

    def __init__(self, database: Database) -> None:
        self.path = database.path
        self._database = database

    def add(self, segment: int, documents: Iterable[tuple[int, Document]]) -> None:
        """Add documents by their position in a segment."""
        rows = [(place(segment, position), document_row(one)) for position, one in documents]
        self._database.write(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((number, *row[3:], row_hash(number, row)) for number, row in rows),
        )
        self._database.write(
            "INSERT INTO texts VALUES (?, ?, ?, ?)",
            ((number, row[0], self._held(row[1]), row[2]) for number, row in rows),
        )

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove the documents of these row numbers, where they are there."""
        rows = [(number,) for number in numbers]
        self._database.write("DELETE FROM documents WHERE document = ?", rows)
        self._database.write("DELETE FROM texts WHERE document = ?", rows)

    def move(self, moves: Sequence[tuple[int, int]]) -> None:
        """Give documents new row numbers, that no document has: (before, after)."""
        for first in range(0, len(moves), PAGE_DOCUMENTS):
            page = dict(moves[first : first + PAGE_DOCUMENTS])
            marks = ", ".join("?" * len(page))
            query = f"SELECT document, row_hash FROM documents WHERE document IN ({marks})"  # noqa: S608
            rows = self._database.rows(query, [*page])
            self._database.write(
                "UPDATE documents SET document = ?, row_hash = ? WHERE document = ?",
                [(page[n], moved_hash(written, n, page[n]), n) for n, written in rows],
            )
            self._database.write(
                "UPDATE texts SET document = ? WHERE document = ?",
                [(after, before) for before, after in page.items()],
            )

    def take(self, other: DocumentTable, segment: int, to: int) -> int:
        """Copy the documents of a segment of another index into one of this; returns how many.

        Raises DuplicateIdError for an id that is there already.
        """
        shift, count = place(to, 0) - place(segment, 0), 0
        query = f"SELECT document, {_ROW}, row_hash FROM {_JOINED}"  # noqa: S608
        for position, *row, written in other._pages(segment, query):
            number = place(to, position)
            if self.stored(row[3]) is not None:
                raise DuplicateIdError(
                    f"document {row[3]!r} is in two of the indices; delete it from one of them"
                )
            own_hash = moved_hash(written, number - shift, number)
            self._database.write(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(number, *row[3:], own_hash)],
            )
            title, text, url = row[:3]
            with damage(other.path):
                held = self._held(text)
            self._database.write(
                "INSERT INTO texts VALUES (?, ?, ?, ?)", [(number, title, held, url)]
            )
            count += 1
        return count

    @cached_property
    def _packs(self) -> bool:
        """Whether texts may be packed here: not in a catalog of format 2."""
        columns = self._database.rows("PRAGMA table_info(texts)")
        return any(name == "text" and kind == "ANY" for _, name, kind, *_ in columns)

    def _held(self, text: str | bytes) -> str | bytes:
        """A text, packed or not, as this catalog holds it."""
        if not self._packs:
            return unpacked_text(text)
        return packed_text(text) if isinstance(text, str) else text

    def stored(self, doc_id: str) -> tuple[int, bytes] | None:
        """The stored document's row number and content hash, None when the id is new."""
        query = "SELECT document, hash FROM documents WHERE doc_id = ?"
        for number, content in self._database.rows(query, (doc_id,)):
            return int(number), bytes(content)
        return None

    def last(self) -> int:
        """The highest row number in use, 0 for an empty index."""
        ((highest,),) = self._database.rows("SELECT MAX(document) FROM documents")
        return int(highest or 0)

    def numbers(self, where: str = "1", values: Sequence[object] = ()) -> Iterator[int]:
        """Row numbers of the documents that a condition holds for; see `index.search.filters`."""
        query = f"SELECT document FROM {_tables(where)} WHERE {where}"  # noqa: S608
        return (int(number) for (number,) in self._database.each(query, values))

    def doc_ids(self, numbers: Iterable[int]) -> list[str]:
        """The document ids of these row numbers, in that order.

        Raises DamagedIndexError where one is not there.
        """
        wanted = [*numbers]
        found: dict[int, object] = {}
        for first in range(0, len(wanted), PAGE_DOCUMENTS):
            page = wanted[first : first + PAGE_DOCUMENTS]
            marks = ", ".join("?" * len(page))
            query = f"SELECT document, doc_id FROM documents WHERE document IN ({marks})"  # noqa: S608
            found.update(self._database.rows(query, page))
        with damage(self.path):
            if lost := found.keys() ^ {*wanted}:
                raise ValueError(f"no document has the row number {min(lost)}")
            return [str(found[number]) for number in wanted]

    def of(self, doc_ids: Iterable[str]) -> list[Document]:
        """The documents of these ids, in that order; ids that are not there are left out.

        Raises DamagedIndexError for a document that is not as it was written.
        """
        query = f"SELECT document, {_ROW}, row_hash FROM {_JOINED} WHERE doc_id = ?"  # noqa: S608
        found = []
        for doc_id in doc_ids:
            for number, *stored, written in self._database.rows(query, (doc_id,)):
                row = _sound_row(number, stored, written)
                if row is None:
                    raise DamagedIndexError(
                        f"{self.path}: document {doc_id!r} has changed since it was written; "
                        "restore the index from a copy or build it again"
                    )
                found.append(stored_document(row))
        return found

    def languages(self, where: str = "1", values: Sequence[object] = ()) -> dict[str, int]:
        """How many documents each language has, most first, of those a condition holds for."""
        query = (
            f"SELECT lang, COUNT(*) FROM {_tables(where)} WHERE {where} "  # noqa: S608
            "GROUP BY lang ORDER BY COUNT(*) DESC, lang"
        )
        return dict(self._database.rows(query, values))

    def ids(self, where: str, values: Sequence[object]) -> set[str]:
        """Ids of the documents that a condition holds for."""
        query = f"SELECT doc_id FROM {_tables(where)} WHERE {where}"  # noqa: S608
        return {str(doc_id) for (doc_id,) in self._database.each(query, values)}

    def metadata_fields(self, where: str = "1", values: Sequence[object] = ()) -> dict[str, int]:
        """How many documents have each metadata field, most first; at most `MAX_FIELDS` of them."""
        valid = "CASE WHEN json_valid(documents.meta) THEN documents.meta ELSE '{}' END"
        query = (
            f"SELECT field.key, COUNT(*) FROM {_tables(where)}, json_each({valid}) AS field "  # noqa: S608
            f"WHERE field.key IS NOT NULL AND {where} "
            "GROUP BY field.key ORDER BY COUNT(*) DESC, field.key LIMIT ?"
        )
        rows = self._database.rows(query, (*values, MAX_FIELDS))
        return {str(name): int(count) for name, count in rows}

    def page(
        self, n: int, after: str, where: str = "1", values: Sequence[object] = ()
    ) -> list[Document]:
        """The n documents whose ids follow `after`, in the order of ids, for which a condition
        holds; raises as `of` does."""
        query = (
            f"SELECT doc_id FROM {_JOINED} WHERE doc_id > ? AND {where} "  # noqa: S608
            "ORDER BY doc_id LIMIT ?"
        )
        return self.of([doc_id for (doc_id,) in self._database.rows(query, (after, *values, n))])

    def languages_in(self, segment: int) -> Iterator[tuple[int, str, bytes]]:
        """(position, language, content hash) of the documents of a segment."""
        first, last = place(segment, 0), place(segment + 1, 0)
        query = "SELECT document, lang, hash FROM documents WHERE document >= ? AND document < ?"
        with damage(self.path):
            for number, lang, content in self._database.each(query, (first, last)):
                if not isinstance(lang, str) or not isinstance(content, bytes):
                    raise ValueError(f"a language {lang!r} or a hash that is none")
                yield number - first, lang, content

    def dated_languages(self, segment: int) -> Iterator[tuple[int, str, str | None, int | None]]:
        """(position, language, date, when that begins) of the documents of a segment."""
        query = "SELECT document, lang, date, moment FROM documents"
        for number, *row in self._pages(segment, query):
            yield number, *row

    def metadata(
        self, segment: int, names: Sequence[str]
    ) -> Iterator[tuple[int, str, str, str | float | None]]:
        """(position, name, JSON type, value) of a segment's metadata of these names.

        A value is a text or number, and of a list its JSON.
        """
        named = "one.key IN (SELECT value FROM json_each(?))"
        for number, *row in self._pages(segment, _METADATA, named, [json.dumps(list(names))]):
            yield number, *row

    def _pages(
        self, segment: int, query: str, where: str = "1", values: Sequence[object] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of a segment's documents, their row numbers as positions in it."""
        start, end = place(segment, 0), place(segment + 1, 0)
        ranged = f"{query} WHERE document >= ? AND document < ? AND {where}"
        for first in range(start, min(end, self.last() + 1), ROWS):
            for number, *row in self._database.rows(
                ranged, (first, min(first + ROWS, end), *values)
            ):
                yield number - start, *row

    def damaged(self) -> Iterator[str]:
        """Ids of stored documents that no longer have the hash written with them."""
        query = (
            f"SELECT document, {_ROW}, row_hash FROM {_JOINED} "  # noqa: S608
            "WHERE document > ? ORDER BY document LIMIT ?"
        )
        last = 0
        while page := self._database.rows(query, (last, PAGE_DOCUMENTS)):
            for number, *row, written in page:
                if _sound_row(number, row, written) is None:
                    yield str(row[3])
            following = page[-1][0]
            if following <= last:  # only a damaged file goes round in circles
                return
            last = following


def _tables(where: str) -> str:
    """The narrow table alone where a condition needs no other."""
    return _JOINED if "title" in where or "url" in where else "documents"


def _sound_row(number: int, stored: Sequence[Any], written: object) -> list[Any] | None:
    """A row with its text unpacked; None where it is not as it was written."""
    title, text, *others = stored
    try:
        row = [title, unpacked_text(text) if isinstance(text, bytes) else text, *others]
        return row if row_hash(number, row) == written else None
    except (TypeError, ValueError, OverflowError):  # bytes where text was, a lone surrogate
        return None
