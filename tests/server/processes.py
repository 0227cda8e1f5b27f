"""Servers in processes of their own, by the command line, and clients that go on asking them."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from xret.types import UNDETERMINED

PROGRAM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from encoders import HashingEncoder
from xret.retriever import index_encoder
index_encoder.load_encoder = lambda name, **options: HashingEncoder()
from xret.cli import main
main()
"""
ASKED = {"query": "tides", "query_lang": UNDETERMINED, "limit": 5}
WAIT_S = 20.0


@dataclass
class Process:
    popen: subprocess.Popen[str]
    url: str


def is_ready(url: str, **options: Any) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2, **options).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def process(*words: str, home: Path, **options: Any) -> Iterator[Process]:
    """`xret serve` with the tests' encoder, once it is ready. options: of the client."""
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[1]), "serve", *words]
    popen = subprocess.Popen(
        [*command, "--port", "0", "--log-level", "error"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=home,
        env={"XRET_HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    with popen:
        try:
            assert popen.stdout
            line = popen.stdout.readline()
            address = re.search(r"https?://127\.0\.0\.1:\d+", line)
            assert address, line + popen.stdout.read()
            running = Process(popen, address[0])
            wait_for(lambda: is_ready(running.url, **options))
            yield running
        finally:
            popen.kill()


def wait_for(condition: Callable[[], bool], within_s: float = WAIT_S) -> None:
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@dataclass
class Reply:
    """When it was asked and answered (monotonic seconds), the status, and the hits by id and
    score, or the code of the refusal; status 0: the connection failed."""

    asked: float
    answered: float
    status: int
    said: Any


@dataclass
class Clients:
    """Threads that ask the same again and again, each by an address of its own choice."""

    n: int
    address: Callable[[], str]
    pause_s: float = 0.02
    replies: list[Reply] = field(default_factory=list)

    def __enter__(self) -> Clients:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.n)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(timeout=10) as http:
            while not self._over.wait(self.pause_s):
                began, status, said = time.monotonic(), 0, None
                try:
                    reply = http.post(f"{self.address()}/v1/search", json=ASKED)
                    status, said = reply.status_code, said_in(reply)
                except httpx.TransportError as error:
                    said = repr(error)
                self.replies.append(Reply(began, time.monotonic(), status, said))

    def seen(self, condition: Callable[[Reply], bool]) -> None:
        """Wait until as many replies in turn as there are clients, to what they asked after now,
        are such; those that were too many are passed over."""
        began = time.monotonic()

        def enough() -> bool:
            later = [r for r in self.replies if r.asked > began and r.said != "overloaded"]
            return len(later) >= self.n and all(map(condition, later[-self.n :]))

        wait_for(enough)


def said_in(reply: httpx.Response) -> Any:
    body = reply.json()
    if reply.status_code != 200:
        return body["code"]
    return [(hit["id"], hit["score"]) for hit in body["hits"]]
