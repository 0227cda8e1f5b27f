"""BM25 of one shard by the statistics of all."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import QueryError
from xret.index.words.bm25 import Bm25, QueryTerms

__all__ = ["SharedBm25", "having_by_term"]


class SharedBm25(Bm25):
    """A shard's words, weighed by how frequent they are in the whole index.

    Made with the whole's totals; `asked` gives what scores certain queries.
    """

    _frequencies: dict[str, float]

    def asked(self, having: dict[str, float]) -> SharedBm25:
        """The same for queries whose terms are in so many documents of the whole index."""
        own = copy.copy(self)
        own._frequencies = having
        return own

    def _having(self, terms: Sequence[str], *_: object) -> npt.NDArray[Any]:
        return np.array([self._frequencies[term] for term in terms], np.float64)


def having_by_term(
    terms: Sequence[QueryTerms], having: Sequence[npt.NDArray[np.float64]]
) -> dict[str, float]:
    """In how many documents each term of some queries is."""
    found: dict[str, float] = {}
    for of_query, counts in zip(terms, having, strict=True):
        names = list(dict.fromkeys(of_query))
        if len(names) != len(counts):
            raise QueryError(f"{len(names)} terms came with {len(counts)} frequencies")
        found.update(zip(names, counts.tolist(), strict=True))
    return found
