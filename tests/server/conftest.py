"""A small real index, and real servers over it, on ports of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from encoders import HashingEncoder, MeanEncoder

from xret.index.search.reader import IndexReader
from xret.retriever.build import IndexBuild
from xret.retriever.searcher import Searcher
from xret.server.serve import HttpServer, bind
from xret.server.settings import ServerSettings
from xret.types import Document, Embeddings, Query

WARM_S = 20.0

DOCUMENTS = [
    Document("tides.en", "The moon makes high water twice a day.", "en", "Tides", date="1999"),
    Document("tides.fr", "La lune fait monter la mer deux fois par jour.", "fr", "Marées"),
    Document("bees.en", "Fewer bees, smaller harvests of fruit.", "en", url="https://b.example"),
    Document("bees.sw", "Nyuki wachache, mavuno madogo ya matunda.", "sw", meta={"pages": 3}),
    Document("salt.ar", "الملح يحفظ الطعام", "ar"),
    *[Document(f"filler.{i:02}", f"nothing of note number {i}", "en") for i in range(20)],
]


class TouchyEncoder(HashingEncoder):
    """Fails, panics or waits when a query says so, like an encoder in trouble.

    `broken` fails every query. A query with the word "wait" goes on once `gate` is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.gate = threading.Event()
        self.waiting = threading.Semaphore(0)

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        words = queries[0].text.split()
        if self.broken or "fail" in words:
            raise ValueError(f"cannot encode {queries[0].text}")
        if "panic" in words:
            raise BaseException("native panic")
        if "wait" in words:
            self.waiting.release()
            assert self.gate.wait(20)
        return super().encode_queries(queries)


@dataclass
class Served:
    """A running server: its address, itself, and a client that keeps connections."""

    url: str
    port: int
    server: HttpServer
    http: httpx.Client


@contextlib.contextmanager
def serving(searchers: dict[str, Searcher], **limits: Any) -> Iterator[Served]:
    """Serve in a thread until the block ends."""
    settings = dataclasses.replace(ServerSettings(probe_every_s=3600, threads=2), **limits)
    started = threading.Event()
    with bind("127.0.0.1", 0) as listener:
        listener.listen(128)
        port = listener.getsockname()[1]
        server = HttpServer(searchers, settings, started=started.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert started.wait(10)
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=20) as http:
                _wait_until_warm(http)
                yield Served(url, port, server, http)
        finally:
            server.leave(drain_s=0)
            thread.join(20)
    assert not thread.is_alive()


def _wait_until_warm(http: httpx.Client) -> None:
    # Where keys are asked for, it is not said which index is starting.
    until = time.monotonic() + WARM_S
    while re.search("starting|not every", (said := http.get("/readyz").text)):
        assert time.monotonic() < until, said
        time.sleep(0.01)


def build_index(folder: Path, documents: Sequence[Document] = DOCUMENTS) -> Path:
    for _ in IndexBuild(documents, folder, HashingEncoder()).run():
        pass
    return folder


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index that no test changes."""
    return build_index(tmp_path_factory.mktemp("indexes") / "demo")


@pytest.fixture(scope="session")
def searcher(index: Path) -> Iterator[Searcher]:
    opened = Searcher("demo", IndexReader.open(index), HashingEncoder())
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def served(searcher: Searcher) -> Iterator[Served]:
    """One server for every test that only asks."""
    with serving({"demo": searcher, "second": searcher}) as running:
        yield running


@pytest.fixture(scope="session")
def clients(index: Path, searcher: Searcher) -> Iterator[Served]:
    """A server for other programs' clients: "demo" has many vectors a text, "single" one."""
    single = Searcher("single", IndexReader.open(index), MeanEncoder())
    with serving(
        {"demo": searcher, "single": single}, max_texts=100, max_text_characters=9_000
    ) as running:
        yield running
    single.close()


@pytest.fixture
def client(served: Served) -> httpx.Client:
    return served.http


@pytest.fixture
def touchy(index: Path) -> Iterator[Searcher]:
    """A searcher whose encoder can be made to fail; see `TouchyEncoder`."""
    opened = Searcher("demo", IndexReader.open(index), TouchyEncoder())
    yield opened
    opened.close()
