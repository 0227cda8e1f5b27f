"""Errors at addresses of other programs, in the shape that their clients read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = ["INVALID", "LIMITS", "MODEL_NOT_FOUND", "ErrorShape", "error_shape"]

ErrorShape = Callable[[int, str, str, str], tuple[int, dict[str, Any]]]
"""Status, code, detail and request id to the status and the body that are sent."""

INVALID = "invalid_request"
MODEL_NOT_FOUND = "model_not_found"
LIMITS = frozenset({"body_too_large", "too_many_texts", "text_too_long"})
"""Codes of errors that say that a request is larger than it may be."""


def _openai(status: int, code: str, detail: str, request_id: str) -> tuple[int, dict[str, Any]]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    param = "model" if code == MODEL_NOT_FOUND else None
    error = {"message": detail, "type": kind, "param": param, "code": code}
    return _or_400(status), {"error": error, "request_id": request_id}


def _cohere(status: int, code: str, detail: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Jina's clients, which ask the same address, read `detail`."""
    return _or_400(status), {"id": request_id, "message": detail, "detail": detail, "code": code}


def _tei(status: int, code: str, detail: str, request_id: str) -> tuple[int, dict[str, Any]]:
    kinds = {424: "Backend", 429: "Overloaded", 503: "Unhealthy"}
    kind = "Overloaded" if code == "overloaded" else kinds.get(status, "Validation")
    if status >= 500 and kind == "Validation":
        kind = "Backend"
    sent = 429 if code == "overloaded" else 413 if code in LIMITS else status
    body = {"error": detail, "error_type": kind, "code": code, "request_id": request_id}
    return sent, body


def _plain(status: int, code: str, detail: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Pyserini's and RoutIR's; of an index that there is none they say 400, too."""
    sent = 400 if code == "index_not_found" else _or_400(status)
    return sent, {"error": detail, "code": code, "request_id": request_id}


def _or_400(status: int) -> int:
    return 400 if status == 422 else status


_SHAPES: tuple[tuple[re.Pattern[str], ErrorShape], ...] = (
    (re.compile(r"/v1/embeddings"), _openai),
    (re.compile(r"/v[12]/rerank"), _cohere),
    (re.compile(r"/(?:embed|rerank)"), _tei),
    (re.compile(r"/v1/(?!indexes/)[^/]+/(?:search|doc/.*)", re.DOTALL), _plain),
    (re.compile(r"/(?:search|score|content|avail|ping)"), _plain),
)


def error_shape(path: str) -> ErrorShape | None:
    """The shape that clients of an address read; None for our own."""
    return next((shape for address, shape in _SHAPES if address.fullmatch(path)), None)
