"""Large, slow, broken and ambiguous requests, over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from encoders import HashingEncoder

from tests.server.conftest import Served, build_index, serving
from xret.index.search.reader import IndexReader
from xret.retriever.searcher import Searcher
from xret.types import Document

HEAD = b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LIMIT = 1 << 20


@pytest.fixture(scope="module")
def hasty(searcher: Searcher) -> Iterator[Served]:
    """A server that soon loses patience."""
    with serving({"demo": searcher}, body_timeout_s=0.3, head_timeout_s=0.5) as running:
        yield running


def connect(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=10)


def everything(connection: socket.socket) -> bytes:
    """What the server sends until it closes; fails after the socket's timeout."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


def exchange(served: Served, request: bytes) -> tuple[int, dict[str, object]]:
    """Status and problem of a request after which the server closes."""
    with connect(served) as connection:
        connection.sendall(request)
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert len(body) <= 8192
    return int(head.split()[1]), json.loads(body)


def test_body_over_the_limit_is_refused(client: httpx.Client) -> None:
    body = b'{"query": "' + b"x" * LIMIT + b'"}'
    reply = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")


def test_body_over_the_limit_is_refused_without_a_length(client: httpx.Client) -> None:
    chunks = (b" " * 65536 for _ in range(64))
    reply = client.post("/v1/search", content=chunks, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
    assert reply.headers["Connection"] == "close"


def test_body_at_the_limit_is_read(client: httpx.Client) -> None:
    body = b'{"query": "tides"}'.ljust(LIMIT)
    reply = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 4194304\r\n\r\n" + b" " * 4_194_304,
        b"Transfer-Encoding: chunked\r\n\r\n"
        + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 64
        + b"0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
def test_client_still_sending_a_large_body_gets_to_read_the_reply(
    served: Served, rest: bytes
) -> None:
    status, problem = exchange(served, HEAD + rest)
    assert (status, problem["code"]) == (413, "body_too_large")


def test_client_that_asks_first_is_refused_before_it_sends(served: Served) -> None:
    request = HEAD + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    status, problem = exchange(served, request)
    assert (status, problem["code"]) == (413, "body_too_large")


def test_two_ways_of_giving_the_length_are_refused(served: Served) -> None:
    request = HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x"
    status, problem = exchange(served, request)
    assert (status, problem["code"]) == (400, "ambiguous_length")


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET /" + b"a" * 20_000,
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a chunk\r\n",
    ],
)
def test_what_is_not_http_gets_a_problem(served: Served, request_: bytes) -> None:
    status, problem = exchange(served, request_)
    assert (status, problem["code"]) == (400, "malformed_http")


def test_slow_body_times_out(hasty: Served) -> None:
    status, problem = exchange(hasty, HEAD + b"Content-Length: 20\r\n\r\n{")
    assert (status, problem["code"]) == (408, "request_timeout")


SLOW = {
    "nothing sent": b"",
    "half a head": HEAD,
    "body that nobody reads": b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    "half a second head": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea",
}


@pytest.mark.parametrize("start", SLOW.values(), ids=SLOW.keys())
def test_client_that_never_ends_its_request_is_dropped(hasty: Served, start: bytes) -> None:
    with connect(hasty) as connection:
        connection.sendall(start)
        everything(connection)  # ends when the server closes; the socket's own limit is an error


def test_client_that_drips_a_head_is_dropped(hasty: Served) -> None:
    with connect(hasty) as connection, pytest.raises((BrokenPipeError, ConnectionResetError)):
        for byte in HEAD + b"X-Filler: " + b"x" * 400:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)


def test_client_that_does_not_read_is_dropped(hasty: Served) -> None:
    with connect(hasty) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.settimeout(0.2)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        begun = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() - begun < 60:
                try:
                    connection.sendall(request * 50)
                except TimeoutError:
                    continue


def test_client_that_reads_slowly_gets_the_whole_of_a_long_reply(tmp_path: Path) -> None:
    document = Document("long", "tides", "en", meta={"pages": "x" * 6_000_000})
    reader = IndexReader.open(build_index(tmp_path / "long", [document]))
    searcher = Searcher("long", reader, HashingEncoder())
    received = 0
    with serving({"long": searcher}, head_timeout_s=1.5) as served, socket.socket() as connection:
        served.server.config.timeout_keep_alive = 0
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.connect(("127.0.0.1", served.port))
        request = b"GET /v1/search?query=tides HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(request)
        while part := connection.recv(65536):
            received += len(part)
            time.sleep(0.01)
    searcher.close()
    assert received > 6_000_000


def test_good_requests_are_answered_beside_slow_ones(hasty: Served) -> None:
    slow = [connect(hasty) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(HEAD)
        for _ in range(30):
            assert hasty.http.get("/v1/search", params={"query": "moon"}).status_code == 200
        for connection in slow:
            assert everything(connection) == b""
    finally:
        for connection in slow:
            connection.close()


def test_connection_is_kept_for_the_next_request(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    sockets = set()
    for _ in range(3):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b'{"status":"ok"}'
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1
