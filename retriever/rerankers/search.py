"""A search with a reranker: more is found than is shown, and the page is cut afterwards."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from xret.deadline import Deadline
from xret.index.search.commit import Found
from xret.index.search.reader import IndexReader
from xret.retriever.rerankers.stage import Reranked, RerankStage
from xret.types import Hit, Query, SearchRequest

__all__ = ["ANSWER_S", "rerank_page", "rerank_rankings", "widened_request"]


ANSWER_S = 0.02
"""Seconds for putting the answer together."""


def widened_request(request: SearchRequest, stage: RerankStage) -> SearchRequest:
    """What the index is asked: all that is read, and all that is shown."""
    return dataclasses.replace(request, k=max(request.k + request.offset, stage.depth), offset=0)


def rerank_page(
    found: Found,
    query: Query,
    request: SearchRequest,
    stage: RerankStage,
    *,
    began: float,
    deadline: Deadline,
) -> tuple[Found, Reranked]:
    """The page that was asked for, of the only ranking found for `widened_request`; all of it
    where the request counts.

    began: when the search did, by `time.perf_counter`. deadline: when the search has to be over:
    the reranker stops a little before, since the answer is still to be made.
    """
    until = deadline.until - ANSWER_S
    if request.deadline_ms is not None:
        passed = time.perf_counter() - began
        until = min(until, time.monotonic() + request.deadline_ms / 1000 - passed)
    reranked = stage.rerank(query, found.rankings[0], found.spans[0], found.documents, until=until)
    page = slice(request.offset, request.offset + request.k)
    if request.counted:
        page = slice(None)
    raw = dict(zip([hit.doc_id for hit in found.rankings[0]], found.raw[0], strict=True))
    hits = reranked.hits[page]
    cut = dataclasses.replace(
        found,
        rankings=[hits],
        spans=[reranked.spans[page]],
        raw=[[raw[hit.doc_id] for hit in hits]],
    )
    return cut, reranked


def rerank_rankings(
    found: Found, queries: Sequence[Query], k: int, stage: RerankStage, *, reader: IndexReader
) -> list[list[Hit]]:
    """The k best of each query; documents are read query by query, so that few are in memory."""
    rankings = []
    for query, hits, spans in zip(queries, found.rankings, found.spans, strict=True):
        asked = [hit.doc_id for hit in hits[: stage.depth]]
        documents = {document.doc_id: document for document in reader.documents(asked)}
        rankings.append(stage.rerank(query, hits, spans, documents).hits[:k])
    return rankings
