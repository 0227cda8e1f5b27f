"""Whether the process lives, and whether searches can be sent to it."""

from __future__ import annotations

import dataclasses

from fastapi import APIRouter

from xret.server.errors import HttpError, problem_responses
from xret.server.indexes.service import SearchService

__all__ = ["Health", "add_health"]


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    status: str


def add_health(router: APIRouter, service: SearchService) -> None:
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
            # Who asks needs no key, and may not know what the indices are called.
            hidden = service.settings.keys is not None
            told = service.readiness.keys_fault or "not every index answers"
            detail = told if hidden else "; ".join(reasons)
            raise HttpError(503, "not_ready", detail, {"Retry-After": "5"})
        return Health("ready")
