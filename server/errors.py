"""Every error as RFC 9457 problem+json, saying what to do and never repeating the input."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from xret.errors import (
    DeadlineError,
    IndexNotFoundError,
    LanguageError,
    MissingLibraryError,
    ModelError,
    QueryError,
    UnknownDocumentError,
    UnusableIndexError,
    XretError,
)
from xret.server.error_shapes import error_shape

__all__ = [
    "HttpError",
    "Problem",
    "add_error_handlers",
    "http_error",
    "problem_body",
    "problem_of",
    "problem_responses",
]

MEDIA_TYPE = "application/problem+json"
MAX_DETAIL_CHARACTERS = 1_000
MAX_NAMED_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """The body of every error. `code` is stable; `detail` is for people and may change."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


class HttpError(Exception):
    """A request refused with a status, a stable code and a sentence for people."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self, request_id: str, path: str = "") -> Response:
        """path: of the request; at addresses of other programs errors have their shape."""
        shape = error_shape(path)
        if shape is None:
            body = problem_body(self, request_id)
            return Response(body, self.status, headers=self.headers, media_type=MEDIA_TYPE)
        detail = self.detail[:MAX_DETAIL_CHARACTERS]
        status, content = shape(self.status, self.code, detail, request_id)
        return Response(
            orjson.dumps(content), status, headers=self.headers, media_type="application/json"
        )


def problem_body(error: HttpError, request_id: str) -> bytes:
    """An error as problem+json, at most 8 KiB."""
    return orjson.dumps(problem_of(error, request_id))


def problem_of(error: HttpError, request_id: str) -> Problem:
    """An error as it is sent; its type is the address of a page about it, on this server."""
    title = HTTPStatus(error.status).phrase
    detail = error.detail[:MAX_DETAIL_CHARACTERS]
    return Problem(f"/errors/{error.code}", title, error.status, detail, error.code, request_id)


def http_error(error: Exception) -> HttpError:
    """What the client is told of an error; nothing of the server's insides."""
    match error:
        case HttpError():
            return error
        case UnknownDocumentError():
            return HttpError(404, error.code, "the index has no document of that id")
        case DeadlineError():
            return HttpError(504, error.code, str(error))
        case QueryError():
            return HttpError(422, error.code, str(error))
        case LanguageError():
            return HttpError(
                422,
                error.code,
                "query_lang or doc_lang is no language; use a code such as fr or sw",
            )
        case IndexNotFoundError():
            return HttpError(404, error.code, "no such index; GET /v1/indexes lists them")
        case UnusableIndexError() | ModelError() | MissingLibraryError():
            return HttpError(
                503, error.code, "the index or its encoder cannot be used; see the server's log"
            )
        case XretError():
            return HttpError(500, error.code, "the search failed; see the server's log")
        case _:
            return HttpError(500, "internal", "the search failed; see the server's log")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of these statuses, all with the one problem schema."""
    content = {MEDIA_TYPE: {"schema": TypeAdapter(Problem).json_schema()}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def add_error_handlers(app: FastAPI) -> None:
    """Answer the framework's own errors as problems; all others reach `limits.Border`.

    A client that sent an unknown field is told what the route's `known_fields` are; its own name
    for it is not repeated.
    """

    async def refuse(request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            route = request.scope.get("route")
            found = _invalid(error, getattr(route, "known_fields", ()))
        elif isinstance(error, HTTPException):
            found = _framework(error)
            if error.status_code == 405:
                found.headers["Allow"] = ", ".join(_methods(request))
        else:
            raise error
        return found.response(request.state.request_id, request.url.path)

    app.add_exception_handler(RequestValidationError, refuse)
    app.add_exception_handler(HTTPException, refuse)


def _methods(request: Request) -> list[str]:
    """The methods that an address takes, of all routes that it matches."""
    methods: set[str] = set()
    routers = request.app.router.routes
    nested = (getattr(one, "original_router", None) for one in routers)
    for route in [*routers, *(route for one in nested if one for route in one.routes)]:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)


def _framework(error: HTTPException) -> HttpError:
    details = {
        400: "the request could not be read",
        404: "nothing is served at this address; /openapi.json lists what is",
        405: "this address does not take that method; the Allow header lists those it takes",
    }
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_")
    return HttpError(error.status_code, code, details.get(error.status_code, phrase), error.headers)


def _invalid(error: RequestValidationError, fields: Collection[str]) -> HttpError:
    errors = error.errors()
    if any(found["type"] == "json_invalid" for found in errors):
        return HttpError(400, "invalid_json", "the body is not valid JSON in UTF-8")
    messages = []
    for found in errors[:MAX_NAMED_ERRORS]:
        if found["type"] == "extra_forbidden":
            message = f"there is a field that is not known; known: {', '.join(sorted(fields))}"
        else:
            message = ".".join(map(str, found["loc"][1:])) or "the body"
            message += f": {found['msg']}"
        if message not in messages:
            messages.append(message)
    return HttpError(422, "invalid_request", "; ".join(messages))
