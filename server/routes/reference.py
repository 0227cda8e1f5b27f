"""`/docs`: the addresses and what they take, made from the OpenAPI document; and `/errors/CODE`.

Pages without scripts, that load nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import HTMLResponse

from xret.server.error_guide import ERROR_GUIDE
from xret.server.errors import HttpError, problem_responses

__all__ = ["add_reference"]

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}code{font-size:.9em}dt{font-weight:600;margin-top:.6em}"
    "table{border-collapse:collapse}td,th{text-align:start;padding:.2em .8em .2em 0;"
    "vertical-align:top}h2{margin-top:2em}"
)
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none'"

METHODS = ("get", "post", "put", "delete")
HTML: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}}
}


def add_reference(router: APIRouter) -> None:
    @router.get(
        "/docs",
        summary="What each address takes, as a page",
        response_class=HTMLResponse,
        responses=HTML,
    )
    async def docs(request: Request) -> HTMLResponse:
        return _page("xret: addresses", _addresses(request.app.openapi()))

    @router.get(
        "/errors/{code}",
        summary="What an error means, as a page",
        response_class=HTMLResponse,
        responses=HTML | problem_responses(404, 422),
    )
    async def error(code: Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$")]) -> HTMLResponse:
        if code not in ERROR_GUIDE:
            raise HttpError(404, "not_found", "no error has that code")
        meaning, advice = ERROR_GUIDE[code]
        body = f"<h1><code>{escape(code)}</code></h1><p>{escape(meaning)}</p>"
        return _page(f"xret: {code}", [f"{body}<p>{escape(advice)}</p>"])


def _page(title: str, body: Iterable[str]) -> HTMLResponse:
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style><main>{''.join(body)}</main></html>"
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})


def _addresses(document: Mapping[str, Any]) -> Iterable[str]:
    info = document["info"]
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield f"<p>{escape(info.get('summary', ''))}. Machines read "
    yield '<a href="/openapi.json">/openapi.json</a>.</p>'
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                yield from _operation(document, method, path, operations[method])
    yield "<h2>Errors</h2><dl>"
    for code, (meaning, advice) in ERROR_GUIDE.items():
        yield f"<dt><code>{escape(code)}</code></dt><dd>{escape(meaning)} {escape(advice)}</dd>"
    yield "</dl>"


def _operation(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> Iterable[str]:
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    yield f"<p>{escape(operation.get('summary', ''))}</p>"
    rows = [
        (one["name"], one["in"], _kind(document, one["schema"]), one.get("required", False))
        for one in operation.get("parameters", ())
    ]
    content = operation.get("requestBody", {}).get("content", {})
    for media in content.values():
        schema = _resolved(document, media["schema"])
        needed = schema.get("required", ())
        rows += [
            (name, "body", _kind(document, own), name in needed)
            for name, own in schema.get("properties", {}).items()
        ]
    if rows:
        yield "<table><tr><th>name<th>in<th>kind<th></tr>"
        for name, where, kind, required in rows:
            told = "required" if required else ""
            yield f"<tr><td><code>{escape(name)}</code><td>{where}<td>{escape(kind)}<td>{told}</tr>"
        yield "</table>"
    statuses = ", ".join(operation["responses"])
    yield f"<p>Answers: {escape(statuses)}</p>"


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolved(document, schema)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        kinds = (_kind(document, one) for one in schema["anyOf"])
        return " | ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    bounds = [
        f"{sign} {schema[name]}"
        for name, sign in (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"))
        if name in schema
    ]
    return " ".join([str(schema.get("type", "any")), *bounds])


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found
