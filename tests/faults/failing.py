"""The life of an index with the n-th change to its files failing, for many n.

Run as a program with recorder.c preloaded: prints one line a failure that was not survived.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import traceback
from pathlib import Path

from faults.life import CODEC_ROWS, STEPS, contents, expected_after, finish, note_of

from xret.errors import XretError
from xret.index.coding import recoding

__all__ = ["main"]

MODES = [
    (errno.EIO, False),
    (errno.EIO, True),
    (errno.ENOSPC, False),
    (errno.ENOSPC, True),
    (0, False),
]
"""(errno, for ever); errno 0 is a write that takes half of its bytes."""

CLEAN, BROKEN = 3, 4


def main(folder: Path, wanted: int) -> int:
    """Fail about `wanted` times, evenly spread; returns how many were tried."""
    recorder = ctypes.CDLL(None)
    recorder.faults_changes.restype = ctypes.c_long
    recoding.CODEC_ROWS = CODEC_ROWS
    index = folder / "index"
    index.mkdir()
    recorder.faults_arm(0, 0, 0)
    finish(index, 0)
    n_changes = recorder.faults_changes()
    every = max(1, n_changes * len(MODES) // wanted)
    tried = 0
    for number in range(0, n_changes * len(MODES), every):
        at, (error, ever) = number // len(MODES) + 1, MODES[number % len(MODES)]
        shutil.rmtree(index)
        index.mkdir()
        note_of(index).write_text("")
        try:
            _fail(recorder, index, at, error, ever)
        except AssertionError as found:
            print(f"change {at}, errno {error}, for ever {ever}: {found}")
        tried += 1
    return tried


def _fail(recorder: ctypes.CDLL, index: Path, at: int, error: int, ever: bool) -> None:
    child = os.fork()
    if child == 0:
        recorder.faults_arm(at, error, int(ever))
        os._exit(_live(index))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, CLEAN), f"ended with {status}"
    acknowledged = len(note_of(index).read_text().splitlines())
    allowed = [expected_after(n) for n in (acknowledged, acknowledged + 1)]
    there = contents(index)
    assert there in allowed, f"{len(there)} documents after step {acknowledged}"
    finish(index, acknowledged + allowed.index(there))
    assert contents(index) == expected_after(len(STEPS)), "not the same in the end"


def _live(index: Path) -> int:
    try:
        finish(index, 0)
    except (XretError, OSError) as error:
        return CLEAN if str(error) else BROKEN
    except BaseException:
        traceback.print_exc()
        return BROKEN
    return 0


if __name__ == "__main__":
    print(f"tried {main(Path(sys.argv[1]), int(sys.argv[2]))}")
