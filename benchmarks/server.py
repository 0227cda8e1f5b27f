"""The search server under load, on this machine's loopback: python benchmarks/server.py

An index of 10,000 short texts by xret-static is made and served by `xret serve` in a process of its
own; the clients are this process. Prints tables in Markdown. On few cores the clients take theirs
from the server: compare columns of one run, and not runs. Overload has benchmarks/server_load.py.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from xret.retriever.build import IndexBuild
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document

WORDS = ["sun", "moon", "tide", "reef", "bee", "river", "gold", "sleep", "law", "sea", "iron"]
QUERY = "/v1/search?query=tide+and+moon&query_lang=en&limit=10"
BARE = """
import sys, uvicorn, fastapi
from xret.retriever.searcher import Searcher
searcher = Searcher.open(sys.argv[1], in_memory=True)
app = fastapi.FastAPI()
@app.get("/v1/search")
def search(query: str, query_lang: str, limit: int):
    return searcher.answer(query, lang=query_lang, k=limit)
uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False, http="h11")
"""


@dataclasses.dataclass
class Client:
    """One connection, kept. Statuses and seconds of its requests are for the caller to keep."""

    port: int
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def ask(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        if self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self.reader is not None
        head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.writer.write(head.encode() + b"\r\n" + (body or b""))
        found = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        status, length = int(found.split()[1]), 0
        for line in found.split("\r\n"):
            if line.startswith("content-length:"):
                length = int(line.partition(":")[2])
        answer = await self.reader.readexactly(length)
        if "connection: close" in found:
            self.writer.close()
        return status, answer


class Server:
    """A server in a process of its own."""

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.port = port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    @property
    def rss_mib(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4096 / (1 << 20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(*words: str, bare: bool = False, shell: str = "") -> AsyncIterator[Server]:
    port = free_port()
    if bare:
        command = [sys.executable, "-c", BARE, words[0], str(port)]
    else:
        command = [sys.executable, "-c", "from xret.cli import main; main()", "serve", *words]
        command += ["--port", str(port), "--drain-s", "0"]
    if shell:
        command = ["bash", "-c", f'{shell}; exec "$@"', "bash", *command]
    server, client = Server(command, port), Client(port)
    try:
        while True:
            try:
                if (await client.ask(QUERY))[0] == 200:
                    break
            except (OSError, asyncio.IncompleteReadError):
                client = Client(port)
            await asyncio.sleep(0.1)
        for _ in range(50):
            await client.ask(QUERY)
        yield server
    finally:
        server.process.terminate()
        server.process.wait(20)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def closed_loop(server: Server, n_clients: int, n: int) -> tuple[float, list[float]]:
    """(answers a second, seconds of each) of clients that ask again as soon as they have one."""
    seconds: list[float] = []
    left = iter(range(n))

    async def client() -> None:
        own = Client(server.port)
        for _ in left:
            began = time.perf_counter()
            status, _ = await own.ask(QUERY)
            if status == 200:
                seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(n_clients)))
    return len(seconds) / (time.perf_counter() - began), seconds


async def open_loop(
    server: Server, n_clients: int, rate: float, duration_s: float
) -> tuple[list[float], list[float]]:
    """Seconds of the answered and of the refused requests, which come whatever has been answered.

    Counted from when the client sends. One that is still waiting sends its next one later, and
    none after the end: few clients cannot offer more than they have time to wait for.
    """
    answered: list[float] = []
    refused: list[float] = []
    end = time.perf_counter() + duration_s

    async def client() -> None:
        own, at = Client(server.port), time.perf_counter()
        while (at := at + random.expovariate(rate / n_clients)) < end:
            if (pause := at - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            began = time.perf_counter()
            if began > end:
                return
            status, _ = await own.ask(QUERY)
            (answered if status == 200 else refused).append(time.perf_counter() - began)

    await asyncio.gather(*(client() for _ in range(n_clients)))
    return answered, refused


async def overhead(index: Path, n: int) -> None:
    with Searcher.open(index, in_memory=True) as searcher:
        for _ in range(50):
            searcher.answer("tide and moon", lang="en", k=10)
        began = time.process_time()
        for _ in range(n):
            searcher.answer("tide and moon", lang="en", k=10)
        plain = (time.process_time() - began) / n * 1000
    found = {}
    for name, bare in (("xret serve", False), ("bare FastAPI", True)):
        async with serving(str(index), bare=bare) as server:
            client, before = Client(server.port), server.cpu_s
            for _ in range(n):
                await client.ask(QUERY)
            found[name] = (server.cpu_s - before) / n * 1000
    print("\n| CPU ms a search, limit 10 | | added |\n|---|--:|--:|")
    print(f"| Python | {plain:.2f} | |")
    for name, spent in found.items():
        print(f"| {name} | {spent:.2f} | {spent - plain:.2f} |")


def nasty() -> dict[str, bytes | str]:
    conditions = [{"field": f"meta.f{i}", "operator": "!=", "value": i} for i in range(250)]
    unknown = {"query": "x", **{f"unknown{i}": i for i in range(40_000)}}
    many = {"query": "tide", "filter": {"operator": "AND", "conditions": conditions}}
    negations = quote(" ".join(f"topic!=a{i}" for i in range(100)))
    return {
        "100 negations": f"{QUERY}&filter={negations}",
        "250 conditions": json.dumps(many).encode(),
        "1 MiB of unknown fields": json.dumps(unknown).encode(),
    }


async def abuse(index: Path, duration_s: float) -> None:
    print(
        "\n| beside a client who asks 20 times a second | p50 ms | p95 ms | of alone |\n"
        "|---|--:|--:|--:|"
    )
    async with serving(str(index)) as server:
        alone, _ = await open_loop(server, 1, 20, duration_s)
        usual = percentile(alone, 0.95)
        print(f"| nobody | {percentile(alone, 0.5):.1f} | {usual:.1f} | 1 |")
        for name, asked in nasty().items():
            other = asyncio.create_task(repeated(server, asked))
            seconds, _ = await open_loop(server, 1, 20, duration_s)
            other.cancel()
            p95 = percentile(seconds, 0.95)
            print(
                f"| {name}, 4 a second | {percentile(seconds, 0.5):.1f} | {p95:.1f} | "
                f"{p95 / usual:.1f} |"
            )
        for _ in range(8):  # sent, and not waited for
            client = Client(server.port)
            client.reader, client.writer = await asyncio.open_connection("127.0.0.1", server.port)
            path = nasty()["100 negations"]
            client.writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            client.writer.close()
        began = time.perf_counter()
        await Client(server.port).ask(QUERY)
        took = (time.perf_counter() - began) * 1000
        print(f"\nafter 8 abandoned searches of 100 negations the next takes {took:.1f} ms")


async def repeated(server: Server, asked: bytes | str) -> None:
    client = Client(server.port)
    while True:
        if isinstance(asked, bytes):
            await client.ask("/v1/search", asked)
        else:
            await client.ask(asked)
        await asyncio.sleep(0.25)


async def sockets(index: Path) -> None:
    async with serving(str(index), shell="ulimit -n 1024") as server:
        idle = []
        for n in range(1_600):
            one = socket.create_connection(("127.0.0.1", server.port))
            if n < 500:
                one.sendall(b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\n")
            idle.append(one)
            if n % 50 == 0:
                await asyncio.sleep(0)
        statuses = [(await Client(server.port).ask(QUERY))[0] for _ in range(100)]
        for one in idle:
            one.close()
    lines = (server.process.stderr.read() if server.process.stderr else b"").count(b"\n")
    print(
        f"\n500 slow and 1,100 idle sockets, 1,024 files: {statuses.count(200)} of 100 searches "
        f"answered, {lines} lines logged"
    )


async def soak(index: Path, n: int) -> None:
    async with serving(str(index)) as server:
        await closed_loop(server, 2, n // 4)
        before = server.rss_mib
        await closed_loop(server, 2, n - n // 4)
        print(
            f"\n{n:,} requests: {before:.1f} MiB after a quarter, {server.rss_mib:.1f} at the end"
        )


def corpus(n: int) -> list[Document]:
    rng = random.Random(7)
    return [
        Document(
            f"d{i}",
            " ".join(rng.choices(WORDS, k=30)),
            rng.choice(["en", "fr", "sw"]),
            meta={"topic": f"a{rng.randrange(50)}", "year": rng.randrange(1990, 2025)},
        )
        for i in range(n)
    ]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["overhead", "abuse", "sockets", "soak"])
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--requests", type=int, default=20_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        index = Path(home) / "bench"
        for _ in IndexBuild(corpus(asked.documents), index, load_encoder("xret-static")).run():
            pass
        for part in asked.parts:
            if part == "overhead":
                await overhead(index, 400)
            elif part == "sockets":
                await sockets(index)
            elif part == "soak":
                await soak(index, asked.requests)
            else:
                await abuse(index, asked.seconds)


if __name__ == "__main__":
    asyncio.run(main())
