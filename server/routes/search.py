"""A search, by body or by link."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request

from xret.index.search.filters import MAX_TEXT
from xret.retriever.searcher import SearchAnswer
from xret.server.errors import problem_responses
from xret.server.indexes.service import SearchService
from xret.server.routes.json_body import FieldName, IndexName, LanguageName, unknown_parameters
from xret.types import (
    MAX_FACETS,
    MAX_K,
    MAX_QUERY_CHARACTERS,
    Calibrate,
    GroupBy,
    Mode,
    SearchRequest,
)

__all__ = ["SearchBody", "SearchLink", "add_search"]

MAX_LIMIT = 100
MAX_DEADLINE_MS = 60_000
MAX_TIMEOUT_MS = 3_600_000


class SearchBody(BaseModel):
    """A search: the question, the languages if known, and which hits to send."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)]
    query_lang: LanguageName | None = None
    index: IndexName | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10
    offset: Annotated[int, Field(ge=0, le=MAX_K - MAX_LIMIT)] = 0
    doc_lang: Annotated[list[LanguageName], Field(min_length=1, max_length=64)] | None = None
    filter: Annotated[str, Field(max_length=MAX_TEXT)] | dict[str, Any] | None = None
    mode: Mode | None = None
    rerank: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    deadline_ms: Annotated[float, Field(gt=0, le=MAX_DEADLINE_MS)] | None = None
    timeout_ms: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_MS)] | None = None
    explain: bool = False
    calibrate: Calibrate | None = None
    facets: Annotated[list[FieldName], Field(max_length=MAX_FACETS)] = []
    group_by: GroupBy | None = None
    fields: Annotated[list[FieldName], Field(max_length=64)] | None = None
    text: bool = False
    highlight: bool = False
    as_written: bool = False

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
            timeout_ms=self.timeout_ms,
            explain=self.explain,
            calibrate=self.calibrate,
            facets=self.facets,
            group_by=self.group_by,
            fields=self.fields,
            full_text=self.text,
            highlight=self.highlight,
            as_written=self.as_written,
        )


class SearchLink(SearchBody):
    """The same in an address, where every value is text, and lists may be written with commas.

    A parameter that is not known is left out: links are shared, and come back with more.
    """

    model_config = ConfigDict(strict=False, extra="ignore")

    filter: Annotated[str, Field(max_length=MAX_TEXT)] | None = None

    @field_validator("facets", "fields", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        if not isinstance(given, list):
            return given
        return [name for part in given for name in str(part).split(",")]


def add_search(router: APIRouter, service: SearchService) -> None:
    async def answer(
        request: Request, asked: SearchBody, warnings: Sequence[str] = ()
    ) -> SearchAnswer:
        found = await service.search(asked.request(), index=asked.index)
        return dataclasses.replace(
            found, request_id=request.state.request_id, warnings=[*found.warnings, *warnings]
        )

    @router.post(
        "/v1/search",
        summary="Search an index",
        responses=problem_responses(400, 404, 408, 413, 415, 422, 500, 503, 504),
    )
    async def search(request: Request, asked: SearchBody) -> SearchAnswer:
        return await answer(request, asked)

    @router.get(
        "/v1/search",
        summary="Search an index by link",
        responses=problem_responses(400, 404, 422, 500, 503, 504),
    )
    async def search_by_link(
        request: Request, asked: Annotated[SearchLink, Query()]
    ) -> SearchAnswer:
        warnings = unknown_parameters(request, SearchLink.model_fields)
        return await answer(request, asked, warnings)
