"""The process: opening, binding, announcing, leaving."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from encoders import HashingEncoder

from xret.errors import IndexNotFoundError, ServerError
from xret.retriever.searcher import Searcher
from xret.server.serve import bind, open_searchers, serve, serve_on
from xret.server.settings import ServerSettings

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from encoders import HashingEncoder
from xret.retriever import index_encoder
from xret.server.serve import serve
index_encoder.load_encoder = lambda name, **options: HashingEncoder()
from xret.server.settings import ServerSettings
settings = ServerSettings(drain_s=3.0, max_wait_ms=20_000, log_level="error")
serve(sys.argv[2:], port=0, announce=lambda line: print(line, flush=True), settings=settings)
"""


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every index is opened with the tests' encoder."""
    monkeypatch.setattr(
        "xret.retriever.index_encoder.load_encoder", lambda _, **_options: HashingEncoder()
    )


@pytest.fixture
def process(index: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`serve` in a process of its own, and its address."""
    program = [sys.executable, "-W", "error", "-c", PROGRAM, str(Path(__file__).parents[1])]
    started = subprocess.Popen(
        [*program, str(index)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
    )
    with started:
        assert started.stdout
        line = started.stdout.readline()
        found = re.fullmatch(r"serving demo \(25 documents\) on (http://127.0.0.1:\d+)\n", line)
        assert found, line + started.stdout.read()
        yield started, found[1]
        started.kill()


def test_sigterm_loses_no_request(process: tuple[subprocess.Popen[str], str]) -> None:
    server, url = process
    statuses: list[int] = []
    failures: list[Exception] = []

    def ask() -> None:
        """One client that heeds readiness, as a load balancer does: after a while."""
        try:
            with httpx.Client(base_url=url) as http:
                until = time.monotonic() + 60
                while time.monotonic() < until:
                    statuses.append(http.get("/v1/search?query=tides").status_code)
                    if http.get("/readyz").status_code != 200:
                        until = min(until, time.monotonic() + 0.4)
        except Exception as error:
            failures.append(error)

    with httpx.Client(base_url=url) as http:
        while http.get("/readyz").status_code != 200:
            time.sleep(0.02)
    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    time.sleep(0.3)
    server.send_signal(signal.SIGTERM)
    for client in clients:
        client.join()
    assert not failures
    assert set(statuses) == {200}
    assert server.wait(10) == 0
    assert server.stdout
    assert server.stdout.read() == ""


def test_interrupt_ends_the_server_and_is_success(
    process: tuple[subprocess.Popen[str], str],
) -> None:
    server, _ = process
    server.send_signal(signal.SIGINT)
    assert server.wait(10) == 0


def test_port_in_use_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} on 127.0.0.1 is in use"):
            bind("127.0.0.1", port)


def test_port_taken_between_binding_and_listening_is_said_so(searcher: Searcher) -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with bind("127.0.0.1", port) as second:
            first.listen()
            with pytest.raises(ServerError, match=f"port {port} on 127.0.0.1 is in use"):
                serve_on({"demo": searcher}, second, announce=print, settings=ServerSettings())


def test_port_in_use_is_said_before_an_index_is_opened(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServerError):
        serve([str(tmp_path)], port=taken.getsockname()[1], announce=print)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", ""])
def test_address_that_others_reach_is_refused(host: str) -> None:
    with pytest.raises(ServerError, match="listen on"):
        bind(host, 0)


def test_address_that_others_reach_is_taken_when_allowed() -> None:
    with bind("0.0.0.0", 0, allow_public=True) as listener:
        assert listener.getsockname()[1]


@pytest.mark.parametrize("host", ["no such host", "a" * 300, "é..x"])
def test_address_that_does_not_exist_is_refused(host: str) -> None:
    with pytest.raises(ServerError, match="no address to listen on"):
        bind(host, 0)


@pytest.mark.usefixtures("hashing")
def test_index_is_named_by_its_folder_in_lower_case(index: Path, tmp_path: Path) -> None:
    shutil.copytree(index, tmp_path / "My-Index.2")
    opened = open_searchers([str(index), str(tmp_path / "My-Index.2")])
    assert {name: searcher.name for name, searcher in opened.items()} == {
        "demo": "demo",
        "my-index.2": "my-index.2",
    }
    for searcher in opened.values():
        searcher.close()


@pytest.mark.usefixtures("hashing")
@pytest.mark.parametrize("name", ["my index", "-dash", "été", "a" * 129])
def test_index_that_no_address_could_name_is_refused(
    index: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(index, tmp_path / name)
    with pytest.raises(ServerError, match="cannot be used in addresses"):
        open_searchers([str(tmp_path / name)])


@pytest.mark.usefixtures("hashing")
def test_two_indices_of_one_name_are_refused(index: Path, tmp_path: Path) -> None:
    shutil.copytree(index, tmp_path / "DEMO")
    with pytest.raises(ServerError, match="'demo' is the name of two indices"):
        open_searchers([str(index), str(tmp_path / "DEMO")])


def test_index_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        serve([str(tmp_path / "none")], port=0, announce=print)
