"""Names that were given before what they name was synced, recorded while something is written.

    with recorded_names() as names:
        publish(part, place)
    assert names == {place}

Raises AssertionError where a file or folder gets its name before every file in it and every
folder of it is synced, and where at the end a folder that got a name is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["recorded_names"]


class _Disk:
    """What is synced, by inode and time of its last change."""

    def __init__(self) -> None:
        self.synced: dict[int, int] = {}
        self.named: set[Path] = set()
        self.open: set[Path] = set()

    def sync(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self.synced[status.st_ino] = status.st_mtime_ns
        self.open = {folder for folder in self.open if folder.stat().st_ino != status.st_ino}

    def name(self, source: Path, place: Path) -> None:
        for path in (source, *(source.rglob("*") if source.is_dir() else ())):
            status = path.stat()
            whole = self.synced.get(status.st_ino) == status.st_mtime_ns
            assert whole, f"{place} got its name before {path} was synced"
        self.named.add(place)
        self.open.add(place.parent)


@contextmanager
def recorded_names(within: Path) -> Iterator[set[Path]]:
    """The names below a folder that the block gives, of which each is checked as it is given."""
    disk = _Disk()
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        disk.sync(descriptor)

    def renamed(source: Any, place: Any, **more: Any) -> None:
        inside = Path(place).resolve().is_relative_to(within.resolve())
        former = Path(place).name.endswith(".former")  # it was whole under its name before
        if inside and not former:
            disk.name(Path(source), Path(place))
        replace(source, place, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", synced)
        patch.setattr(os, "replace", renamed)
        patch.setattr(os, "rename", renamed)
        yield disk.named
    assert not disk.open, f"names were given in {disk.open} and never synced"
