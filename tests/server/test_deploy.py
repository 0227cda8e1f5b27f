"""The files that run the server elsewhere say what is so of it here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import typer

from xret.cli.commands import app
from xret.server.border.keyring import Keyring, new_key

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


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes another user"
)
def test_a_server_of_another_user_reads_keys_through_its_group() -> None:
    """As the container's user and the unit's do."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from xret.errors import ConfigError\n"
        "from xret.server.border.keyring import Keyring\n"
        "os.setgroups([]); os.setgid(10001); os.setuid(10001)\n"
        "try:\n"
        "    print(len(Keyring(Path(sys.argv[1])).current()))\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        keyring = Keyring(Path(folder) / "keys.json")
        keyring.add(new_key(["search"])[1])

        def read() -> str:
            command = [sys.executable, "-c", program, str(keyring.path)]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        assert "Permission denied" in read()
        os.chown(keyring.path, -1, 10001)
        keyring.path.chmod(0o640)
        assert read() == "1\n"
        keyring.add(new_key(["search"])[1])
        assert read() == "2\n"
    unit = (DEPLOY / "xret.service").read_text(encoding="utf-8")
    assert "SupplementaryGroups=xret-keys" in unit and "chmod 640 /etc/xret/keys.json" in unit
    assert "chgrp 10001" in (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    containerfile = (DEPLOY / "../Containerfile").read_text(encoding="utf-8")
    assert "--uid 10001" in containerfile
