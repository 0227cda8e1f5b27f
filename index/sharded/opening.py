"""An index opened, whether it is one or in several parts."""

from __future__ import annotations

import re
from pathlib import Path

from xret.config import CATALOG_FILE, SHARDS_FILE
from xret.errors import IndexNotFoundError, UnusableIndexError
from xret.index.search.reader import IndexReader
from xret.index.sharded.local_shard import LocalShard
from xret.index.sharded.messages import Shard
from xret.index.sharded.reader import ShardedReader
from xret.index.sharded.remote_shard import RemoteShard
from xret.index.sharded.shard_address import ShardAddress
from xret.index.sharded.shards_file import ShardsFile, is_address, part_folder

__all__ = ["is_sharded", "open_reader", "open_shards"]

BUILT_PART = re.compile(r"(\d+)-of-(\d+)")
"""What `xret index --shard` calls a part."""


def is_sharded(folder: Path) -> bool:
    """Whether what lies there is an index in several parts."""
    return (folder / SHARDS_FILE).is_file()


def open_reader(
    folder: Path,
    *,
    device: str | None = None,
    in_memory: bool = False,
    partial: bool | None = None,
    shards: ShardsFile | None = None,
) -> IndexReader:
    """The index in a folder, or that of the parts which a `shards.json` there names.

    partial: whether an answer without shards that do not answer is given; None is what the file
    says. shards: that file, where it is not written yet. The rest is as in `IndexReader.open`.
    Raises what that raises; of a part, ShardError.
    """
    if shards is None and not is_sharded(folder):
        return IndexReader.open(folder, device=device, in_memory=in_memory)
    file = shards or ShardsFile.read(folder)
    return open_shards(folder, file, device=device, in_memory=in_memory, partial=partial)


def open_shards(
    folder: Path,
    file: ShardsFile,
    *,
    device: str | None = None,
    in_memory: bool = False,
    partial: bool | None = None,
) -> ShardedReader:
    """The index of the parts that a file names; the rest is as in `open_reader`."""
    parts: list[Shard] = [
        _shard(part, folder, device=device, in_memory=in_memory, timeout_s=file.timeout_s)
        for part in file.parts
    ]
    allowed = file.partial if partial is None else partial
    try:
        return ShardedReader(folder, parts, partial=allowed)
    except BaseException:
        for part in parts:
            part.close()
        raise


def _shard(
    part: str, folder: Path, *, device: str | None, in_memory: bool, timeout_s: float
) -> Shard:
    if is_address(part):
        return RemoteShard(part, ShardAddress.parse(part, timeout_s=timeout_s))

    own = part_folder(folder, part)

    def open_reader() -> IndexReader:
        _check_part(own, part)
        return IndexReader.open(own, device=device, in_memory=in_memory)

    return LocalShard(part, open_reader)


def _check_part(folder: Path, part: str) -> None:
    """Raises UnusableIndexError for what is no index in one part."""
    if is_sharded(folder):
        raise UnusableIndexError(
            f"{folder} is an index in several parts itself; name its parts in its place"
        )
    built = BUILT_PART.fullmatch(part)
    if built is not None and not (folder / CATALOG_FILE).exists():
        raise IndexNotFoundError(
            f"no index at {folder}: it is not built yet; run the xret index that built the "
            f"others with --shard {built[1]}/{built[2]}"
        )
