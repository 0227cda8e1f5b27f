"""Indices that are asked as one, and those that become one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from xret.config import CATALOG_FILE, find_index
from xret.errors import ConfigError
from xret.index.search.reader import IndexReader
from xret.index.sharded.joined import JoinedIndex
from xret.index.sharded.opening import is_sharded, open_shards
from xret.index.sharded.shards_file import ShardsFile, is_address
from xret.index.storage.stored import IndexInfo
from xret.types import Work, finished

__all__ = ["join_shards", "merge", "merge_steps", "part_folders"]


def join_shards(
    output: str | Path, parts: Sequence[str | Path], *, partial: bool = False
) -> IndexInfo:
    """Make a folder of indices that are searched as one index; returns what they hold together.

    parts: folders of indices, and addresses of served ones (`http://host:8000/v1/indexes/NAME`).
    Documents of one id must be in one part alone. output: a new folder, or one that has been made
    so before. partial: whether an answer without parts that do not answer is given. Raises
    ConfigError, DuplicateIdError for a document that is in two parts, and what opening the parts
    raises.
    """
    folder = Path(output)
    if (folder / CATALOG_FILE).exists():
        raise ConfigError(f"{folder} is an index itself; name another folder")
    named = [_named(str(part), folder) for part in parts]
    file = ShardsFile.of(named, partial=partial)
    reader = open_shards(folder, file, partial=False)
    try:
        held = reader.info()
        reader.check_ids()
    finally:
        reader.close()
    file.write(folder)
    return held


def merge_steps(output: str | Path, parts: Sequence[str | Path]) -> Work[IndexInfo]:
    """Copy indices into one new index; returns what it holds.

    parts: names or folders of indices, those in several parts with all of these. Vectors, words and
    texts are copied as they are, nothing is encoded again, and hits and scores are those of the
    parts searched as one. Raises as `JoinedIndex.run`.
    """
    folders: list[Path] = []
    for part in parts:
        folder = find_index(part)
        folders += part_folders(folder)
    if len(set(folders)) < len(folders) or not folders:
        raise ConfigError("name each of the indices to merge once, and one at least")
    yield from JoinedIndex(Path(output), folders).run()
    reader = IndexReader.open(Path(output))
    try:
        return reader.info()
    finally:
        reader.close()


merge = finished(merge_steps)


def part_folders(folder: Path) -> list[Path]:
    """The folder of an index itself, or those of its parts. Raises ConfigError for a part that is
    served elsewhere."""
    if not is_sharded(folder):
        return [folder]
    file = ShardsFile.read(folder)
    parts = file.folders(folder)
    if len(parts) < len(file.parts):
        raise ConfigError(f"{folder} has parts that are served elsewhere; do it there")
    return list(parts.values())


def _named(part: str, folder: Path) -> str:
    """A folder as it is called from where it is named."""
    if is_address(part):
        return part
    return os.path.relpath(Path(part).absolute(), folder.resolve())
