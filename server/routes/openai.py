"""`/v1/embeddings` as OpenAI's clients ask for it."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from xret.server.indexes.texts import TextService
from xret.server.routes.texts_body import (
    ModelName,
    OneOrMoreTexts,
    json_answer,
    plain_responses,
)
from xret.types import FloatArray

__all__ = ["EmbeddingsBody", "add_openai"]

QUERIES = frozenset({"query", "search_query", "retrieval.query"})


class EmbeddingsBody(BaseModel):
    """Texts to be embedded. What OpenAI's clients send besides, such as `user`, is ignored.

    input_type, `task`, or neither: whether they are questions or documents, which many models
    read in two ways; documents where nobody says. `dimensions` keeps the first numbers.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    input: OneOrMoreTexts
    model: ModelName | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    input_type: Literal["query", "document", "search_query", "search_document"] | None = None
    task: Literal["retrieval.query", "retrieval.passage"] | None = None


class _Embedding(BaseModel):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class _Usage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class _Embeddings(BaseModel):
    object: Literal["list"]
    data: list[_Embedding]
    model: str
    usage: _Usage


def add_openai(router: APIRouter, texts: TextService) -> None:
    @router.post(
        "/v1/embeddings",
        summary="Vectors of texts, as OpenAI's clients ask for them",
        response_model=_Embeddings,
        responses=plain_responses(),
    )
    async def embeddings(asked: EmbeddingsBody) -> Response:
        query = (asked.input_type or asked.task or "") in QUERIES
        name, made = await texts.embed(
            asked.input,
            model=asked.model,
            task="query" if query else "document",
            dim=asked.dimensions,
        )
        rows: list[Any] = [
            {"object": "embedding", "index": n, "embedding": _written(vector, asked)}
            for n, vector in enumerate(made.vectors)
        ]
        usage = {"prompt_tokens": made.tokens, "total_tokens": made.tokens}
        return json_answer({"object": "list", "data": rows, "model": name, "usage": usage})


def _written(vector: FloatArray, asked: EmbeddingsBody) -> Any:
    """base64 is of the numbers' bytes, float32, little-endian."""
    if asked.encoding_format == "float":
        return np.ascontiguousarray(vector)
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
