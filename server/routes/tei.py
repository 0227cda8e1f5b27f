"""`/embed` and `/rerank` as clients of Text Embeddings Inference ask for them."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from xret.retriever.rerankers.candidates import MAX_CHARACTERS
from xret.server.errors import HttpError
from xret.server.indexes.texts import TextService
from xret.server.routes.texts_body import OneOrMoreTexts, Texts, json_answer, plain_responses
from xret.types import MAX_QUERY_CHARACTERS

__all__ = ["EmbedBody", "TeiRerankBody", "add_tei"]


class EmbedBody(BaseModel):
    """Texts to be embedded. prompt_name: "query" for questions; all else are documents.
    normalize: whether vectors have unit length. truncate: long texts are always cut."""

    model_config = ConfigDict(extra="ignore", strict=True)

    inputs: OneOrMoreTexts
    normalize: bool = True
    truncate: bool = False
    prompt_name: Annotated[str, Field(max_length=256)] | None = None
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None


class TeiRerankBody(BaseModel):
    """A question and texts. truncate: whether of longer texts the first 8,192 characters are
    read; they are refused otherwise. raw_scores: the reranker's own, not between 0 and 1."""

    model_config = ConfigDict(extra="ignore", strict=True)

    query: Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)]
    texts: Texts
    truncate: bool = False
    raw_scores: bool = False
    return_text: bool = False


class _Rank(BaseModel):
    index: int
    score: float
    text: str | None = None


def add_tei(router: APIRouter, texts: TextService) -> None:
    @router.post(
        "/embed",
        summary="Vectors of texts, as clients of Text Embeddings Inference ask for them",
        response_model=list[list[float]],
        responses=plain_responses(),
    )
    async def embed(asked: EmbedBody) -> Response:
        _, made = await texts.embed(
            asked.inputs,
            task="query" if asked.prompt_name == "query" else "document",
            dim=asked.dimensions,
        )
        vectors = made.vectors
        if asked.normalize:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(lengths, 1e-12)
        return json_answer(np.ascontiguousarray(vectors, dtype=np.float32))

    @router.post(
        "/rerank",
        summary="Scores of texts, as clients of Text Embeddings Inference ask for them",
        response_model=list[_Rank],
        responses=plain_responses(),
    )
    async def rerank_texts(asked: TeiRerankBody) -> Response:
        if not asked.truncate and max(map(len, asked.texts)) > MAX_CHARACTERS:
            detail = f"a text has more than {MAX_CHARACTERS:,} characters; say truncate to cut it"
            raise HttpError(422, "text_too_long", detail)
        _, scored, _ = await texts.score(asked.query, asked.texts)
        scores = scored.scores if asked.raw_scores else scored.relevance
        ranks: list[dict[str, Any]] = []
        for n in scored.order():
            more = {"text": asked.texts[n]} if asked.return_text else {}
            ranks.append({"index": n, "score": float(scores[n]), **more})
        return json_answer(ranks)
