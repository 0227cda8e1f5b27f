"""Work is stopped in time wherever it is: in SQLite, in a scan, waiting for a lock."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder
from indices import random_documents

from xret.deadline import Deadline
from xret.errors import DeadlineError
from xret.index.scoring.coded_passages import BLOCK, run_shares
from xret.index.search.reader import IndexReader
from xret.index.storage.database import Database
from xret.retriever.searcher import Searcher

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"


def test_a_statement_is_interrupted(tmp_path: Path) -> None:
    with closing(Database.connect(tmp_path / "x.sqlite")) as database:
        began = time.monotonic()
        with pytest.raises(DeadlineError, match="after its 50 ms"), database.until(Deadline(0.05)):
            database.rows(ENDLESS)
        assert time.monotonic() - began < 0.5
        assert database.rows("SELECT 1") == [(1,)]


def test_a_statement_waits_for_a_writer_no_longer_than_it_may(tmp_path: Path) -> None:
    with (
        closing(Database.connect(tmp_path / "x.sqlite")) as writer,
        closing(Database.connect(tmp_path / "x.sqlite")) as reader,
    ):
        writer._connection.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(DeadlineError), reader.until(Deadline(0.05)):
            reader.rows("SELECT * FROM sqlite_master")
        assert time.monotonic() - began < 0.5


def test_a_statement_ends_when_its_client_leaves(tmp_path: Path) -> None:
    gone = threading.Event()
    timer = threading.Timer(0.05, gone.set)
    timer.start()
    with closing(Database.connect(tmp_path / "x.sqlite")) as database:
        until = database.until(Deadline(gone=gone))
        with pytest.raises(DeadlineError, match="has left"), until:
            database.rows(ENDLESS)
    timer.join()


def test_a_lock_is_waited_for_no_longer() -> None:
    lock = threading.Lock()
    with lock, pytest.raises(DeadlineError), Deadline(0.01).holding(lock):
        pass
    with Deadline().holding(lock):
        assert lock.locked()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_scan_is_stopped_between_blocks(threads: int) -> None:
    gone = threading.Event()
    seen: list[tuple[int, int]] = []

    def work(first: int, last: int) -> int:
        seen.append((first, last))
        if len(seen) >= 5:
            gone.set()
        return -1

    offsets = np.arange(101) * (BLOCK // 100)
    with pytest.raises(DeadlineError):
        run_shares(work, offsets, None, n_vectors=20, threads=threads, deadline=Deadline(gone=gone))
    assert 5 <= len(seen) < 10


def test_blocks_cover_every_column_once() -> None:
    columns = np.zeros(100, np.int64)

    def work(first: int, last: int) -> int:
        columns[first:last] += 1
        return -1

    offsets = np.arange(101) * (BLOCK // 100)
    run_shares(work, offsets, None, n_vectors=20, threads=2, deadline=Deadline())
    assert (columns == 1).all()


def test_a_search_by_python_is_stopped_too(tmp_path: Path) -> None:
    build(random_documents(3, 30), tmp_path / "i", HashingEncoder(), lexical=True)
    reader = IndexReader.open(tmp_path / "i")
    with Searcher("i", reader, HashingEncoder()) as words:
        for mode in ("lexical", None):
            with pytest.raises(DeadlineError):
                words.answer("moon tide", lang="en", mode=mode, timeout_ms=1e-6)
        assert words.answer("moon tide", lang="en", mode="lexical", timeout_ms=60_000).hits
