"""A search of one commit: what is asked, and what each query finds, before it has names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xret.index.search.filters import Condition, Filter, Logic
from xret.index.search.lexical_ranking import HYBRID_DEPTH, Words, best_by_terms
from xret.index.search.ranking import Best, Masks, best_documents
from xret.index.storage.segment import Segment
from xret.index.words.bm25 import Bm25
from xret.types import Embeddings, SearchParams

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec
    from xret.index.search.dense.dense_candidates import DenseCandidates
    from xret.index.search.device.gpu import DeviceScan

__all__ = ["Asked", "Commit", "Ranked", "rank_commit"]


@dataclass(frozen=True, slots=True)
class Commit:
    """The segments of one commit, and which of their documents have not been deleted."""

    version: int
    segments: tuple[Segment, ...]
    alive: Masks
    codecs: Mapping[int, ResidualCodec]


@dataclass(frozen=True, slots=True)
class Asked:
    """A search: queries None where words alone decide; depth: documents of each ranking."""

    queries: Embeddings | None
    words: Words | None
    params: SearchParams
    filter: Filter | None
    depth: int

    @classmethod
    def of(
        cls,
        queries: Embeddings | None,
        words: Words | None,
        params: SearchParams | None,
        wanted: Filter | None,
        depth: int,
    ) -> Asked:
        joined = words is not None and words.join is not None
        depth = max(depth, HYBRID_DEPTH) if joined else depth
        return cls(queries, words, params or SearchParams(), wanted, depth)

    def filters(self) -> list[Filter | None]:
        """That of the documents that may be found, then of those in each query's languages."""
        langs = self.words.langs if self.words is not None and self.words.join else ()
        own = [Condition("lang", "in", of_query) for of_query in langs]
        if self.filter is None:
            return [None, *own]
        return [self.filter, *(Logic("AND", (self.filter, one)) for one in own)]


@dataclass(frozen=True, slots=True)
class Ranked:
    """What one query found. within: which documents `words.join` speaks for."""

    dense: Best | None
    lexical: Best | None
    within: Masks = ()


def rank_commit(
    commit: Commit,
    asked: Asked,
    masks: Sequence[Masks],
    *,
    bm25: Bm25 | None,
    candidates: DenseCandidates | None = None,
    scan: DeviceScan | None = None,
) -> list[Ranked]:
    """One a query. masks: of `asked.filters()`; bm25: of that commit, where there are words;
    candidates and scan: of that commit, where there are any, see `best_documents`."""
    dense: list[Best] = []
    if asked.queries is not None:
        dense = best_documents(
            asked.queries,
            commit.segments,
            masks[0],
            asked.depth,
            codecs=commit.codecs,
            params=asked.params,
            dense=candidates,
            scan=scan,
        )
    if asked.words is None or bm25 is None:
        return [Ranked(one, None) for one in dense]
    found = []
    for position, terms in enumerate(asked.words.terms):
        within = masks[1 + position] if asked.words.join else masks[0]
        lexical = best_by_terms(bm25, commit.segments, terms, within, asked.depth)
        found.append(Ranked(dense[position] if dense else None, lexical, within))
    return found
