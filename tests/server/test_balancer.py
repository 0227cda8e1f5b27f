"""A server leaves while a balancer, which looks at it only now and then, sends it requests."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from tests.server.conftest import serving
from tests.server.processes import Clients, is_ready, process
from xret.retriever.searcher import Searcher


class Balancer:
    """Sends requests in turn to the servers that were ready when it last looked."""

    def __init__(self, urls: list[str], every_s: float) -> None:
        self._urls = urls
        self._every_s = every_s
        self._ready = urls
        self._n = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Balancer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def address(self) -> str:
        self._n += 1
        ready = self._ready
        return ready[self._n % len(ready)]

    def _look(self) -> None:
        began, n = time.monotonic(), 0
        while not self._over.wait(began + (n := n + 1) * self._every_s - time.monotonic()):
            self._ready = [url for url in self._urls if is_ready(url)]


@pytest.mark.parametrize(
    ("every_s", "drain_s"),
    [(1.0, "2"), pytest.param(5.0, "6", marks=pytest.mark.slow)],
    ids=["every second", "every five seconds"],
)
def test_no_request_is_lost_while_a_server_leaves(
    index: Path, searcher: Searcher, tmp_path: Path, every_s: float, drain_s: str
) -> None:
    words = [f"demo={index}", "--drain-s", drain_s, "--max-wait-ms", "20000"]
    with (
        process(*words, home=tmp_path) as leaving,
        serving({"demo": searcher}, max_wait_ms=20_000.0) as staying,
        Balancer([leaving.url, staying.url], every_s) as balancer,
        Clients(4, balancer.address) as clients,
    ):
        time.sleep(0.5)
        leaving.popen.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert leaving.popen.wait(30) == 0
        left = time.monotonic()
        time.sleep(0.5)
    assert left - began >= float(drain_s)
    assert [reply for reply in clients.replies if reply.status != 200] == []
    during = [reply for reply in clients.replies if began < reply.asked < left]
    assert len(during) > 20
