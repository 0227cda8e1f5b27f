"""The addresses of version 1 and the health checks; each is parse, one call, answer."""

from __future__ import annotations

import dataclasses
import email.message
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from xret.index.search.filters import MAX_TEXT
from xret.retriever.explaining import ExplainedDocument
from xret.retriever.searcher import SearchAnswer
from xret.server.errors import HttpError, problem_responses
from xret.server.service import IndexSummary, SearchService
from xret.types import MAX_K, MAX_QUERY_CHARACTERS, Calibrate, Mode, SearchRequest

__all__ = ["INDEX_NAME", "ExplainBody", "SearchBody", "create_router"]

INDEX_NAME = r"^[a-z0-9][a-z0-9._-]{0,127}$"
MAX_LIMIT = 100
MAX_DEADLINE_MS = 60_000
MAX_ID_CHARACTERS = 4_096

LanguageName = Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class SearchBody(BaseModel):
    """A search: the question, the languages if known, and which hits to send."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)]
    query_lang: LanguageName | None = None
    index: Annotated[str, Field(pattern=INDEX_NAME)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10
    offset: Annotated[int, Field(ge=0, le=MAX_K - MAX_LIMIT)] = 0
    doc_lang: Annotated[list[LanguageName], Field(min_length=1, max_length=64)] | None = None
    filter: Annotated[str, Field(max_length=MAX_TEXT)] | dict[str, Any] | None = None
    mode: Mode | None = None
    rerank: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    deadline_ms: Annotated[float, Field(gt=0, le=MAX_DEADLINE_MS)] | None = None
    explain: bool = False
    calibrate: Calibrate | None = None

    def request(self) -> SearchRequest:
        return SearchRequest(
            self.query,
            self.query_lang,
            self.limit,
            self.offset,
            doc_langs=self.doc_lang,
            filter=self.filter,
            mode=self.mode,
            rerank=self.rerank,
            deadline_ms=self.deadline_ms,
            explain=self.explain,
            calibrate=self.calibrate,
        )


class SearchLink(SearchBody):
    """The same in an address, where every value is text."""

    model_config = ConfigDict(strict=False)

    filter: Annotated[str, Field(max_length=MAX_TEXT)] | None = None


class ExplainBody(BaseModel):
    """Why a document scores what it does: its id, the question, and how it is asked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]
    query: Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)]
    query_lang: LanguageName | None = None
    index: Annotated[str, Field(pattern=INDEX_NAME)] | None = None
    mode: Mode | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Indexes:
    """The indices served; a search that names none goes to the first."""

    indexes: list[IndexSummary]


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    status: str


class _JsonRequest(Request):
    """Reads JSON strictly: no NaN, no infinite numbers, no lone surrogates, depth 1,024."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class _JsonRoute(APIRoute):
    """Takes a body only as JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if request.method == "POST" and not _is_json(request.headers.get("content-type")):
                raise HttpError(
                    415,
                    "unsupported_media_type",
                    "send the body with Content-Type application/json",
                )
            return await handle(_JsonRequest(request.scope, request.receive))

        return strict


def create_router(service: SearchService) -> APIRouter:
    """Every route, over these indices."""
    router = APIRouter(route_class=_JsonRoute)
    _add_search(router, service)
    _add_health(router, service)
    return router


def _add_search(router: APIRouter, service: SearchService) -> None:
    async def answer(request: Request, asked: SearchBody) -> SearchAnswer:
        found = await service.search(asked.request(), index=asked.index)
        return dataclasses.replace(found, request_id=request.state.request_id)

    @router.post(
        "/v1/search",
        summary="Search an index",
        responses=problem_responses(400, 404, 408, 413, 415, 422, 500, 503),
    )
    async def search(request: Request, asked: SearchBody) -> SearchAnswer:
        return await answer(request, asked)

    @router.get(
        "/v1/search",
        summary="Search an index by link",
        responses=problem_responses(400, 404, 422, 500, 503),
    )
    async def search_by_link(
        request: Request, asked: Annotated[SearchLink, Query()]
    ) -> SearchAnswer:
        return await answer(request, asked)

    @router.post(
        "/v1/explain",
        summary="Which words carry the score of a document",
        responses=problem_responses(400, 404, 408, 413, 415, 422, 500, 503),
    )
    async def explain(asked: ExplainBody) -> ExplainedDocument:
        return await service.explain(
            asked.id, asked.query, lang=asked.query_lang, mode=asked.mode, index=asked.index
        )

    @router.get(
        "/v1/indexes", summary="The indices served", responses=problem_responses(400, 500, 503)
    )
    async def indexes() -> Indexes:
        return Indexes(await service.indexes())


def _add_health(router: APIRouter, service: SearchService) -> None:
    @router.get("/healthz", summary="Whether the process answers")
    @router.get("/livez", summary="Whether the process answers")
    async def live() -> Health:
        return Health("ok")

    @router.get(
        "/readyz", summary="Whether searches can be sent here", responses=problem_responses(503)
    )
    async def ready() -> Health:
        reasons = service.unready()
        if reasons:
            raise HttpError(503, "not_ready", "; ".join(reasons), {"Retry-After": "5"})
        return Health("ready")


def _is_json(content_type: str | None) -> bool:
    message = email.message.Message()
    message["content-type"] = content_type or "text/plain"
    return message.get_content_type() == "application/json"
