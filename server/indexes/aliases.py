"""Second names of served indices, which can be given to another one while requests come."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import orjson

from xret.errors import ServerError

__all__ = ["ALIASES_FILE", "Aliases"]

ALIASES_FILE = "aliases"
"""In the folder of tasks, whose own files end in .json and .content."""

MAX_ALIASES = 1_000


class Aliases:
    """Index by alias. Kept in a file, if there is one, so that they outlive the process."""

    def __init__(self, served: Collection[str], path: Path | None) -> None:
        """served: the names of the indices. An alias of one that is not served is kept and hidden.

        Raises ServerError for a file that holds no aliases.
        """
        self._served = served
        self._path = path
        self._turn = threading.Lock()
        self._targets = {} if path is None else _read(path)

    @property
    def current(self) -> Mapping[str, str]:
        """Served indices by alias; an index's own name goes before an alias."""
        return MappingProxyType(
            {
                alias: index
                for alias, index in sorted(self._targets.items())
                if index in self._served and alias not in self._served
            }
        )

    def set(self, alias: str, index: str) -> None:
        """From now on the alias means that index. Raises ServerError for the name of an index,
        and for too many."""
        if alias in self._served:
            raise ServerError("an index has that name; choose another alias")
        with self._turn:
            if len(self._targets) >= MAX_ALIASES and alias not in self._targets:
                raise ServerError(f"there are {MAX_ALIASES:,} aliases, and no more are kept")
            self._replace({**self._targets, alias: index})

    def remove(self, alias: str) -> bool:
        """Whether it was there."""
        with self._turn:
            left = {name: index for name, index in self._targets.items() if name != alias}
            gone = len(left) < len(self._targets)
            if gone:
                self._replace(left)
            return gone

    def _replace(self, targets: dict[str, str]) -> None:
        if self._path is not None:
            _write(self._path, targets)
        self._targets = targets


def _read(path: Path) -> dict[str, str]:
    try:
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ServerError(f"{path} holds no aliases ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(one, str) for one in content.values()):
        raise ServerError(f"{path} holds no aliases; remove it, and set them again")
    return content


def _write(path: Path, targets: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(targets, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
