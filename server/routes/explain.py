"""Why one document scores what it does for a question."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from xret.retriever.explaining import ExplainedDocument
from xret.server.errors import problem_responses
from xret.server.indexes.service import SearchService
from xret.server.routes.json_body import IndexName, LanguageName
from xret.types import MAX_QUERY_CHARACTERS, Mode

__all__ = ["MAX_ID_CHARACTERS", "ExplainBody", "add_explain"]

MAX_ID_CHARACTERS = 4_096


class ExplainBody(BaseModel):
    """Why a document scores what it does: its id, the question, and how it is asked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]
    query: Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)]
    query_lang: LanguageName | None = None
    index: IndexName | None = None
    mode: Mode | None = None
    rerank: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    as_written: bool = False


def add_explain(router: APIRouter, service: SearchService) -> None:
    @router.post(
        "/v1/explain",
        summary="Which words carry the score of a document",
        responses=problem_responses(400, 404, 408, 413, 415, 422, 500, 503, 504),
    )
    async def explain(asked: ExplainBody) -> ExplainedDocument:
        return await service.explain(
            asked.id,
            asked.query,
            lang=asked.query_lang,
            mode=asked.mode,
            rerank=asked.rerank,
            index=asked.index,
            as_written=asked.as_written,
        )
