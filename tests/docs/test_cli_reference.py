"""docs/cli.md says what the commands say, and each flag says what it is for."""

import runpy
from pathlib import Path
from typing import Any

import typer

from xret.cli import app

DOCS = Path(__file__).resolve().parents[2] / "docs"
WRITER = runpy.run_path(str(DOCS / "write_cli_reference.py"))
ROOT: Any = typer.main.get_command(app)


def test_the_reference_is_what_the_commands_say() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert page == WRITER["reference"](), "the command line has changed; run: make docs"


def test_every_flag_and_every_command_is_explained() -> None:
    commands = [("xret", ROOT), *WRITER["commands"](ROOT)]
    flags = [(words, flag) for words, command in commands for flag in WRITER["flags"](command)]
    assert not [f"{words} {flag.opts[-1]}" for words, flag in flags if not flag.help]
    assert not [words for words, command in commands if not command.help]
