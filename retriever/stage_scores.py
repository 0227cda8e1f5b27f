"""What each stage of a search made of a document: vectors, words, both together, the reranker."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from xret.deadline import Deadline
from xret.index.search.filters import Filter
from xret.index.search.lexical_ranking import Words
from xret.index.search.reader import IndexReader
from xret.retriever.answer import SearchHit, StageScore
from xret.retriever.rerankers.stage import FIRST, RerankStage
from xret.types import Calibrate, Embeddings, Hit, Query, SearchRequest

__all__ = ["DENSE", "FINAL", "LEXICAL", "STAGE_DEPTH", "StagedQuestion", "with_stages"]

DENSE, LEXICAL, FINAL = "dense", "lexical", "final"
"""Names of stages beside `first`, the list before a reranker, and `rerank`."""

STAGE_DEPTH = 1_000
"""How deep a document's rank is looked for."""


@dataclass(frozen=True, slots=True)
class StagedQuestion:
    """A question as an index is asked it. embeddings, words: None where not searched by them.
    filter: of the documents among which they are ranked."""

    query: Query
    embeddings: Embeddings | None
    words: Words | None
    calibrate: Calibrate
    filter: Filter | None = None

    def fused(
        self, reader: IndexReader, doc_ids: Collection[str], deadline: Deadline
    ) -> dict[str, dict[str, StageScore]]:
        """By document what vectors alone and words alone make of it, of those among the first
        STAGE_DEPTH; empty where only one of the two is searched."""
        if self.embeddings is None or self.words is None:
            return {}
        parts = (
            (DENSE, replace(self, words=None)),
            (LEXICAL, replace(self, embeddings=None)),
        )
        found: dict[str, dict[str, StageScore]] = {doc_id: {} for doc_id in doc_ids}
        for name, part in parts:
            hits = part._answer(reader, deadline)[0]
            for rank, hit in enumerate(hits, 1):
                if hit.doc_id in found:
                    found[hit.doc_id][name] = _stage_score(hit, rank)
        return found

    def stages(
        self, reader: IndexReader, doc_id: str, stage: RerankStage | None, deadline: Deadline
    ) -> tuple[dict[str, StageScore], list[str]]:
        """What every stage makes of one document, in their order, and what there is to say of it.

        A stage that does not have it is left out: it is not among the first STAGE_DEPTH, or
        stands too low for the reranker to read it.
        """
        hits, found = self._answer(reader, deadline)
        places = {hit.doc_id: place for place, hit in enumerate(hits, 1)}
        made = dict(self.fused(reader, [doc_id], deadline).get(doc_id, {}))
        if doc_id not in places:
            return made, [f"{doc_id} is not among the first {STAGE_DEPTH:,} of this search"]
        made[FIRST] = _stage_score(hits[places[doc_id] - 1], places[doc_id])
        if stage is None:
            return made, []
        read = reader.documents([hit.doc_id for hit in hits[: stage.depth]], deadline=deadline)
        reranked = stage.rerank(
            self.query,
            hits,
            found,
            {document.doc_id: document for document in read},
            until=deadline.until,
        )
        made |= reranked.stages.get(doc_id, {})
        final = next(n for n, hit in enumerate(reranked.hits, 1) if hit.doc_id == doc_id)
        made[FINAL] = _stage_score(reranked.hits[final - 1], final)
        told = list(reranked.warnings)
        if places[doc_id] > stage.depth:
            name = stage.reranker.name
            told.append(f"{doc_id} is below the first {stage.depth}, which are all {name} reads")
        return made, told

    def _answer(
        self, reader: IndexReader, deadline: Deadline
    ) -> tuple[list[Hit], Sequence[tuple[int, int] | None]]:
        """The ranking, and where each hit's best passage is."""
        request = SearchRequest("", k=STAGE_DEPTH, calibrate=self.calibrate)
        found = reader.answer(
            request,
            self.embeddings,
            filter=self.filter,
            words=self.words,
            fetch=False,
            query_langs=[self.query.lang],
            deadline=deadline,
        )
        return found.rankings[0], found.spans[0]


def with_stages(
    hits: Sequence[SearchHit], stages: Mapping[str, Mapping[str, StageScore]]
) -> list[SearchHit]:
    """Hits with more stages before those that they have."""
    return [replace(hit, stages={**stages.get(hit.id, {}), **hit.stages}) for hit in hits]


def _stage_score(hit: Hit, rank: int) -> StageScore:
    return StageScore(round(hit.score, 6), rank)
