"""The indices that are served."""

from __future__ import annotations

import dataclasses

from fastapi import APIRouter

from xret.server.errors import problem_responses
from xret.server.indexes.service import IndexSummary, SearchService

__all__ = ["Indexes", "add_indexes"]


@dataclasses.dataclass(frozen=True, slots=True)
class Indexes:
    """The indices served; a search that names none goes to the first."""

    indexes: list[IndexSummary]


def add_indexes(router: APIRouter, service: SearchService) -> None:
    @router.get(
        "/v1/indexes", summary="The indices served", responses=problem_responses(400, 500, 503)
    )
    async def indexes() -> Indexes:
        return Indexes(await service.indexes())
