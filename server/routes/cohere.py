"""`/v1/rerank` and `/v2/rerank` as Cohere's and Jina's clients ask for them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from xret.server.indexes.texts import TextService
from xret.server.routes.json_body import LanguageName
from xret.server.routes.texts_body import ModelName, json_answer, plain_responses
from xret.types import MAX_QUERY_CHARACTERS

__all__ = ["RerankBody", "add_cohere"]


def _documents(value: Any) -> list[dict[str, Any]]:
    """Each as an object with its `text`, and `lang` where that is known."""
    if not isinstance(value, list):
        raise PydanticCustomError("documents", "give a list of texts")
    if not value:
        raise PydanticCustomError("documents", "the list is empty; give at least one text")
    rows = []
    for n, document in enumerate(value):
        row = document if isinstance(document, dict) else {"text": document}
        lang = row.get("lang")
        if not all(isinstance(row.get(name, ""), str) for name in ("text", "lang")):
            raise PydanticCustomError("documents", "number {n} is no text", {"n": n})
        if lang is not None and not 0 < len(lang) <= 64:
            raise PydanticCustomError("documents", "number {n} has no valid lang", {"n": n})
        rows.append(row)
    return rows


_TEXT_OR_OBJECT = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"text": {"type": "string"}, "lang": {"type": "string"}},
            "required": ["text"],
        },
    ]
}

Documents = Annotated[
    Any,
    PlainValidator(_documents),
    WithJsonSchema({"type": "array", "items": _TEXT_OR_OBJECT, "minItems": 1}),
]


class RerankBody(BaseModel):
    """A question and texts, which are put in order. `query_lang`, and `lang` in a document, are
    ours: languages that are not named are identified. What else such clients send is ignored.

    rank_fields: what is read of documents that are objects, in this order; else their `text`.
    return_documents: None is what the address's clients expect: not at all.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    query: Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)]
    documents: Documents
    model: ModelName | None = None
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = None
    rank_fields: Annotated[list[str], Field(min_length=1, max_length=64)] | None = None
    query_lang: LanguageName | None = None

    def texts(self) -> list[str]:
        names = self.rank_fields or ["text"]
        return [
            "\n".join(str(row[name]) for name in names if row.get(name) not in (None, ""))
            for row in self.documents
        ]


class _Result(BaseModel):
    index: int
    relevance_score: float
    document: dict[str, Any] | None = None


class _Reranking(BaseModel):
    id: str
    model: str
    results: list[_Result]
    meta: dict[str, Any]
    usage: dict[str, int]


def add_cohere(router: APIRouter, texts: TextService) -> None:
    @router.post(
        "/v1/rerank",
        summary="Texts in the order of a question, as Cohere's and Jina's clients ask",
        response_model=_Reranking,
        responses=plain_responses(),
    )
    @router.post(
        "/v2/rerank",
        summary="Texts in the order of a question, as Cohere's clients ask",
        response_model=_Reranking,
        responses=plain_responses(),
    )
    async def rerank(request: Request, asked: RerankBody) -> Response:
        name, scored, tokens = await texts.score(
            asked.query,
            asked.texts(),
            model=asked.model,
            query_lang=asked.query_lang,
            langs=[row.get("lang") for row in asked.documents],
        )
        results = []
        for n in scored.order()[: asked.top_n]:
            row: dict[str, Any] = {"index": n, "relevance_score": float(scored.relevance[n])}
            if asked.return_documents:
                row["document"] = asked.documents[n]
            results.append(row)
        version = request.url.path[2:3]
        return json_answer(
            {
                "id": request.state.request_id,
                "model": name,
                "results": results,
                "meta": {
                    "api_version": {"version": version},
                    "billed_units": {"search_units": 1},
                    "tokens": {"input_tokens": tokens},
                },
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )
