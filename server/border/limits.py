"""What stands before the application: body limits, request ids, headers, the last catch.

Plain ASGI, so that no request reaches the framework before it is whole and bounded.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
import uuid
from typing import Protocol

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xret.errors import DeadlineError, XretError
from xret.server.border.leaving import Watched
from xret.server.errors import HttpError, http_error

__all__ = ["SECURITY_HEADERS", "Border", "Bounded", "WholeBody", "log_failure", "note_request"]

log = logging.getLogger("xret.server")
access_log = logging.getLogger("xret.server.access")

DISCARD_BYTES = 8 << 20
DISCARD_S = 2.0
CLOSE = {"Connection": "close"}
CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Counting(Protocol):
    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """route: the template of the address."""


class Bounded(Counting, Protocol):
    """What is served. stopping: whether it takes no new connections."""

    stopping: bool

    def refusal(self, path: str, *, coming: int = 0) -> HttpError | None:
        """What a request for that address is told now, before it is read; None where it is
        taken. coming: those taken before it that have not begun."""


class Border:
    """Names every request, sets the headers of every reply, and lets no exception out.

    The log gets method, route, status and time, and the traceback of a failure without
    its message: what people search for is not written down.
    """

    def __init__(self, app: ASGIApp, *, service: Bounded) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            if scope["path"].endswith("\n"):  # which the `$` of a route's pattern does not see
                raise HttpError(404, "not_found", "no address ends with a line break")
            refusal = self.service.refusal(scope["path"])
            if refusal is not None:  # before anything is read or taken apart
                raise refusal
            await self.app(scope, receive, send_named)
        except Exception as error:
            answer = http_error(error)
            if answer.status >= 500:
                log_failure(error, request_id)
            if status:
                raise
            await answer.response(request_id, scope["path"])(scope, receive, send_named)
        finally:
            route = getattr(scope.get("route"), "path", "-")
            took_s = time.perf_counter() - start
            note_request(self.service, scope["method"], route, status, took_s, request_id)

    def _add_headers(self, headers: MutableHeaders, request_id: str) -> None:
        headers["X-Request-ID"] = request_id
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if self.service.stopping:
            # A client that keeps its connection would meet the closed socket next time.
            headers["Connection"] = "close"


class WholeBody:
    """Reads each body whole before the application sees it, within a size and a time.

    Once it is read, the client is watched: what works for one that has left is stopped.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_s: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
        if length is not None and encoding is not None:
            raise HttpError(
                400, "ambiguous_length", "send Content-Length or Transfer-Encoding, not both", CLOSE
            )
        if length is None and encoding is None:
            async with Watched(receive, b"") as watched:
                await self.app(scope, watched.receive, send)
            return
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise HttpError(415, "unsupported_media_type", "send the body uncompressed", CLOSE)
        if length is not None and int(length) > self.max_bytes:
            # A client that waits for 100 Continue has sent nothing that must be thrown away.
            if "expect" not in headers:
                await _discard(receive)
            raise self._too_large()
        body = await self._read(receive)
        if body is not None:
            async with Watched(receive, body) as watched:
                await self.app(scope, watched.receive, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; None when the client has gone."""
        body = bytearray()
        try:
            with anyio.fail_after(self.timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self.max_bytes:
                        break
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise HttpError(
                408, "request_timeout", f"the body took longer than {self.timeout_s:g} s", CLOSE
            ) from None
        await _discard(receive)
        raise self._too_large()

    def _too_large(self) -> HttpError:
        return HttpError(
            413, "body_too_large", f"the body is larger than {self.max_bytes:,} bytes", CLOSE
        )


async def _discard(receive: Receive) -> None:
    """Read on a little, keeping nothing: a client still sending would not see the reply."""
    discarded = 0
    with anyio.move_on_after(DISCARD_S):
        while discarded < DISCARD_BYTES:
            message = await receive()
            discarded += len(message.get("body", b""))
            if not message.get("more_body", False):
                return


def note_request(
    service: Counting, method: str, route: str, status: int, seconds: float, request_id: str
) -> None:
    """Count a request that has its reply, and write its line into the log."""
    service.count_request(method, route, status, seconds)
    if not access_log.isEnabledFor(logging.INFO):
        return
    took_ms = seconds * 1000
    access_log.info(
        "%s %s %d %.1f ms %s",
        *(method, route, status, took_ms, request_id),
        extra={
            "request": {
                "method": method,
                "route": route,
                "status": status,
                "took_ms": round(took_ms, 1),
                "request_id": request_id,
            }
        },
    )


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if CLIENT_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def log_failure(error: Exception, request_id: str) -> None:
    """Our own errors in full, they name files; of others the place but not the message."""
    if isinstance(error, HttpError | DeadlineError):  # which clients ask for
        return
    if isinstance(error, XretError):
        log.error("request %s failed: %s", request_id, error)
        return
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("request %s failed: %s\n%s", request_id, type(error).__name__, frames)
