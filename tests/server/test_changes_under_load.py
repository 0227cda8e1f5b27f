"""An index is harmed, taken away and replaced while several clients ask it: none gets what is not
so, and the process lives."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.conftest import build_index
from tests.server.processes import ASKED, Clients, Process, Reply, is_ready, process, said_in
from xret.types import Document

GONE_S = 5.0
"""How long after an index is gone it may still be answered from."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, index: Path) -> Path:
    """Two indices that no test changes: one, and another with other documents."""
    folder = tmp_path_factory.mktemp("kept")
    shutil.copytree(index, folder / "one")
    others = [Document(f"other.{i:02}", f"tides of another index {i}", "en") for i in range(25)]
    build_index(folder / "other", others)
    return folder


@pytest.fixture(scope="module")
def server(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Path]]:
    home = tmp_path_factory.mktemp("served")
    swap(home, kept, "one")
    words = [f"demo={home / 'current'}", "--watch-every-s", "0.2", "--probe-every-s", "0.5"]
    with process(*words, home=home) as running:
        yield running, home


@pytest.fixture(scope="module")
def truths(server: tuple[Process, Path], kept: Path) -> dict[str, Any]:
    """What each of the two answers when nothing happens."""
    running, home = server
    found: dict[str, Any] = {}
    for name in ("other", "one"):
        swap(home, kept, name)
        while True:
            reply = httpx.post(f"{running.url}/v1/search", json=ASKED)
            if reply.status_code == 200 and (name == "other") == said_in(reply)[0][0].startswith(
                "other"
            ):
                found[name] = said_in(reply)
                break
            time.sleep(0.05)
    return found


def swap(home: Path, kept: Path, name: str) -> None:
    """A copy of an index, to which the served link leads from now on."""
    copy = home / f"{name}-{time.monotonic_ns()}"
    shutil.copytree(kept / name, copy)
    (home / "next").symlink_to(copy)
    (home / "next").replace(home / "current")


def codes_of(home: Path) -> Path:
    folder = (home / "current").resolve()
    return next(path for path in sorted(folder.rglob("*")) if path.name == "codes.u8")


def truncate(home: Path, _: Path) -> None:
    path = codes_of(home)
    os.truncate(path, path.stat().st_size // 2)


def write_over(home: Path, _: Path) -> None:
    path = codes_of(home)
    path.write_bytes(b"\x07" * path.stat().st_size)


def copy_over(home: Path, kept: Path) -> None:
    """Every file of the other index, over the files of the same names."""
    shutil.copytree(kept / "other", (home / "current").resolve(), dirs_exist_ok=True)


def delete(home: Path, _: Path) -> None:
    shutil.rmtree((home / "current").resolve())


def move(home: Path, _: Path) -> None:
    (home / "current").resolve().rename(home / f"away-{time.monotonic_ns()}")


def rebuild(home: Path, kept: Path) -> None:
    """Another index at the very same path."""
    folder = (home / "current").resolve()
    shutil.rmtree(folder)
    shutil.copytree(kept / "other", folder)


def swap_link(home: Path, kept: Path) -> None:
    swap(home, kept, "other")


CHANGES: dict[Callable[[Path, Path], None], set[str]] = {
    truncate: set(),
    write_over: set(),
    delete: set(),
    move: set(),
    copy_over: {"other"},
    rebuild: {"other"},
    swap_link: {"other"},
}
"""With the indices that may be answered from once the change has been seen."""


def check(
    clients: Clients, truths: dict[str, Any], changed: float, until: float, after: set[str]
) -> None:
    """No failed connection, no wrong answer, none from what has been gone for long."""
    for reply in clients.replies:
        assert reply.status in (200, 503), reply
        if reply.status == 200:
            assert reply.said in truths.values(), reply
            if changed + GONE_S < reply.asked and reply.answered < until:
                assert any(reply.said == truths[name] for name in after), reply


def run(
    server: tuple[Process, Path],
    kept: Path,
    truths: dict[str, Any],
    change: Callable[[Path, Path], None],
    *,
    n_clients: int,
    stay_s: float,
) -> None:
    running, home = server
    after = CHANGES[change]

    def answered_from(name: str) -> Callable[[Reply], bool]:
        return lambda reply: bool(reply.said == truths[name])

    with Clients(n_clients, lambda: running.url) as clients:
        clients.seen(answered_from("one"))
        change(home, kept)
        changed = time.monotonic()
        if after:
            clients.seen(answered_from("other"))
        else:
            clients.seen(lambda reply: reply.status == 503)
        time.sleep(max(0.0, changed + stay_s - time.monotonic()))
        until = time.monotonic()
        assert is_ready(running.url) == bool(after)
        swap(home, kept, "one")
        clients.seen(answered_from("one"))
    assert until - changed < max(stay_s, GONE_S) + 1
    check(clients, truths, changed, until, after)
    assert running.popen.poll() is None


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_clients_get_what_is_so_or_a_refusal(
    server: tuple[Process, Path],
    kept: Path,
    truths: dict[str, Any],
    change: Callable[[Path, Path], None],
) -> None:
    run(server, kept, truths, change, n_clients=3, stay_s=0.0)


@pytest.mark.slow
@pytest.mark.skipif(
    "XRET_TEST_CHANGES" not in os.environ, reason="takes a minute; XRET_TEST_CHANGES=1 runs it"
)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_many_clients_get_what_is_so_for_long(
    server: tuple[Process, Path],
    kept: Path,
    truths: dict[str, Any],
    change: Callable[[Path, Path], None],
) -> None:
    run(server, kept, truths, change, n_clients=16, stay_s=GONE_S + 3)
