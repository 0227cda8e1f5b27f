"""Indices that are asked as one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from xret.config import CATALOG_FILE
from xret.errors import ConfigError
from xret.index.sharded.opening import open_reader
from xret.index.sharded.shards_file import ShardsFile, is_address
from xret.index.storage.stored import IndexInfo

__all__ = ["join_shards"]


def join_shards(
    output: str | Path, parts: Sequence[str | Path], *, partial: bool = False
) -> IndexInfo:
    """Make a folder of indices that are searched as one index; returns what they hold together.

    parts: folders of indices, and addresses of served ones (`http://host:8000/v1/indexes/NAME`).
    Documents of one id must be in one part alone. output: a new folder, or one that has been made
    so before. partial: whether an answer without parts that do not answer is given. Raises
    ConfigError, and what opening the parts raises.
    """
    folder = Path(output)
    if (folder / CATALOG_FILE).exists():
        raise ConfigError(f"{folder} is an index itself; name another folder")
    named = [_named(str(part), folder) for part in parts]
    file = ShardsFile.of(named, partial=partial)
    reader = open_reader(folder, shards=file, partial=False)
    try:
        held = reader.info()
    finally:
        reader.close()
    file.write(folder)
    return held


def _named(part: str, folder: Path) -> str:
    """A folder as it is called from where it is named."""
    if is_address(part):
        return part
    return os.path.relpath(Path(part).absolute(), folder.resolve())
