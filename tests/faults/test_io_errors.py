"""A disk that refuses: any one change fails, or all from there on, or a write is short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SAMPLE = int(os.environ.get("XRET_TEST_IO_ERRORS", "100"))
"""Failures that a run tries; `XRET_TEST_IO_ERRORS=100000` tries every one."""


@pytest.mark.slow
def test_after_any_failed_change_the_old_commit_is_served_and_work_goes_on(
    recorder: Path, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "LD_PRELOAD": str(recorder),
        "FAULTS_ROOT": str(tmp_path / "index"),
        "PYTHONPATH": str(TESTS),
    }
    command = [sys.executable, "-m", "faults.failing", str(tmp_path), str(SAMPLE)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    *faults, tried = ran.stdout.splitlines()
    assert not faults
    assert int(tried.removeprefix("tried ")) >= min(SAMPLE, 100)
