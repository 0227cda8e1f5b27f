"""Durable file operations: every byte of an index reaches the disk through here.

A file is written under its final name, flushed and fsynced before anything names it;
folders are fsynced after their entries change. Checksums are xxh3-64.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import xxhash

__all__ = ["checksum", "create_file", "sync_folder"]

BLOCK_BYTES = 1 << 22


def create_file(path: Path, content: bytes | memoryview) -> str:
    """Write a new file durably and return its checksum.

    Raises FileExistsError when the name is taken (segment files are never rewritten)
    and OSError, naming the file, when the disk refuses.
    """
    try:
        with path.open("xb") as file:
            file.write(content)
            _sync(file)
    except OSError as error:
        reason = f"{error.strerror}; what was committed before stays"
        raise OSError(error.errno, reason, str(path)) from error
    return xxhash.xxh3_64_hexdigest(content)


def checksum(path: Path) -> str:
    """xxh3-64 of a whole file, read in blocks."""
    digest = xxhash.xxh3_64()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


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
