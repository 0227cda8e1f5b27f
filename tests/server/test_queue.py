"""Which searches are taken, and in what order threads are given to them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from xret.deadline import Deadline
from xret.errors import DeadlineError
from xret.server.errors import HttpError
from xret.server.indexes import queue as queues
from xret.server.indexes.queue import WorkQueue


class Gate:
    """Work that goes on once it is let."""

    def __init__(self) -> None:
        self.gates: list[threading.Event] = []
        self.begun: list[int] = []

    def work(self) -> Callable[[], int]:
        n, gate = len(self.gates), threading.Event()
        self.gates.append(gate)

        def wait() -> int:
            self.begun.append(n)
            assert gate.wait(10)
            return n

        return wait


@pytest.fixture(autouse=True)
def one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "processors", lambda: 1)


async def started(queue: WorkQueue, gate: Gate, n: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(queue.run(gate.work(), Deadline())) for _ in range(n)]
    while queue.load < n or not gate.begun:
        await asyncio.sleep(0.001)
    return tasks


def test_searches_that_would_be_answered_late_are_refused() -> None:
    async def run() -> None:
        queue, gate = WorkQueue(threads=4, max_waiting=64), Gate()
        queue.gap_s = queue.mean_s = 100.0  # so that nothing of this test takes long
        tasks = await started(queue, gate, 2)
        with pytest.raises(HttpError) as refused:
            await queue.run(lambda: 0, Deadline())
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
        assert queue.load == 2
        for each in gate.gates:
            each.set()
        assert await asyncio.gather(*tasks) == [0, 1]
        assert queue.load == 0

    asyncio.run(run())


def test_where_searches_run_side_by_side_more_are_taken() -> None:
    async def run() -> None:
        queue, gate = WorkQueue(threads=4, max_waiting=64), Gate()
        queue.gap_s, queue.alone_s, queue.mean_s = 25.0, 100.0, 100.0
        tasks = await started(queue, gate, 7)
        assert queue.refusal() is None
        assert queue.refusal(coming=2) is not None
        for each in gate.gates:
            each.set()
        assert await asyncio.gather(*tasks) == [*range(7)]

    asyncio.run(run())


def test_one_is_computed_after_the_other_and_beside_one_that_runs_long() -> None:
    async def run() -> None:
        queue, gate = WorkQueue(threads=2, max_waiting=64, max_wait_s=1e6), Gate()
        queue.mean_s = 0.1
        tasks = await started(queue, gate, 3)
        assert gate.begun == [0]
        while gate.begun != [0, 1]:  # twice the mean after the first
            await asyncio.sleep(0.001)
        gate.gates[0].set()
        assert await tasks[0] == 0
        await asyncio.sleep(0.02)
        assert gate.begun == [0, 1]  # one processor has enough in the other
        gate.gates[1].set()
        gate.gates[2].set()
        assert await asyncio.gather(*tasks) == [0, 1, 2]
        assert queue.load == 0

    asyncio.run(run())


def test_who_waits_beyond_its_deadline_leaves_no_place_taken() -> None:
    async def run() -> None:
        queue, gate = WorkQueue(threads=1, max_waiting=64, max_wait_s=1e6), Gate()
        tasks = await started(queue, gate, 1)
        with pytest.raises(DeadlineError):
            await queue.run(lambda: 9, Deadline(0.01))
        assert queue.load == 1
        gate.gates[0].set()
        assert await tasks[0] == 0
        assert await queue.run(lambda: 7, Deadline()) == 7
        assert queue.load == 0

    asyncio.run(run())


def test_what_searches_take_alone_and_together_is_counted() -> None:
    async def run() -> None:
        queue = WorkQueue(threads=1, max_waiting=64)
        for _ in range(3):
            await queue.run(lambda: None, Deadline())
        assert queue.mean_s > 0
        assert queue.alone_s > 0
        assert queue.gap_s > 0
        alone_s = queue.alone_s
        await asyncio.gather(*(queue.run(lambda: None, Deadline()) for _ in range(2)))
        assert queue.alone_s == alone_s

    asyncio.run(run())


def test_work_that_never_began_gives_its_thread_back() -> None:
    async def run() -> None:
        queue = WorkQueue(threads=2, max_waiting=8)
        for _ in range(4):
            late = asyncio.create_task(queue.run(lambda: 1, Deadline(0.01)))
            await asyncio.sleep(0)
            time.sleep(0.08)  # the loop has other things to do until the deadline is over
            with pytest.raises(DeadlineError):
                await late
        await asyncio.sleep(0.05)
        assert queue.load == 0
        assert await queue.run(lambda: 2, Deadline(5.0)) == 2

    asyncio.run(run())
