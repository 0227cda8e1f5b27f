"""A search of an open index in its stages, for who has a word to say between them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from xret.deadline import Deadline
from xret.index.search.commit import Asked, Commit, Ranked
from xret.index.search.languages import LanguageGroups
from xret.index.search.reader import IndexReader, Prepared
from xret.index.storage.documents import DocumentTable
from xret.index.words.bm25 import Bm25
from xret.types import Embeddings

__all__ = ["SearchStages"]


class SearchStages:
    """What `IndexReader.answer` does, one thing after the other.

    Of a whole reader only: nothing here keeps to a bound.
    """

    def __init__(self, reader: IndexReader) -> None:
        self._reader = reader

    def check(self, queries: Embeddings | None) -> None:
        """Raises QueryError where the index has no vectors, DimensionMismatchError for others."""
        if queries is not None:
            self._reader._check_dim(queries)

    def snapshot(self, deadline: Deadline) -> AbstractContextManager[tuple[Commit, DocumentTable]]:
        """The newest commit and its documents, which stay so inside; no other search reads
        documents meanwhile."""
        return self._reader._snapshot(deadline)

    def prepared(self, asked: Asked) -> Prepared | None:
        """All that scoring reads of the catalog; None where that is of another commit by now."""
        return self._reader._prepared(asked)

    def language_groups(self, commit: Commit, deadline: Deadline) -> LanguageGroups:
        """The documents of the newest commit by language."""
        return self._reader._language_groups(commit, deadline)

    def scored(self, ready: Prepared, asked: Asked) -> list[Ranked]:
        """The best of each query, without their names."""
        return self._reader._scored(ready, asked)

    def bm25(self, commit: Commit) -> Bm25:
        """The words of a commit. Raises as `lexical_ranking.open_lexical`."""
        return self._reader._bm25_of(commit)

    @property
    def word_parts(self) -> int:
        """Into how many parts the frequencies of its words divide a word."""
        return self._reader._word_parts
