"""Requests that no client library sends, over real sockets: each ends in one reply, or none."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

import httpx
import pytest

from tests.server.conftest import Served

GET = b"GET /v1/search?query=x HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = b'{"query": "x"}'

RAW: dict[str, tuple[bytes, set[int]]] = {
    "no version": (b"GET /healthz\r\n\r\n", {400}),
    "version 0.9": (b"GET /healthz HTTP/0.9\r\n\r\n", {200, 400}),
    "version 1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", {200}),
    "version 2": (b"GET /healthz HTTP/2\r\nHost: localhost\r\n\r\n", {400}),
    "preface of version 2": (b"PRI * HTTP/2.0\r\n\r\n", {400, 404}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", {400}),
    "a whole address": (
        b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        {404, 200},
    ),
    "a star": (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", {404, 405}),
    "connect": (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404, 405}),
    "no slash": (b"GET healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", {404, 400}),
    "NUL in the address": (b"GET /health\0z HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "bytes in the address": (b"GET /health\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404}),
    "half an escape": (b"GET /v1/search?query=%f HTTP/1.1\r\nHost: localhost\r\n\r\n", {200}),
    "no UTF-8 in an escape": (
        b"GET /v1/search?query=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        {200, 422},
    ),
    "NUL in a header": (GET + b"X-A: \0\r\n\r\n", {400}),
    "space before the colon": (GET + b"X-A : b\r\n\r\n", {400}),
    "folded header": (GET + b"X-A: b\r\n c\r\n\r\n", {200, 400}),
    "header without a name": (GET + b": b\r\n\r\n", {400}),
    "line feeds alone": (GET.replace(b"\r\n", b"\n") + b"\n", {200, 400}),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", {400}),
    "length that is no number": (POST + b"Content-Length: ten\r\n\r\n", {400}),
    "two lengths": (POST + b"Content-Length: 14\r\nContent-Length: 15\r\n\r\n" + BODY, {400}),
    "length of 10^30": (POST + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n", {400, 413}),
    "length and chunks": (
        POST + b"Content-Length: 14\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        {400},
    ),
    "unknown coding": (POST + b"Transfer-Encoding: gzip\r\n\r\n", {400, 501}),
    "chunk of no size": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", {400}),
    "chunk of 10^20 bytes": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 21 + b"\r\n",
        {400},
    ),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\ne\r\n" + BODY + b"\r\n0\r\n\r\n", {200}),
    "head of 64 KiB": (GET + b"X-A: " + b"a" * (64 << 10) + b"\r\n\r\n", {200, 400, 431}),
    "1,000 headers": (
        GET + b"".join(b"X-%d: a\r\n" % i for i in range(1_000)) + b"\r\n",
        {200, 400},
    ),
    "upgrade": (GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", {200, 400, 426}),
    "expectation that is none": (
        POST + b"Expect: a miracle\r\nContent-Length: 14\r\n\r\n" + BODY,
        {200, 417},
    ),
}


def is_whole(reply: bytes) -> bool:
    head, end, body = reply.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


@pytest.mark.parametrize(("sent", "statuses"), RAW.values(), ids=RAW.keys())
def test_a_raw_request_has_the_reply_that_it_deserves(
    served: Served, sent: bytes, statuses: set[int]
) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(sent)
        received = connection.recv(65536)
        with suppress(ConnectionError):
            while not is_whole(received) and (part := connection.recv(65536)):
                received += part
            connection.shutdown(socket.SHUT_WR)  # whoever does so earlier has left
            while part := connection.recv(65536):
                received += part
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), received[:200]
    assert int(head.split()[1]) in statuses, head
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"Traceback" not in body
    assert httpx.get(f"{served.url}/healthz").status_code == 200
