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
    root: Any = context.find_root().command
    file = checked(read_settings(Path.cwd()), root)
    rows = []
    for command, table, option in _options(root):
        variable = next(filter(os.environ.get, _variables(command, option)), None)
        if variable is not None:
            value, source = os.environ[variable], variable
        elif option.name in _table(file, table):
            value, source = _table(file, table)[option.name], SETTINGS_FILE
        else:
            value, source = option.default, "default"
        flag = option.opts[-1]
        rows.append((f"{command} {flag}", "" if value is None else str(value), source))
    print_table(("setting", "value", "from"), rows)


def name_variables(command: Any) -> None:
    """Let every option of a command line be set by the variables of all its names."""
    for words, _, option in _options(command):
        option.envvar = _variables(words, option)


def checked(settings: dict[str, Any], command: Any) -> dict[str, Any]:
    """The settings as click's default map: tables by command, values by parameter.

    A key is any name of a flag without its dashes (`hits`, `k`, `query-lang`). Raises
    ConfigError for a name that is none, with the nearest, for a table where a value belongs
    or the reverse, and for a value that the flag would not take.
    """
    known: dict[tuple[str, ...], dict[str, Any]] = {}
    for _, table, option in _options(command) if settings else []:
        known.setdefault(table, {}).update(dict.fromkeys(_names(option), option))
    return _checked(settings, (), known)


def _checked(
    table: dict[str, Any], path: tuple[str, ...], known: dict[tuple[str, ...], dict[str, Any]]
) -> dict[str, Any]:
    tables = {names[len(path)] for names in known if names[: len(path)] == path and names != path}
    options = known.get(path, {})
    found: dict[str, Any] = {}
    for name, value in table.items():
        where = ".".join((*path, name))
        option = options.get(name.replace("-", "_"))
        if name in tables:
            if not isinstance(value, dict):
                raise _wrong(f"{where} is a table; write [{where}] and the settings below it")
            found[name] = _checked(value, (*path, name), known)
        elif option is None:
            names = sorted({*tables, *options})
            close = difflib.get_close_matches(name, names, n=1) or names
            raise _wrong(f"no setting is called {where!r}; did you mean {' or '.join(close)}?")
        elif option.name in found:
            raise _wrong(f"{where} is set twice, under two of its names")
        else:
            found[option.name] = _value(option, value, where)
    return found


def _value(option: Any, value: Any, where: str) -> Any:
    """A value that the flag takes, as it was written."""
    if isinstance(value, dict):
        raise _wrong(f"{where} takes a value, and a table was found")
    if isinstance(value, list) != bool(option.multiple):
        wanted = "a list" if option.multiple else "one value"
        raise _wrong(f"{where} takes {wanted}, found {value!r}")
    try:
        option.process_value(typer.Context(typer.core.TyperCommand("xret")), value)
    except typer.BadParameter as error:
        raise _wrong(f"{where} cannot be {value!r}: {error.message}") from error
    return value


def _wrong(text: str) -> ConfigError:
    return ConfigError(f"{SETTINGS_FILE}: {text}")


def _names(option: Any) -> list[str]:
    """What an option may be called: by its flags, longest first, and as a parameter."""
    flags = sorted((flag.lstrip("-") for flag in option.opts), key=len, reverse=True)
    return list(dict.fromkeys(name.replace("-", "_") for name in (*flags, option.name)))


def _variables(command: str, option: Any) -> list[str]:
    words = command.replace("-", "_").split()
    return ["_".join(["XRET", *words, name]).upper() for name in _names(option)]


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
