"""What was found on first use and must stay: commits and checksums that nobody publishes.

One small JSON file a collection, in the folder of collections at home.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from xret.config import home
from xret.errors import CorpusError

__all__ = ["Pins", "collection_folder"]


def collection_folder(name: str) -> Path:
    """Where files of a collection are kept that no other library has a cache for."""
    return home() / "corpora" / name


class Pins:
    """The record of one collection: commits by repository, checksums by address, names of files."""

    def __init__(self, name: str) -> None:
        self._path = collection_folder(name) / "pins.json"

    def commit(self, repo: str) -> str | None:
        """The commit that was read first."""
        found = self._read().get("commits", {}).get(repo)
        return str(found) if found else None

    def checksum(self, address: str) -> str | None:
        """`algorithm:hex` of the first download."""
        found = self._read().get("checksums", {}).get(address)
        return str(found) if found else None

    def files(self, source: str, patterns: Sequence[str]) -> list[str]:
        """The names that those patterns stood for when they were fetched whole."""
        found = self._read().get("files", {}).get(f"{source} {' '.join(patterns)}", [])
        return [str(name) for name in found]

    def record_files(self, source: str, patterns: Sequence[str], names: Sequence[str]) -> None:
        """Keep the names of what was fetched whole."""
        self._record("files", f"{source} {' '.join(patterns)}", list(names))

    def record_commit(self, repo: str, commit: str) -> None:
        """Keep the commit; a pin that is there is never changed."""
        self._record("commits", repo, commit)

    def record_checksum(self, address: str, checksum: str) -> None:
        """Keep the checksum; a pin that is there is never changed."""
        self._record("checksums", address, checksum)

    def _record(self, table: str, key: str, value: str | list[str]) -> None:
        from filelock import FileLock

        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self._path}.lock"):
            known = self._read()
            known.setdefault(table, {}).setdefault(key, value)
            part = self._path.with_name("pins.json.part")
            with part.open("wb") as file:
                file.write(orjson.dumps(known, option=orjson.OPT_INDENT_2))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)

    def _read(self) -> dict[str, Any]:
        if not self._path.is_file():
            return {}
        try:
            found = orjson.loads(self._path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise CorpusError(
                f"{self._path} is damaged: {error}; delete it to pin again what is fetched next"
            ) from error
        return found if isinstance(found, dict) else {}
