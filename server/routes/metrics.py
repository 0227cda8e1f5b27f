"""`/metrics`, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from xret.server.errors import problem_responses
from xret.server.indexes.metrics import Gauge
from xret.server.indexes.service import SearchService

__all__ = ["add_metrics"]

PLAIN: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
}
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def add_metrics(router: APIRouter, service: SearchService) -> None:
    @router.get(
        "/metrics",
        summary="What the server counts of itself, for Prometheus",
        response_class=Response,
        responses={**PLAIN, **problem_responses(500, 503)},
    )
    async def metrics() -> Response:
        rows = await service.indexes()
        versions: Mapping[tuple[str, ...], float] = {(row.name,): row.version for row in rows}
        documents: Mapping[tuple[str, ...], float] = {(row.name,): row.documents for row in rows}
        ready: Mapping[tuple[str, ...], float] = {(): float(not service.unready())}
        load: Mapping[tuple[str, ...], float] = {(): service.load}
        gauges: list[Gauge] = [
            ("xret_searches_in_hand", "Searches computed or waiting.", load, ()),
            ("xret_ready", "Whether searches can be sent here.", ready, ()),
            ("xret_index_version", "Commits that an index has seen.", versions, ("index",)),
            ("xret_index_documents", "Documents of an index.", documents, ("index",)),
        ]
        return Response(service.metrics.text(gauges), media_type=MEDIA_TYPE)
