"""Searches that are too many are refused before they are read: what is refused, and what is not."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.conftest import Served, TouchyEncoder, serving
from xret.retriever.searcher import Searcher
from xret.server.border.refusals import Refusals
from xret.server.errors import HttpError

GET = b"GET /v1/search?query=x HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = b'{"query": "x"}'
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Full:
    """A server that takes so many searches at once, and has none to begin with."""

    def __init__(self, room: int = 0) -> None:
        self.stopping = False
        self.room = room
        self.counted: list[tuple[str, str, int]] = []

    def refusal(self, path: str, *, coming: int = 0) -> HttpError | None:
        if coming < self.room:
            return None
        return HttpError(503, "overloaded", f"no room at {path}", {"Retry-After": "1"})

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.counted.append((method, route, status))


@pytest.mark.parametrize(
    "sent",
    [
        GET + b"\r\n",
        GET + b"Connection: keep-alive\r\nAccept: */*\r\n\r\n",
        POST + b"Content-Length: 14\r\n\r\n" + BODY,
        POST + b"content-length:14\r\n\r\n" + BODY,
        b"POST /v1/search/batch HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_a_whole_plain_request_is_refused_at_once(sent: bytes) -> None:
    service = Full()
    reply = Refusals(service).reply(sent)
    assert reply is not None
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"\r\nRetry-After: 1\r\n" in head
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (503, "overloaded")
    assert f"X-Request-ID: {problem['request_id']}".encode() in head
    assert service.counted == [(*_asked(sent), 503)]


def _asked(sent: bytes) -> tuple[str, str]:
    method, address = sent.decode().split()[:2]
    return method, address.partition("?")[0]


async def replies(refusals: Refusals, *sent: bytes) -> list[bytes | None]:
    """To requests that all come before the first of them begins."""
    return [refusals.reply(each) for each in sent]


def test_of_those_that_come_at_once_no_more_are_taken_than_there_is_room_for() -> None:
    async def twice() -> list[list[bytes | None]]:
        refusals = Refusals(Full(room=2))
        first = await replies(refusals, *[GET + b"\r\n"] * 4)
        await asyncio.sleep(0)
        return [first, await replies(refusals, *[GET + b"\r\n"] * 3)]

    told = [[reply is None for reply in batch] for batch in asyncio.run(twice())]
    assert told == [[True, True, False, False], [True, True, False]]


def test_the_client_s_own_request_id_is_kept() -> None:
    reply = Refusals(Full()).reply(GET + b"x-request-ID: My.id-1\r\n\r\n")
    assert reply is not None
    assert b'"request_id":"My.id-1"' in reply


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/searches HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"DELETE /v1/search HTTP/1.1\r\nHost: localhost\r\n\r\n",
        GET.replace(b"1.1", b"1.0") + b"\r\n",
        GET,
        GET + b"\r\n" + GET + b"\r\n",
        GET + b"\r\nx",
        GET.replace(b"\r\n", b"\n") + b"\n",
        GET + b"X-A: b\n\nGET / HTTP/1.1\r\n\r\n",
        GET + b"Connection: close\r\n\r\n",
        GET + b"Connection : keep-alive\r\n\r\n",
        GET + b"Connection: keep-alive, close\r\n\r\n",
        GET + b"Upgrade: websocket\r\n\r\n",
        GET + b"Origin: https://example.org\r\n\r\n",
        POST + b"Expect: 100-continue\r\nContent-Length: 14\r\n\r\n" + BODY,
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 14\r\nTransfer-Encoding : chunked\r\n\r\n" + BODY,
        POST + b"Content-Length: 14\r\nContent-Length: 14\r\n\r\n" + BODY,
        POST + b"Content-Length : 14\r\n\r\n" + BODY,
        POST + b"Content-Length: +14\r\n\r\n" + BODY,
        POST + b"Content-Length: 15\r\n\r\n" + BODY,
        POST + b"Content-Length: 13\r\n\r\n" + BODY,
    ],
)
def test_what_is_not_plain_to_see_is_read(sent: bytes) -> None:
    service = Full()
    assert asyncio.run(replies(Refusals(service), sent)) == [None]
    assert service.counted == []


def test_a_server_that_leaves_refuses_nothing_unread() -> None:
    service = Full()
    service.stopping = True  # its replies close the connection
    assert Refusals(service).reply(GET + b"\r\n") is None


@pytest.fixture
def full(touchy: Searcher) -> Iterator[Served]:
    """A real server whose every thread and place is taken."""
    assert isinstance(touchy.encoder, TouchyEncoder)
    with (
        serving({"demo": touchy}, threads=1, max_waiting=0, keep_alive_s=1) as served,
        ThreadPoolExecutor(1) as asking,
    ):
        url = f"{served.url}/v1/search"
        slow = asking.submit(served.http.get, url, params={"query": "wait"})
        assert touchy.encoder.waiting.acquire(timeout=5)
        yield served
        touchy.encoder.gate.set()
        assert slow.result().status_code == 200


def answered(connection: socket.socket, sent: bytes) -> bytes:
    """The status of the reply, read to its end."""
    connection.sendall(sent)
    received = b""
    while not re.search(rb'\r\n\r\n.*"\}$', received):
        received += connection.recv(65536)
    return received.split()[1]


def test_one_connection_is_refused_and_answered_in_turn(full: Served) -> None:
    before = full.http.get("/metrics").text
    with socket.create_connection(("127.0.0.1", full.port), timeout=5) as connection:
        for sent, status in [
            (GET + b"\r\n", b"503"),
            (POST + b"Content-Length: 14\r\n\r\n" + BODY, b"503"),
            (LIVEZ, b"200"),
            (GET + b"\r\n", b"503"),
        ]:
            assert answered(connection, sent) == status
    refused = 'xret_requests_total{route="/v1/search",method="GET",status="503"}'
    assert refused not in before
    assert f"{refused} 2" in full.http.get("/metrics").text


def test_a_connection_that_is_refused_is_kept_and_closed_once_it_idles(full: Served) -> None:
    with socket.create_connection(("127.0.0.1", full.port), timeout=5) as connection:
        assert answered(connection, LIVEZ) == b"200"
        until = time.monotonic() + 1.3  # longer than connections may idle
        while time.monotonic() < until:
            assert answered(connection, GET + b"\r\n") == b"503"
            time.sleep(0.2)
        assert connection.recv(65536) == b""
