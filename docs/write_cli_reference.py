"""Writes docs/cli.md from the commands themselves: `make docs`, after a flag has changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from xret.cli import app

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# The command line

This page is written from the commands by `make docs`; `xret COMMAND --help` prints the same.

Results go to stdout, progress and messages to stderr; `--json` prints JSON. The exit status is 0
when the work is done, 1 when it failed, 2 for wrong use, 130 when it was interrupted and can be
resumed by the same command.

Each flag may also be set by an environment variable, `XRET_` with the command's words and the
flag (`XRET_SEARCH_HITS`, `XRET_LANG_ADD_STEPS`), or in `xret.toml`, in the command's table
(`[search]`, `hits = 5`). A flag wins over the environment, the environment over the file;
`xret config COMMAND` prints each value and where it came from. `XRET_DEVICE`, and `device` above
all tables, are for every command with `--device` but those that train. A flag marked * may be
repeated.
"""


def reference() -> str:
    """The whole page."""
    root: Any = typer.main.get_command(app)
    sections = [HEAD, *_groups(root, ("xret",))]
    return "\n".join(sections)


def commands(group: Any, path: tuple[str, ...] = ("xret",)) -> Iterator[tuple[str, Any]]:
    """Each command under its words (`xret corpus list`), in the order of the help; no groups."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def flags(command: Any) -> list[Any]:
    """The options and arguments that a user may type, `--help` apart."""
    return [p for p in command.params if p.name != "help" and not getattr(p, "hidden", False)]


def _groups(group: Any, path: tuple[str, ...]) -> Iterator[str]:
    if flags(group):
        yield _table(group)
    for name, command in group.commands.items():
        if getattr(command, "hidden", False):
            continue
        words = (*path, name)
        yield f"{'#' * len(words)} `{' '.join(words)}`\n\n{_prose(command.help)}\n"
        if hasattr(command, "commands"):
            yield from _groups(command, words)
        elif flags(command):
            yield _table(command)


def _table(command: Any) -> str:
    context = typer.Context(command)
    rows = ["| | default | |", "|---|---|---|"]
    for param in flags(command):
        meaning = _cell(param.help or "")
        rows.append(f"| {_spelling(param, context)} | {_default(param)} | {meaning} |")
    return "\n".join(rows) + "\n"


def _spelling(param: Any, context: typer.Context) -> str:
    """The names of a flag and its choices, or of an argument, as one cell."""
    if param.param_type_name == "argument":
        return f"**{_cell((param.metavar or param.name).upper())}**"
    names = [*param.opts, *param.secondary_opts]
    spelling = ", ".join(f"`{name}`" for name in names) + (" *" if param.multiple else "")
    values = str(param.metavar or param.display_type(context)).strip("<>")
    values = values.removeprefix("list[").removesuffix("]")
    return f"{spelling} {_cell(values)}" if "|" in values else spelling


def _default(param: Any) -> str:
    if param.required:
        return "required"
    default = getattr(param.default, "value", param.default)
    if default in (None, (), [], False, True):
        switch = param.secondary_opts and param.opts
        return f"`{(switch if default else param.secondary_opts)[0]}`" if switch else ""
    return f"`{_cell(str(default))}`"


def _prose(text: str) -> str:
    return " ".join(text.replace("\b", "").split())


def _cell(text: str) -> str:
    """Text that a table's cell shows as it is."""
    return _prose(text).replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
