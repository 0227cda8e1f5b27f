"""`shards.json`: which parts an index in several parts has, and where."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xret.config import SHARDS_FILE
from xret.errors import ConfigError, UnusableIndexError
from xret.index.storage.files import sync_file, sync_folder

__all__ = ["MAX_SHARDS", "ShardsFile", "is_address", "part_folder"]

MAX_SHARDS = 256
TIMEOUT_S = 10.0

FIELDS = frozenset({"parts", "partial", "timeout_s"})


@dataclass(frozen=True, slots=True)
class ShardsFile:
    """parts: folders of indices, relative to the file's or absolute, and addresses of served ones
    (`http://host:8000/v1/indexes/NAME`). partial: whether an answer without parts that do not
    answer is given. timeout_s: how long a served part may take for one reply."""

    parts: tuple[str, ...]
    partial: bool = False
    timeout_s: float = TIMEOUT_S

    @classmethod
    def read(cls, folder: Path) -> ShardsFile:
        """Raises UnusableIndexError for a file that is not one."""
        path = folder / SHARDS_FILE
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise UnusableIndexError(f"{path} cannot be read: {error}") from error
        if not isinstance(fields, dict) or not FIELDS.issuperset(fields):
            raise UnusableIndexError(f"{path} is no object of {', '.join(sorted(FIELDS))}")
        parts = fields.get("parts")
        if not isinstance(parts, list) or not all(isinstance(one, str) and one for one in parts):
            raise UnusableIndexError(f"{path}: parts is no list of folders and addresses")
        partial, timeout_s = fields.get("partial", False), fields.get("timeout_s", TIMEOUT_S)
        if not isinstance(partial, bool) or not _is_time(timeout_s):
            raise UnusableIndexError(
                f"{path}: partial is true or false, and timeout_s a number of seconds"
            )
        try:
            return cls.of(parts, partial=partial, timeout_s=float(timeout_s))
        except ConfigError as error:
            raise UnusableIndexError(f"{path}: {error}") from error

    @classmethod
    def of(
        cls, parts: Sequence[str], *, partial: bool = False, timeout_s: float = TIMEOUT_S
    ) -> ShardsFile:
        """Raises ConfigError for no part, too many, or one twice."""
        if not 0 < len(parts) <= MAX_SHARDS:
            raise ConfigError(f"an index has 1 to {MAX_SHARDS} shards, not {len(parts)}")
        if twice := {part for part in parts if parts.count(part) > 1}:
            raise ConfigError(f"{min(twice)} is named twice; name each shard once")
        return cls(tuple(parts), partial, timeout_s)

    def write(self, folder: Path) -> None:
        """In place of any before, whole or not at all."""
        fields: dict[str, Any] = {"parts": list(self.parts)}
        if self.partial:
            fields["partial"] = True
        if self.timeout_s != TIMEOUT_S:
            fields["timeout_s"] = self.timeout_s
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"{SHARDS_FILE}.{os.getpid()}"
        fresh.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
        sync_file(fresh)
        fresh.replace(folder / SHARDS_FILE)
        sync_folder(folder)

    def folders(self, folder: Path) -> dict[str, Path]:
        """Of the parts on this machine, by what they are called in the file."""
        return {part: part_folder(folder, part) for part in self.parts if not is_address(part)}


def part_folder(folder: Path, part: str) -> Path:
    """Where a part is that a file of shards in a folder names."""
    return Path(os.path.normpath(folder.resolve() / part))


def is_address(part: str) -> bool:
    """Whether a part is served elsewhere.

    >>> is_address("http://search-2:8000/v1/indexes/news"), is_address("news/2-of-4")
    (True, False)
    """
    return part.startswith(("http://", "https://"))


def _is_time(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < float(value) <= 3600  # type: ignore[arg-type]
