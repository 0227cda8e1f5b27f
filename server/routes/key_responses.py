"""What the OpenAPI document says of keys, where the server asks for them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from xret.server.border.keys import needed_scope
from xret.server.errors import problem_responses

__all__ = ["describe_keys"]

SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def describe_keys(app: FastAPI) -> None:
    """Add to every address that needs a key how it is sent, and the refusals without one.

    Addresses of other programs describe all their errors at once, as 4XX.
    """
    plain = app.openapi
    refusals = {str(status): told for status, told in problem_responses(401, 403, 429).items()}

    def described() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = plain()
        document.setdefault("components", {})["securitySchemes"] = SECURITY
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if needed_scope(method.upper(), path) is None:
                    continue
                operation["security"] = [{name: []} for name in SECURITY]
                if "4XX" not in operation["responses"]:
                    operation["responses"] = {**refusals, **operation["responses"]}
        return document

    app.openapi = described  # type: ignore[method-assign]
