"""Queries made ready to be ranked: encoded once, for the rankings of many sets of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xret.index.search.lexical_ranking import Words
from xret.types import Embeddings, Mode, Query

__all__ = ["EncodedQueries"]


@dataclass(frozen=True, slots=True)
class EncodedQueries:
    """Queries with what an index is asked for them.

    mode: that of the rankings. embeddings: None where it is "lexical"; words: None where it is
    "dense".
    """

    queries: tuple[Query, ...]
    mode: Mode
    embeddings: Embeddings | None
    words: Words | None

    def __len__(self) -> int:
        return len(self.queries)

    def chosen(self, positions: Sequence[int]) -> EncodedQueries:
        """Those at these rising positions alone."""
        if len(positions) == len(self.queries):
            return self
        queries = tuple(self.queries[position] for position in positions)
        return EncodedQueries(queries, self.mode, self._vectors(positions), self._words(positions))

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
