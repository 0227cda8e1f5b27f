"""The command line as a fixture."""

import subprocess
from pathlib import Path

import pytest
from command_line import Xret, run_xret


@pytest.fixture
def xret(home: Path, tmp_path: Path) -> Xret:
    """Run the real command in a folder of the test's own."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_xret(*words, folder=tmp_path, home=home, **environment)

    return run
