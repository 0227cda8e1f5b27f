"""Several searches in one request."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from xret.retriever.searcher import SearchAnswer
from xret.server.border.keys import GRANT
from xret.server.border.limits import log_failure
from xret.server.errors import Problem, http_error, problem_of, problem_responses
from xret.server.indexes.service import SearchService
from xret.server.routes.search import MAX_TIMEOUT_MS, SearchBody

__all__ = ["BatchBody", "add_batch"]

MAX_SEARCHES = 100


class BatchBody(BaseModel):
    """Searches, each as `/v1/search` takes it. timeout_ms: for all of them together."""

    model_config = ConfigDict(extra="forbid", strict=True)

    searches: Annotated[list[SearchBody], Field(min_length=1, max_length=MAX_SEARCHES)]
    timeout_ms: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_MS)] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class BatchAnswer:
    """One answer a search, in their order; what went wrong with a search is in its place."""

    request_id: str
    answers: list[SearchAnswer | Problem]


def add_batch(router: APIRouter, service: SearchService) -> None:
    @router.post(
        "/v1/search/batch",
        summary="Several searches in one request",
        responses=problem_responses(400, 408, 413, 415, 422, 429, 500, 503),
    )
    async def batch(request: Request, asked: BatchBody) -> BatchAnswer:
        # One after the other, so that a batch takes no more than one search's share of threads.
        grant = GRANT.get()
        if grant is not None:
            grant.spend(len(asked.searches) - 1)
        until = service.deadline(asked.timeout_ms)
        request_id: str = request.state.request_id
        answers: list[SearchAnswer | Problem] = []
        for body in asked.searches:
            try:
                answer = await service.search(body.request(), index=body.index, within=until)
                answers.append(dataclasses.replace(answer, request_id=request_id))
            except Exception as error:
                refusal = http_error(error)
                if refusal.status >= 500:
                    log_failure(error, request_id)
                answers.append(problem_of(refusal, request_id))
        return BatchAnswer(request_id, answers)
