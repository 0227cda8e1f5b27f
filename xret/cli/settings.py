"""`xret config`: every setting, its value and where the value came from."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

import typer

from xret.cli.output import print_table
from xret.config import SETTINGS_FILE, read_settings
from xret.errors import ConfigError

__all__ = ["checked", "config"]


def config(context: typer.Context) -> None:
    """Every setting with its value and its source: environment, xret.toml or default."""
    file = read_settings(Path.cwd())
    root = context.find_root()
    rows = []
    for command, table, option in _options(root.command):
        variable = "_".join(["XRET", *command.split(), option.name]).upper().replace("-", "_")
        if variable in os.environ:
            value, source = os.environ[variable], variable
        elif option.name in _table(file, table):
            value, source = _table(file, table)[option.name], SETTINGS_FILE
        else:
            value, source = option.default, "default"
        flag = option.opts[-1]
        rows.append((f"{command} {flag}", "" if value is None else str(value), source))
    print_table(("setting", "value", "from"), rows)


def checked(settings: dict[str, Any], app: typer.Typer) -> dict[str, Any]:
    """The settings themselves, once every table and key is known to name a flag.

    Raises ConfigError with the nearest known name.
    """
    if settings:
        known: dict[tuple[str, ...], set[str]] = {}
        for _, table, option in _options(typer.main.get_command(app)):
            known.setdefault(table, set()).add(option.name)
        _check(settings, (), known)
    return settings


def _check(
    table: dict[str, Any], path: tuple[str, ...], known: dict[tuple[str, ...], set[str]]
) -> None:
    tables = {names[len(path)] for names in known if names[: len(path)] == path and names != path}
    for name, value in table.items():
        if name in tables and isinstance(value, dict):
            _check(value, (*path, name), known)
        elif name not in known.get(path, set()):
            options = sorted(tables | known.get(path, set()))
            close = difflib.get_close_matches(name, options, n=1) or options
            raise ConfigError(
                f"{SETTINGS_FILE}: no setting is called {'.'.join((*path, name))!r}; "
                f"did you mean {' or '.join(close)}?"
            )


def _options(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, tuple[str, ...], Any]]:
    """(command words, table in the file, option) of every option below a command."""
    found = []
    for name, sub in getattr(command, "commands", {}).items():
        found += _options(sub, (*path, name))
    if path:
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        found += [(" ".join(path), path, option) for option in options]
    return found


def _table(settings: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        settings = settings.get(name, {})
    return settings
