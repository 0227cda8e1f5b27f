"""Where indices live, and the settings file: flag > XRET_* > xret.toml > default.

The precedence itself is click's: the file's tables become the commands' default map, and
every flag reads its environment variable. This module finds and checks the file, and turns
the name of an index into its folder.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

import platformdirs

from xret.errors import ConfigError, IndexNotFoundError

__all__ = ["find_index", "home", "index_file", "index_folder", "read_settings"]

SETTINGS_FILE = "xret.toml"
DEMO = "demo"
"""The corpus that comes with xret; its index has its name."""

CATALOG_FILE = "catalog.sqlite"
"""What makes a folder an index; a folder of that name without one hides no index at home."""

SHARDS_FILE = "shards.json"
"""What makes it an index in several parts."""


def home() -> Path:
    """The folder of named indices: $XRET_HOME, else the user's data folder.

    Raises ConfigError for an XRET_HOME in the home of a user that there is not.
    """
    given = os.environ.get("XRET_HOME")
    if not given:
        return Path(platformdirs.user_data_dir("xret"))
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"XRET_HOME is {given!r}, and there is no such user") from error


def index_folder(name: str) -> Path:
    """Where the index of that name is kept when no path is given."""
    return home() / "indexes" / name.replace("/", "-")


def find_index(index: str | Path) -> Path:
    """The folder of an index, given as a path or as the name of one kept at home.

    Raises IndexNotFoundError with the nearest names.
    """
    path = Path(index)
    named = index_folder(str(index))
    if index_file(path).is_file():
        return path
    if named.is_dir():
        return named
    if path.is_dir():
        return path
    kept = sorted(p.name for p in (home() / "indexes").glob("*") if p.is_dir())
    close = difflib.get_close_matches(str(index), kept, n=3, cutoff=0.5)
    if str(index) == DEMO:
        advice = "build it with: xret index --corpus demo"
    elif close:
        advice = f"did you mean {', '.join(close)}?"
    else:
        advice = "build it with: xret index --corpus CORPUS --output " + str(index)
    raise IndexNotFoundError(f"no index called {str(index)!r} and no such folder; {advice}")


def index_file(folder: Path) -> Path:
    """The file that makes a folder an index, whether it is there or not."""
    shards = folder / SHARDS_FILE
    return shards if shards.is_file() else folder / CATALOG_FILE


def read_settings(folder: Path) -> dict[str, Any]:
    """The tables of xret.toml in a folder, {} where there is none.

    Raises ConfigError with the line for a file that is no TOML.
    """
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
