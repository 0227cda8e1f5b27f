"""Queries made ready to be ranked: encoded once, for the rankings of many sets of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xret.index.search.lexical_ranking import Words
from xret.index.search.seen_queries import KeptTables
from xret.types import Embeddings, Mode, Query

__all__ = ["EncodedQueries"]


@dataclass(frozen=True, slots=True)
class EncodedQueries:
    """Queries with what an index is asked for them.

    mode: that of the rankings. embeddings: None where it is "lexical"; words: None where it is
    "dense". kept: what an index makes of the vectors, for rankings of one set of documents after
    another.
    """

    queries: tuple[Query, ...]
    mode: Mode
    embeddings: Embeddings | None
    words: Words | None
    kept: KeptTables | None = None

    def __len__(self) -> int:
        return len(self.queries)

    def chosen(self, positions: Sequence[int]) -> EncodedQueries:
        """Those at these rising positions alone."""
        if len(positions) == len(self.queries):
            return self
        queries = tuple(self.queries[position] for position in positions)
        vectors, words = self._vectors(positions), self._words(positions)
        return EncodedQueries(queries, self.mode, vectors, words, self.kept)

    def _vectors(self, positions: Sequence[int]) -> Embeddings | None:
        if self.embeddings is None:
            return None
        keep = np.zeros(len(self.queries), np.bool_)
        keep[list(positions)] = True
        return self.embeddings.kept(keep)

    def _words(self, positions: Sequence[int]) -> Words | None:
        if self.words is None:
            return None
        return replace(
            self.words,
            terms=[self.words.terms[position] for position in positions],
            langs=[self.words.langs[position] for position in positions]
            if self.words.langs
            else (),
        )
