"""The indices that are served, and the documents in them."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from xret.index.search.filters import MAX_TEXT
from xret.retriever.question import wanted_documents
from xret.server.errors import problem_responses
from xret.server.indexes.documents import (
    DocumentPage,
    IndexDetail,
    IndexSummary,
    ServedDocument,
    index_detail,
    read_document,
    read_documents,
)
from xret.server.indexes.service import SearchService
from xret.server.routes.explain import MAX_ID_CHARACTERS
from xret.server.routes.json_body import INDEX_NAME, LanguageName

__all__ = ["Indexes", "ListingLink", "add_indexes"]

MAX_LISTED = 1_000

IndexInPath = Annotated[str, Path(pattern=INDEX_NAME)]
DocumentInPath = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARACTERS)]


@dataclasses.dataclass(frozen=True, slots=True)
class Indexes:
    """The indices served; a search that names none goes to the first."""

    indexes: list[IndexSummary]


class ListingLink(BaseModel):
    """Which documents to list: those of a filter whose ids follow `after`, in order."""

    model_config = ConfigDict(extra="ignore")

    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = 20
    after: Annotated[str, Field(max_length=MAX_ID_CHARACTERS)] = ""
    doc_lang: Annotated[list[LanguageName], Field(min_length=1, max_length=64)] | None = None
    filter: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    text: bool = False


def add_indexes(router: APIRouter, service: SearchService) -> None:
    refusals = problem_responses(400, 404, 422, 500, 503)
    timed = problem_responses(400, 404, 422, 500, 503, 504)

    @router.get("/v1/indexes", summary="The indices served", responses=problem_responses(500, 503))
    async def indexes() -> Indexes:
        return Indexes(await service.indexes())

    @router.get("/v1/indexes/{name}", summary="What an index holds", responses=refusals)
    async def index(name: IndexInPath) -> IndexDetail:
        return await service.apply(partial(index_detail, name), index=name, light=True)

    @router.get(
        "/v1/indexes/{name}/documents", summary="List an index's documents", responses=timed
    )
    async def documents(name: IndexInPath, asked: Annotated[ListingLink, Query()]) -> DocumentPage:
        wanted = wanted_documents(asked.doc_lang, asked.filter)
        work = partial(
            read_documents,
            n=asked.limit,
            after=asked.after,
            wanted=wanted,
            text=asked.text,
            deadline=service.deadline(),
        )
        return await service.apply(work, index=name, light=True)

    @router.get(
        "/v1/indexes/{name}/documents/{doc_id:path}",
        summary="A document, with its whole text",
        responses=refusals,
    )
    async def document(name: IndexInPath, doc_id: DocumentInPath) -> ServedDocument:
        return await service.apply(partial(read_document, doc_id=doc_id), index=name, light=True)

    @router.post(
        "/v1/indexes/{name}/reload",
        summary="Open what lies at an index's path now",
        responses=problem_responses(404, 413, 415, 422, 500, 503),
    )
    async def reload(name: IndexInPath) -> IndexSummary:
        return await service.reload(name)
