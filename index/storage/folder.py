"""The folder of an index: whose it is, who writes in it, what in it no commit names."""

from __future__ import annotations

from pathlib import Path

import filelock

from xret.config import SHARDS_FILE
from xret.errors import IndexLockedError, UnusableIndexError
from xret.index.storage.catalog import NAME, Catalog
from xret.index.storage.files import prepare_folder, remove_folder, sync_folder
from xret.index.storage.stored import codec_folder

__all__ = ["claim_folder", "lock_index", "sweep"]


def claim_folder(folder: Path) -> None:
    """Make the folder of an index. Raises UnusableIndexError where it holds something else."""
    if folder.is_file():
        raise UnusableIndexError(f"{folder} is a file; name a folder for the index")
    if (folder / SHARDS_FILE).is_file():
        raise UnusableIndexError(
            f"{folder} is an index in several parts, which are written to one by one: name one of "
            "them, or build one with --shard"
        )
    if folder.exists() and not (folder / NAME).exists() and _foreign(folder):
        raise UnusableIndexError(f"{folder} is not empty and holds no index; name another folder")
    prepare_folder(folder)
    if not (folder / NAME).exists():
        sync_folder(folder.parent)  # a crash may have come between making and syncing it


def lock_index(folder: Path) -> filelock.BaseFileLock:
    """The lock of the one writer, taken. Raises IndexLockedError while another has it."""
    lock = filelock.FileLock(folder / "write.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise IndexLockedError(
            f"{folder} is being written by another process; wait for it to finish"
        ) from error
    return lock


def sweep(folder: Path, catalog: Catalog) -> None:
    """Remove what no commit names: a crash left it, or a system that keeps files in use."""
    named = {record.folder for record in catalog.segments().values()}
    named |= {codec_folder(codec) for codec in catalog.codecs()}
    for kind in ("segments", "codec"):
        parent = folder / kind
        for found in sorted(parent.iterdir()) if parent.is_dir() else ():
            if f"{kind}/{found.name}" not in named:
                remove_folder(found)


def _foreign(folder: Path) -> bool:
    """Whether a folder holds anything but what an interrupted first commit leaves."""
    lists = {f"{name}.jsonl{part}" for name in ("rejects", "truncated") for part in ("", ".part")}
    own = {"write.lock", "segments", f"{NAME}-journal", *lists}
    return any(path.name not in own for path in folder.iterdir())
