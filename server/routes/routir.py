"""`/search`, `/score`, `/content`, `/avail` and `/ping`, as RoutIR's clients and relays ask."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from xret.server.indexes.documents import read_document
from xret.server.indexes.service import SearchService
from xret.server.indexes.texts import TextService
from xret.server.routes.explain import MAX_ID_CHARACTERS
from xret.server.routes.json_body import LanguageName
from xret.server.routes.texts_body import ModelName, Texts, json_answer, plain_responses
from xret.types import MAX_QUERY_CHARACTERS, SearchRequest

__all__ = ["ContentBody", "ScoreBody", "ServiceBody", "add_routir"]

MAX_LIMIT = 1_000
ALL = "none"
"""What RoutIR's relays say where no subset is meant."""

Question = Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)]


class ServiceBody(BaseModel):
    """A search. service: an index. subset: documents in this language, or these, only."""

    model_config = ConfigDict(extra="ignore")

    service: ModelName
    query: Question
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10
    subset: LanguageName | Annotated[list[LanguageName], Field(max_length=64)] | None = None

    def langs(self) -> list[str] | None:
        subset = [self.subset] if isinstance(self.subset, str) else self.subset or []
        return [lang for lang in subset if lang != ALL] or None


class ScoreBody(BaseModel):
    """Texts to be scored for a question. service: a model, or an index."""

    model_config = ConfigDict(extra="ignore", strict=True)

    service: ModelName
    query: Question
    passages: Texts


class ContentBody(BaseModel):
    """The text of a document. collection: an index."""

    model_config = ConfigDict(extra="ignore", strict=True)

    collection: ModelName
    id: Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]


def add_routir(router: APIRouter, service: SearchService, texts: TextService) -> None:
    answers: dict[str, Any] = {"responses": plain_responses(), "response_model": dict[str, Any]}

    @router.post("/search", summary="Search an index, as RoutIR's services are asked", **answers)
    async def search_by_routir(asked: ServiceBody) -> Response:
        request = SearchRequest(asked.query, k=asked.limit, doc_langs=asked.langs())
        answer = await service.search(request, index=asked.service)
        return _answered(asked, {hit.id: hit.score for hit in answer.hits})

    @router.post("/score", summary="Scores of texts, as RoutIR's services are asked", **answers)
    async def score_by_routir(asked: ScoreBody) -> Response:
        _, scored, _ = await texts.score(asked.query, asked.passages, model=asked.service)
        return _answered(asked, [float(score) for score in scored.scores])

    @router.post("/content", summary="A document's text, as RoutIR's are asked for", **answers)
    async def content_by_routir(asked: ContentBody) -> Response:
        found = await service.apply(
            partial(read_document, doc_id=asked.id), index=asked.collection, light=True
        )
        content = {"text": found.text, "title": found.title, "language": found.lang}
        return json_answer({**asked.model_dump(), **content, "cached": False})

    @router.get("/avail", summary="What RoutIR's relays may ask of this server", **answers)
    async def avail_to_routir() -> Response:
        encoders = service.encoders()
        indexes, models = list(encoders), list(dict.fromkeys(encoders.values()))
        return json_answer(
            {
                "content": indexes,
                "score": list(dict.fromkeys([*indexes, *models])),
                "search": indexes,
                "fuse": [],
                "decompose_query": [],
            }
        )

    @router.get("/ping", summary="Whether the process answers, for RoutIR's clients", **answers)
    async def ping() -> Response:
        return json_answer({"status": "pong"})


def _answered(asked: ServiceBody | ScoreBody, scores: Any) -> Response:
    return json_answer(
        {
            "query": asked.query,
            "scores": scores,
            "service": asked.service,
            "processed": True,
            "cached": False,
            "timestamp": time.time(),
        }
    )
