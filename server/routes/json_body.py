"""Bodies that are JSON and nothing else, and the types that many of them share."""

from __future__ import annotations

import email.message
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import suppress
from typing import Annotated, Any, get_args

import orjson
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from xret.server.errors import HttpError

__all__ = [
    "INDEX_NAME",
    "FieldName",
    "IndexName",
    "JsonRoute",
    "LanguageName",
    "unknown_parameters",
]

INDEX_NAME = r"^[a-z0-9][a-z0-9._-]{0,127}$"

MAX_FIELDS = 256
"""Of an object in a body; and unknown ones of all its objects together."""

WITH_BODY = frozenset({"POST", "PUT"})

IndexName = Annotated[str, Field(pattern=INDEX_NAME)]
FieldName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
LanguageName = Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


def unknown_parameters(request: Request, known: Collection[str]) -> list[str]:
    """That an address has parameters that are not known, whose names are not repeated."""
    n = len({*request.query_params} - {*known})
    if not n:
        return []
    which = "1 parameter is" if n == 1 else f"{n} parameters are"
    return [f"{which} not known and left out; known: {', '.join(sorted(known))}"]


class JsonRoute(APIRoute):
    """Takes a body only as JSON. known_fields: of the body, and of the objects in its lists."""

    known_fields: frozenset[str] = frozenset()

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        model = None if self.body_field is None else self.body_field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            self.known_fields = frozenset(known_fields(model))
            strict_body = model.model_config.get("extra") == "forbid"
        else:
            strict_body = False

        async def strict(request: Request) -> Response:
            if request.method in WITH_BODY and not _is_json(request.headers.get("content-type")):
                raise HttpError(
                    415,
                    "unsupported_media_type",
                    "send the body with Content-Type application/json",
                )
            asked = _JsonRequest(request.scope, request.receive)
            if request.method in WITH_BODY:
                await _check_fields(asked, self.known_fields if strict_body else None)
            return await handle(asked)

        return strict


class _JsonRequest(Request):
    """Reads JSON strictly: no NaN, no infinite numbers, no lone surrogates, depth 1,024."""

    _value: Any = None

    async def json(self) -> Any:
        if self._value is None:
            self._value = orjson.loads(await self.body())
        return self._value


def _is_json(content_type: str | None) -> bool:
    message = email.message.Message()
    message["content-type"] = content_type or "text/plain"
    return message.get_content_type() == "application/json"


def known_fields(model: type[BaseModel]) -> Iterator[str]:
    """The fields of a body, and of the objects in its lists."""
    for name, field in model.model_fields.items():
        yield name
        for inner in get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from known_fields(inner)


async def _check_fields(request: _JsonRequest, known: Collection[str] | None) -> None:
    """Raises HttpError for more fields than any body has: each would be an error of its own,
    made while nobody else is answered. known: None where others are passed over."""
    with suppress(orjson.JSONDecodeError):  # which is told of where the body is taken apart
        value = await request.json()
        parts = value.values() if isinstance(value, dict) else ()
        inner = [item for part in parts if isinstance(part, list) for item in part]
        objects = [one for one in (value, *inner) if isinstance(one, dict)]
        if any(len(one) > MAX_FIELDS for one in objects):
            raise HttpError(
                422, "invalid_request", f"an object of the body has more than {MAX_FIELDS} fields"
            )
        unknown = 0 if known is None else sum(len(one.keys() - known) for one in objects)
        if unknown > MAX_FIELDS:
            told = ", ".join(sorted(known or ()))
            raise HttpError(
                422,
                "invalid_request",
                f"the body has {unknown:,} fields that are not known; known: {told}",
            )
