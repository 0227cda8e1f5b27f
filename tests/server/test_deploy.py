"""The files that run the server elsewhere say what is so of it here."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import typer

from xret.cli.commands import app

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NORMAL = str.maketrans("_", "-")
TAKEN_WHERE_THERE = {"python-multipart", "sniffio"}
"""What fastapi and anyio look for, and do without here."""


def test_the_list_without_torch_has_what_serving_imports() -> None:
    """Else the container would start into an ImportError."""
    listed = {
        re.split(r"[>=<]", line)[0].strip().lower().translate(NORMAL)
        for line in (DEPLOY / "serve.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    program = (
        "import sys; before = set(sys.modules)\n"
        "import xret.server.serve, xret.retriever.encoders.static, xret.cli.commands\n"
        "from xret.retriever.opening.encoder import load_encoder\n"
        "load_encoder('xret-modular'); load_encoder('xret-static')\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    known = packages_distributions()
    needed = {
        known[name][0].lower().translate(NORMAL)
        for name in done.stdout.split()
        if name in known and name not in sys.stdlib_module_names
    }
    assert needed - {"xret"} - TAKEN_WHERE_THERE <= listed, needed - listed
    assert "torch" not in listed


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml", "../Containerfile"])
def test_variables_are_those_of_settings(name: str) -> None:
    command: Any = typer.main.get_command(app)
    flags = {option.name for option in command.commands["serve"].params}
    text = (DEPLOY / name).read_text(encoding="utf-8")
    named = {found.lower() for found in re.findall(r"XRET_SERVE_([A-Z_]+)", text)}
    assert named and named <= flags


def test_the_unit_reloads_and_stops_as_the_server_does() -> None:
    unit = (DEPLOY / "xret.service").read_text(encoding="utf-8")
    assert "ExecReload=/bin/kill -HUP $MAINPID" in unit
    assert "KillSignal=SIGTERM" in unit
