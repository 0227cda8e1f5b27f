"""Which documents a search may find, read beside the other searches of an index."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from xret.deadline import Deadline
from xret.index.search.commit import Asked, Commit, filters
from xret.index.search.filters import Filter, compile_filter
from xret.index.search.folding import folded
from xret.index.search.masks import FilterMasks
from xret.index.search.ranking import Masks
from xret.index.storage.catalog import Catalog
from xret.index.storage.documents import DocumentTable
from xret.types import Document

__all__ = ["AllowedDocuments"]

T = TypeVar("T")

KEPT_FIELDS = 64
"""Filters whose documents' fields are kept."""


class AllowedDocuments:
    """Filters over an open index; shared by threads.

    Rows are read by a connection of its own, so that a filter over many documents holds up
    other filters and nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._masks = FilterMasks()
        self._turn = threading.RLock()
        self._catalog: Catalog | None = None
        self._fields: dict[str, tuple[object, Mapping[str, int]]] = {}

    def close(self) -> None:
        with self._turn:
            if self._catalog is not None:
                self._catalog.close()

    def of(self, commit: Commit, asked: Asked) -> list[Masks] | None:
        """The documents that may be found, then those in each query's own languages.

        None where the catalog is of another commit by now. Raises DeadlineError.
        """
        wanted = _wanted(asked)
        if wanted == [None]:
            return [commit.alive]
        with asked.deadline.holding(self._turn):
            kept = [masks for one in wanted if (masks := self._masks.kept(commit, one)) is not None]
            if len(kept) == len(wanted):
                return kept
            catalog = self._open()
            with catalog.until(asked.deadline):
                if catalog.identity() != commit.identity:
                    return None
                documents = catalog.documents
                return [self._masks.of(commit, one, documents) for one in wanted]

    def page(self, n: int, after: str, wanted: Filter | None, deadline: Deadline) -> list[Document]:
        """The n documents whose ids follow `after` in the order of ids, of those in a filter."""
        return self._read(lambda table, *of: table.page(n, after, *of), wanted, deadline)

    def languages(self, wanted: Filter | None, deadline: Deadline) -> dict[str, int]:
        """How many documents of a filter each language has, most first."""
        return self._read(lambda table, *of: table.languages(*of), wanted, deadline)

    def ids(self, wanted: Filter | None, deadline: Deadline) -> set[str]:
        """The ids of the documents of a filter."""
        return self._read(lambda table, *of: table.ids(*of), wanted, deadline)

    def fields(self, wanted: Filter | None, deadline: Deadline) -> Mapping[str, int]:
        """How many documents of a filter have each metadata field, most first.

        Kept until the next commit: all documents are read for it.
        """
        with deadline.holding(self._turn):
            key = repr(wanted), self._open().identity()
            if self._fields.get(key[0], (None, {}))[0] != key[1]:
                if len(self._fields) >= KEPT_FIELDS:
                    self._fields.clear()
                names = self._read(lambda table, *of: table.metadata_fields(*of), wanted, deadline)
                self._fields[key[0]] = key[1], names
            return self._fields[key[0]][1]

    def _read(
        self,
        read: Callable[[DocumentTable, str, Sequence[object]], T],
        wanted: Filter | None,
        deadline: Deadline,
    ) -> T:
        """Read the documents of a filter, given as a condition in SQL and its values."""
        where: tuple[str, Sequence[object]] = ("1", ())
        if wanted is not None:
            where = compile_filter(folded(wanted))
        with deadline.holding(self._turn):
            catalog = self._open()
            with catalog.until(deadline), catalog.snapshot():
                return read(catalog.documents, *where)

    def held(self, commit: Commit, asked: Asked, documents: DocumentTable) -> list[Masks]:
        """The same from documents that the caller has in a snapshot of that commit."""
        with asked.deadline.holding(self._turn):
            return [self._masks.of(commit, one, documents) for one in _wanted(asked)]

    def _open(self) -> Catalog:
        if self._catalog is None:
            self._catalog = Catalog.open(self._folder)
        return self._catalog


def _wanted(asked: Asked) -> list[Filter | None]:
    if asked.words is None:
        return [asked.filter]
    return filters(asked.filter, asked.words.langs if asked.words.join else ())
