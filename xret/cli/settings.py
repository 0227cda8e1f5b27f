"""`xret config`: the settings, their values and where those came from."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table
from xret.config import SETTINGS_FILE, read_settings
from xret.errors import ConfigError

__all__ = ["checked", "config", "name_variables"]

HEADINGS = ("setting", "value", "from")
DEFAULT = "default"
SHARED = {"device": ("eval", "explain", "index", "run", "search", "serve")}
"""Settings that a variable (`XRET_DEVICE`) and a line above all tables of xret.toml give to
several commands at once; what is set for one command goes before."""


def config(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="Only this command's, all of them: lang add."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that have their default too.")
    ] = False,
    as_json: AsJson = False,
    *,
    context: typer.Context,
) -> None:
    """Settings, where they come from: the environment or xret.toml; with --all the defaults."""
    root: Any = context.find_root().command
    asked = tuple(words or ())
    _check_command(root, asked)
    rows = [
        row
        for path, row in _listed(root, checked(read_settings(Path.cwd()), root))
        if path[: len(asked)] == asked and (everything or asked or row[2] != DEFAULT)
    ]
    if as_json:
        print_json({"settings": [dict(zip(HEADINGS, row, strict=True)) for row in rows]})
    elif rows:
        print_table(HEADINGS, rows)
    else:
        message("nothing is set: every setting has its default; see them with: xret config --all")


def _check_command(root: Any, words: tuple[str, ...]) -> None:
    """Raises ConfigError for words that are no command, with the nearest."""
    command = root
    for word in words:
        known = getattr(command, "commands", {})
        if word not in known:
            close = difflib.get_close_matches(word, known, n=1) or list(known)
            raise ConfigError(
                f"there is no command {' '.join(words)!r}; did you mean {' or '.join(close)}?"
            )
        command = known[word]


def _listed(
    root: Any, file: dict[str, Any]
) -> Iterator[tuple[tuple[str, ...], tuple[str, str, str]]]:
    """By command, each setting's name, value and source; old spellings where they are set."""
    for command, table, option in _options(root):
        variable = next(filter(os.environ.get, option.envvar), None)
        if variable is not None:
            value, source = os.environ[variable], variable
        elif option.name in _table(file, table):
            value, source = _table(file, table)[option.name], SETTINGS_FILE
        else:
            value, source = option.default, DEFAULT
        if source != DEFAULT or not option.hidden:
            name = f"{command} {option.opts[-1]}"
            yield table, (name, "" if value is None else str(value), source)


class Variables(list[str]):
    """The environment's names for an option; in a message that which is set, or the longest."""

    def __str__(self) -> str:
        return next(filter(os.environ.get, self), self[0])


def name_variables(command: Any) -> None:
    """Let every option of a command line be set by the variables of all its names."""
    for words, _, option in _options(command):
        shared = [f"XRET_{option.name.upper()}"] if words in SHARED.get(option.name, ()) else []
        option.envvar = Variables([*_variables(words, option), *shared])


def checked(settings: dict[str, Any], command: Any) -> dict[str, Any]:
    """The settings as click's default map: tables by command, values by parameter.

    A key is any name of a flag without its dashes (`hits`, `k`, `query-lang`). Raises
    ConfigError for a name that is none, with the nearest, for a table where a value belongs
    or the reverse, and for a value that the flag would not take.
    """
    known: dict[tuple[str, ...], dict[str, Any]] = {}
    for _, table, option in _options(command) if settings else []:
        known.setdefault(table, {}).update(dict.fromkeys(_names(option), option))
    return _checked(_shared_out(settings), (), known)


def _shared_out(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with those of several commands in each one's table, where it has none."""
    spread = {name: value for name, value in settings.items() if name not in SHARED}
    for name, commands in SHARED.items():
        for command in commands if name in settings else ():
            table = spread.setdefault(command, {})
            if isinstance(table, dict):
                spread[command] = {name: settings[name], **table}
    return spread


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
        why = error.message.removeprefix("Value error, ")  # pydantic's, inside typer
        raise _wrong(f"{where} cannot be {value!r}: {why}") from error
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
