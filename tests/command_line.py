"""The real command line, run in a folder of the test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Xret = Callable[..., subprocess.CompletedProcess[str]]

MAIN = "from xret.cli import main; main()"
FAST_MAIN = (
    "from xret.retriever.models import registry; registry.DEFAULT_ENCODER = 'xret-static'; " + MAIN
)
"""`xret` with the encoder that indexes a hundred times faster as the default: for what is asked of
the commands and not of the encoder."""


def run_xret(
    *words: str, folder: Path, home: Path, program: str = FAST_MAIN, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command as typed in `folder`, with its output and exit status."""
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "XRET_HOME": str(home), **environment},
        timeout=120,
    )


def write_corpus(path: Path, n: int = 20) -> Path:
    lines = [
        {"_id": f"d{i}", "text": f"river {i} flows to the sea", "lang": "en"} for i in range(n)
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path
