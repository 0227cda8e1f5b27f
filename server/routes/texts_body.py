"""Texts in the bodies of other programs' addresses, and what those addresses answer."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.responses import Response

__all__ = ["ModelName", "OneOrMoreTexts", "Texts", "json_answer", "plain_responses"]

ModelName = Annotated[str, Field(max_length=256)]


def _texts(value: Any) -> list[str]:
    """One text or several. Token ids, which OpenAI's own models take, are told apart."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise PydanticCustomError("texts", "give a text, or a list of texts")
    if not value:
        raise PydanticCustomError("texts", "the list is empty; give at least one text")
    if isinstance(value[0], int | list):
        raise PydanticCustomError(
            "texts",
            "token ids of another model cannot be read; send texts "
            "(in LangChain's OpenAIEmbeddings: check_embedding_ctx_length=False)",
        )
    for n, text in enumerate(value):
        if not isinstance(text, str):
            raise PydanticCustomError("texts", "number {n} is no text", {"n": n})
        if not text.strip():
            raise PydanticCustomError("texts", "number {n} is empty", {"n": n})
    return value


def _listed(value: Any) -> list[str]:
    """A list of texts; the first that is none is told, and the others are not looked at."""
    if not isinstance(value, list) or not value:
        raise PydanticCustomError("texts", "give a list of at least one text")
    for n, text in enumerate(value):
        if not isinstance(text, str):
            raise PydanticCustomError("texts", "number {n} is no text", {"n": n})
    return value


Texts = Annotated[
    Any,
    PlainValidator(_listed),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
"""A list of texts, of which some may be empty."""

OneOrMoreTexts = Annotated[
    Any,
    PlainValidator(_texts),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ]
        }
    ),
]
"""A text or a list of texts, as a list."""


def json_answer(content: Any) -> Response:
    return Response(
        orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json"
    )


def plain_responses() -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of errors in another program's shape."""
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "4XX": {"description": "The request cannot be answered", "content": content},
        "5XX": {"description": "The server cannot answer now", "content": content},
    }
