"""Durable file operations: every byte of an index reaches the disk through here.

A file is written under its final name, flushed and fsynced before anything names it;
folders are fsynced after their entries change. Checksums are xxh3-64.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import xxhash

__all__ = [
    "FileStamp",
    "StoredFile",
    "checksum",
    "create_file",
    "create_folder",
    "folder_bytes",
    "prepare_folder",
    "remove_folder",
    "sync_file",
    "sync_folder",
]

BLOCK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An immutable file as the catalog names it; checksum: xxh3-64, 8 bytes."""

    name: str
    size_bytes: int
    checksum: bytes


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file as it was when it was opened: its checksum in the catalog, and what the system
    says of it, None where it was not there."""

    path: Path
    checksum: bytes
    seen: tuple[int, int, int, int] | None

    @classmethod
    def of(cls, path: Path, file: StoredFile) -> FileStamp:
        return cls(path, file.checksum, _seen(path))

    @property
    def untouched(self) -> bool:
        """Whether the file at that path is the same, and nobody has written to it since."""
        return self.seen is not None and _seen(self.path) == self.seen


def _seen(path: Path) -> tuple[int, int, int, int] | None:
    """Device, inode, size and time of the last write, in nanoseconds."""
    try:
        found = os.stat(path)  # noqa: PTH116 (Path.stat takes twice as long)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def prepare_folder(path: Path) -> None:
    """Make a folder and those above it, durably, where there are none."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    path.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def create_folder(path: Path, contents: Mapping[str, bytes | memoryview]) -> list[StoredFile]:
    """Write a new folder of files durably; the caller names them in a commit.

    Raises FileExistsError when the name is taken, OSError when the disk refuses; what was
    written till then is taken away again.
    """
    path.mkdir()
    try:
        files = [
            StoredFile(name, len(memoryview(content)), create_file(path / name, content))
            for name, content in contents.items()
        ]
        sync_folder(path)
        sync_folder(path.parent)
    except OSError:
        remove_folder(path)
        raise
    return files


def create_file(path: Path, content: bytes | memoryview) -> bytes:
    """Write a new file durably and return its checksum.

    Raises FileExistsError when the name is taken (files of an index are never rewritten)
    and OSError, naming the file, when the disk refuses.
    """
    try:
        with path.open("xb") as file:
            file.write(content)
            _sync(file)
    except OSError as error:
        reason = f"{error.strerror}; what was committed before stays"
        raise OSError(error.errno, reason, str(path)) from error
    return xxhash.xxh3_64_digest(content)


def remove_folder(path: Path) -> None:
    """Take a folder away that no commit names.

    A process that has its files mapped keeps reading them; where the system refuses to
    remove files in use, they stay until the index is written the next time.
    """
    shutil.rmtree(path, ignore_errors=True)


def folder_bytes(path: Path) -> int:
    """Bytes of all files in a folder; those that a writer takes away meanwhile count nothing."""
    total = 0
    for parent, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total


def checksum(path: Path) -> bytes:
    """xxh3-64 of a whole file, read in blocks."""
    digest = xxhash.xxh3_64()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.digest()


def sync_file(path: Path) -> None:
    """Make what was written to a file durable."""
    with path.open("rb+") as file:
        _sync(file)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable (a no-op where folders cannot be opened)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
