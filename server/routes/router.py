"""Every route, over the served indices."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fastapi import APIRouter

from xret.server.indexes.service import SearchService
from xret.server.indexes.texts import TextService
from xret.server.indexes.writing import IndexWrites
from xret.server.routes.batch import BatchBody, add_batch
from xret.server.routes.cohere import RerankBody, add_cohere
from xret.server.routes.explain import ExplainBody, add_explain
from xret.server.routes.health import add_health
from xret.server.routes.indexes import add_indexes
from xret.server.routes.json_body import JsonRoute
from xret.server.routes.languages import add_languages
from xret.server.routes.metrics import add_metrics
from xret.server.routes.openai import EmbeddingsBody, add_openai
from xret.server.routes.pyserini import add_pyserini
from xret.server.routes.reference import add_reference
from xret.server.routes.routir import ContentBody, ScoreBody, ServiceBody, add_routir
from xret.server.routes.search import SearchBody, add_search
from xret.server.routes.shards import add_shards
from xret.server.routes.tei import EmbedBody, TeiRerankBody, add_tei
from xret.server.routes.writes import add_writes

__all__ = ["BODY_FIELDS", "create_router"]

BODY_FIELDS: Mapping[str, Collection[str]] = {
    "/v1/search": SearchBody.model_fields,
    "/v1/search/batch": [*BatchBody.model_fields, *SearchBody.model_fields],
    "/v1/explain": ExplainBody.model_fields,
    "/v1/embeddings": EmbeddingsBody.model_fields,
    "/v1/rerank": RerankBody.model_fields,
    "/v2/rerank": RerankBody.model_fields,
    "/embed": EmbedBody.model_fields,
    "/rerank": TeiRerankBody.model_fields,
    "/search": ServiceBody.model_fields,
    "/score": ScoreBody.model_fields,
    "/content": ContentBody.model_fields,
}
"""What a request may hold, by address."""


def create_router(service: SearchService, writes: IndexWrites) -> APIRouter:
    router = APIRouter(route_class=JsonRoute)
    adders = (add_search, add_batch, add_explain, add_indexes, add_languages, add_health)
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
