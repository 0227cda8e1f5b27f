"""The search server in an open loop, beyond what it can answer: python benchmarks/server_load.py

Requests come at their own times, whatever has been answered, at 2 and 10 times the capacity. The
server and this process, which is its clients, have a processor each where there are two, for the
capacity as for the load, or share all (--shared). Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from server import (  # noqa: TID251  (the file beside this one)
    QUERY,
    Server,
    corpus,
    percentile,
    serving,
)
from xret.retriever.build import IndexBuild
from xret.retriever.opening.encoder import load_encoder

ASKED = f"GET {QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

Told = Callable[["Connection", int, float], None]


class Connection(asyncio.Protocol):
    """A connection that is kept, with one request at a time. told: status and seconds of each."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.transport: asyncio.Transport | None = None
        self._read = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self) -> None:
        assert self.transport is not None
        self._began = time.perf_counter()
        self.transport.write(ASKED)

    def data_received(self, data: bytes) -> None:
        self._read += data
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._read[:end].lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(self._read) >= end + 4 + length:
            self._read = b""
            self.told(self, int(head[9:12]), time.perf_counter() - self._began)


async def connected(server: Server, n_clients: int, told: Told) -> list[Connection]:
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(told), "127.0.0.1", server.port)
        for _ in range(n_clients)
    ]
    return [connection for _, connection in made]


async def closed_loop(
    server: Server, n_clients: int, duration_s: float
) -> tuple[float, list[float]]:
    """(answers a second, seconds of each) of clients that ask again as soon as they have one."""
    seconds: list[float] = []
    end = time.perf_counter() + duration_s

    def told(connection: Connection, status: int, took_s: float) -> None:
        if time.perf_counter() < end:
            if status == 200:
                seconds.append(took_s)
            connection.ask()

    connections = await connected(server, n_clients, told)
    for connection in connections:
        connection.ask()
    await asyncio.sleep(duration_s + 0.5)
    for connection in connections:
        if connection.transport is not None:
            connection.transport.close()
    return len(seconds) / duration_s, seconds


async def open_loop(
    server: Server, n_clients: int, rate: float, duration_s: float
) -> tuple[list[float], list[float]]:
    """Seconds of the answered and of the refused requests, each counted from when it is sent.

    A client that is still waiting sends its next request as soon as it has the answer: one
    client cannot offer more than it has time to wait for.
    """
    answered: list[float] = []
    refused: list[float] = []
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    end = began + duration_s
    due: dict[Connection, float] = {}

    def next_of(connection: Connection) -> None:
        due[connection] += random.expovariate(rate / n_clients)
        pause_s = due[connection] - time.perf_counter()
        if time.perf_counter() + max(pause_s, 0.0) >= end:
            return
        if pause_s > 0:
            loop.call_later(pause_s, connection.ask)
        else:
            connection.ask()

    def told(connection: Connection, status: int, took_s: float) -> None:
        (answered if status == 200 else refused).append(took_s)
        next_of(connection)

    connections = await connected(server, n_clients, told)
    for connection in connections:
        due[connection] = began
        next_of(connection)
    await asyncio.sleep(duration_s + 1.0)
    for connection in connections:
        if connection.transport is not None:
            connection.transport.close()
    return answered, refused


async def load(
    index: Path, duration_s: float, factors: list[float], counts: list[int], *, pinned: bool
) -> None:
    own, others = split_processors() if pinned else (None, None)
    shell = f"taskset -p -c {others} $$ >&2" if others is not None else ""
    async with serving(str(index), shell=shell) as server:
        if own is not None:
            os.sched_setaffinity(0, {own})
        await closed_loop(server, 1, duration_s / 2)  # until it is warm
        columns = [
            *("offered", "clients", "capacity/s", "sent/s", "answered/s", "of capacity"),
            *("normal p99 ms", "p50 ms", "p99 ms", "of normal"),
            *("refused", "their p50 ms", "their p99 ms"),
        ]
        print(f"\n| {' | '.join(columns)} |\n|{'--:|' * len(columns)}", flush=True)
        for factor in factors:
            for n_clients in counts:
                # Anew each time: on a machine that others use too it changes in a minute.
                one, alone = await closed_loop(server, 1, duration_s / 2)
                two, _ = await closed_loop(server, 2, duration_s / 2)  # none of whom is refused
                capacity, normal = max(one, two), percentile(alone, 0.99)
                answered, refused = await open_loop(
                    server, n_clients, factor * capacity, duration_s
                )
                p99, rate = percentile(answered, 0.99), len(answered) / duration_s
                cells = [
                    f"{factor:g}x",
                    f"{n_clients}",
                    f"{capacity:.0f}",
                    f"{(len(answered) + len(refused)) / duration_s:,.0f}",
                    f"{rate:.0f}",
                    f"{rate / (one if n_clients == 1 else capacity):.0%}",
                    f"{normal:.1f}",
                    f"{percentile(answered, 0.5):.1f}",
                    f"{p99:.1f}",
                    f"{p99 / normal:.1f}",
                    f"{len(refused):,}",
                    f"{percentile(refused, 0.5):.1f}",
                    f"{percentile(refused, 0.99):.1f}",
                ]
                print(f"| {' | '.join(cells)} |", flush=True)
                await asyncio.sleep(1.0)


def split_processors() -> tuple[int | None, int | None]:
    """A processor for the clients and another for the server; None where there is but one."""
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
        return None, None
    first, second, *_ = sorted(os.sched_getaffinity(0))
    return first, second


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--index", type=Path, help="one that is there, in the place of a new one")
    parser.add_argument("--factors", type=float, nargs="+", default=[2, 10])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument(
        "--shared", action="store_true", help="let both have all processors, and take from another"
    )
    asked = parser.parse_args()
    gc.disable()
    with tempfile.TemporaryDirectory() as home:
        index = asked.index
        if index is None:
            index = Path(home) / "bench"
            for _ in IndexBuild(corpus(asked.documents), index, load_encoder("xret-static")).run():
                pass
        await load(index, asked.seconds, asked.factors, asked.clients, pinned=not asked.shared)


if __name__ == "__main__":
    asyncio.run(main())
