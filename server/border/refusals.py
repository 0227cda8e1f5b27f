"""Searches refused before they are taken apart: what is refused is to cost the others nothing.

A server that is asked ten times what it can answer does nothing but refuse if that takes a tenth
of an answer. The few bytes that are looked at here say what is asked and where it ends; whatever
is not plain to see is left to those who read requests with care.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid

from xret.server.border.limits import SECURITY_HEADERS, Bounded, note_request
from xret.server.errors import MEDIA_TYPE, problem_body

__all__ = ["Refusals"]

_START = re.compile(rb"(GET|POST) (/v1/(?:search|search/batch|explain))(?:\?[!-~]*)? HTTP/1\.1\r\n")
_CAREFUL = re.compile(
    rb"\n(?:transfer-encoding|expect|upgrade|origin|connection(?!:[ \t]*keep-alive[ \t]*\r))"
    rb"[ \t]*:"
)
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n")
_ID = re.compile(rb"\n(?i:x-request-id):[ \t]*([A-Za-z0-9._-]{1,64})[ \t]*\r\n")


class Refusals:
    """Replies to requests that are too many, one for each piece of a connection's bytes."""

    def __init__(self, service: Bounded) -> None:
        self._service = service
        self._coming = 0
        headers = "".join(f"{name}: {value}\r\n" for name, value in SECURITY_HEADERS.items())
        self._head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {MEDIA_TYPE}\r\n{headers}"

    def reply(self, received: bytes) -> bytes | None:
        """The whole reply to one whole request; None where it is taken, or is to be read.

        received: all that a connection has sent since its last request ended.
        """
        start = _START.match(received)
        if start is None or self._service.stopping:
            return None
        began = time.perf_counter()
        method, path = start[1].decode(), start[2].decode()
        head = _whole_head(received, start.end() - 1)
        if head is None:
            return None
        refusal = self._service.refusal(path, coming=self._coming)
        if refusal is None:
            self._take()
            return None
        named = _ID.search(head)
        request_id = uuid.uuid4().hex if named is None else named[1].decode()
        body = problem_body(refusal, request_id)
        own = "".join(f"{name}: {value}\r\n" for name, value in refusal.headers.items())
        reply = (
            f"{self._head}{own}X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        note_request(self._service, method, path, 503, time.perf_counter() - began, request_id)
        return reply.encode() + body

    def _take(self) -> None:
        """Count a request that is let through until it begins: all that have come at once are
        looked at before the first of them does."""
        if not self._coming:
            asyncio.get_running_loop().call_soon(self._begun)
        self._coming += 1

    def _begun(self) -> None:
        self._coming = 0


def _whole_head(received: bytes, start: int) -> bytes | None:
    """The head of a request, where it says nothing unusual and ends, with its body, where the
    bytes do; None otherwise.

    start: of the line break that ends the first line.
    """
    end = received.find(b"\n\r\n", start)
    if end < 0 or received.find(b"\n\n", start, end) >= 0:
        return None
    head = received[start : end + 1]
    lower = head.lower()
    n_lengths = lower.count(b"content-length")
    length = _LENGTH.search(lower) if n_lengths else None
    if n_lengths != (length is not None) or _CAREFUL.search(lower) is not None:
        return None
    n = 0 if length is None else int(length[1])
    return head if len(received) == end + 3 + n else None
