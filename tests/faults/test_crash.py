"""A crash at any change to a file, and a disk that loses what was not synced."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.disk import Change, Disk, Loss, read_record
from faults.life import CODEC_ROWS, STEPS, contents, expected_after, finish

from xret.index.coding import recoding

TESTS = Path(__file__).parents[1]
LOSSES = ("none", "all", "torn", "zeroed", "reordered")
SAMPLE = int(os.environ.get("XRET_TEST_CRASHES", "160"))
"""States that a run looks at; `XRET_TEST_CRASHES=6000` looks at all that the record gives."""


@pytest.fixture(scope="session")
def changes(recorder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Change]:
    """Every change that the whole life of the index makes, its paths below /root."""
    root = tmp_path_factory.mktemp("life")
    log = tmp_path_factory.mktemp("log") / "record"
    environment = {
        **os.environ,
        "LD_PRELOAD": str(recorder),
        "FAULTS_ROOT": str(root),
        "FAULTS_LOG": str(log),
        "PYTHONPATH": str(TESTS),
    }
    life = [sys.executable, "-m", "faults.life", str(root / "index"), "0"]
    subprocess.run(life, check=True, env=environment)
    assert contents(root / "index") == expected_after(len(STEPS))
    return [
        Change(c.op, c.path.replace(str(root), "", 1), c.to.replace(str(root), "", 1), *rest(c))
        for c in read_record(log)
    ]


def rest(change: Change) -> tuple[int, bytes]:
    return change.offset, change.data


def states(
    changes: list[Change], wanted: int
) -> Iterator[tuple[str, int, dict[str, bytes | None]]]:
    """(name, steps acknowledged, what the disk holds), spread evenly over all crashes."""
    rounds = max(1, wanted // (len(changes) * len(LOSSES)) + 1)
    every = max(1, len(changes) * len(LOSSES) * rounds // wanted)
    disk, acknowledged, number = Disk(""), 0, 0
    for at, change in enumerate(changes):
        disk.apply(change)
        if change.path == "/done":
            acknowledged += change.op == "w"
            continue
        for kind in LOSSES:
            for seed in range(rounds):
                number += 1
                if number % every == 0:
                    loss = Loss(kind, seed * 1_000_003 + at)
                    yield f"change {at}, {kind}, seed {seed}", acknowledged, disk.after_crash(loss)


def lay_out(found: dict[str, bytes | None], root: Path) -> None:
    for path, content in found.items():
        if content is None:
            (root / path).mkdir(parents=True)
        else:
            (root / path).write_bytes(content)


@pytest.mark.slow
def test_a_crash_at_any_change_loses_nothing_acknowledged(
    changes: list[Change], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recoding, "CODEC_ROWS", CODEC_ROWS)
    seen = 0
    for name, acknowledged, found in states(changes, SAMPLE):
        root = tmp_path / "crashed"
        root.mkdir()
        lay_out({p: c for p, c in found.items() if p != "done"}, root)
        allowed = [expected_after(n) for n in (acknowledged, acknowledged + 1)]
        index = root / "index"
        there = contents(index) if index.exists() else {}
        assert there in allowed, name
        done = acknowledged + allowed.index(there)
        finish(index, done)
        assert contents(index) == expected_after(len(STEPS)), name
        shutil.rmtree(root)
        seen += 1
    print(f"{seen} states after {len(changes)} changes")
    assert seen >= SAMPLE * 3 // 4
