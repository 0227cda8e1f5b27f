"""Every route, over the served indices."""

from __future__ import annotations

from fastapi import APIRouter

from xret.server.indexes.service import SearchService
from xret.server.indexes.texts import TextService
from xret.server.indexes.writing import IndexWrites
from xret.server.routes.aliases import add_aliases
from xret.server.routes.batch import add_batch
from xret.server.routes.cohere import add_cohere
from xret.server.routes.explain import add_explain
from xret.server.routes.health import add_health
from xret.server.routes.indexes import add_indexes
from xret.server.routes.json_body import JsonRoute
from xret.server.routes.languages import add_languages
from xret.server.routes.metrics import add_metrics
from xret.server.routes.openai import add_openai
from xret.server.routes.pyserini import add_pyserini
from xret.server.routes.reference import add_reference
from xret.server.routes.routir import add_routir
from xret.server.routes.search import add_search
from xret.server.routes.shards import add_shards
from xret.server.routes.tei import add_tei
from xret.server.routes.writes import add_writes

__all__ = ["create_router"]


def create_router(service: SearchService, writes: IndexWrites) -> APIRouter:
    router = APIRouter(route_class=JsonRoute)
    adders = (
        add_search,
        add_batch,
        add_explain,
        add_indexes,
        add_aliases,
        add_languages,
        add_health,
    )
    for add in (*adders, add_metrics):
        add(router, service)
    add_shards(router, service)
    add_writes(router, service, writes)
    add_reference(router)
    texts = TextService(service)
    for add_of_texts in (add_openai, add_cohere, add_tei):
        add_of_texts(router, texts)
    add_routir(router, service, texts)
    add_pyserini(router, service)  # the last: an index may have the name of anything else
    return router
