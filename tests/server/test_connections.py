"""Many connections: none who asks is kept out by those who hold theirs, and the log stays short."""

from __future__ import annotations

import json
import logging
import socket

from tests.server.conftest import serving
from xret.retriever.searcher import Searcher
from xret.server.border.connections import OpenConnections, raised_file_limit
from xret.server.logs import JsonLines, QuietLog


class Held:
    def __init__(self) -> None:
        self.dropped = False

    def drop(self) -> None:
        self.dropped = True


def test_the_one_that_waited_longest_ends_for_the_next() -> None:
    connections = OpenConnections(2)
    first, second, third = Held(), Held(), Held()
    for one in (first, second):
        connections.opened(one)
        connections.waits(one)
    connections.works(first)
    connections.waits(first)
    connections.opened(third)
    assert [one.dropped for one in (first, second, third)] == [False, True, False]


def test_where_all_are_at_work_the_new_one_ends() -> None:
    connections = OpenConnections(1)
    first, second = Held(), Held()
    connections.opened(first)
    connections.opened(second)
    assert (first.dropped, second.dropped) == (False, True)


def test_idle_connections_keep_nobody_out(searcher: Searcher) -> None:
    with serving({"demo": searcher}, max_connections=8) as served:
        address = ("127.0.0.1", served.port)
        idle = [socket.create_connection(address, timeout=5) for _ in range(30)]
        for one in idle[:15]:
            one.sendall(b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        for _ in range(5):
            assert served.http.get("/v1/search?query=tides").status_code == 200
        for one in idle:
            one.close()


def test_as_many_files_as_the_system_allows() -> None:
    assert raised_file_limit() >= 16


def record(message: str, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("xret.server", logging.INFO, "file.py", 7, message, (), None)
    made.__dict__.update(more)
    return made


def test_lines_of_json_have_their_time() -> None:
    line = json.loads(JsonLines().format(record("all is well")))
    assert set(line) == {"time", "level", "message"}
    assert line["time"].endswith("+00:00")
    request = {"method": "GET", "route": "/livez", "status": 200}
    assert json.loads(JsonLines().format(record("x", request=request))).items() >= request.items()


def test_one_place_does_not_fill_the_log() -> None:
    quiet = QuietLog()
    assert [quiet.filter(record("too many files")) for _ in range(4)] == [True, False, False, False]
