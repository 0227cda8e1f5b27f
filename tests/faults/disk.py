"""A disk that loses what was not synced: replays recorded changes and crashes at any of them.

The model is strict POSIX: a file's bytes are durable after fsync of the file, its name only
after fsync of the folder that holds it. What is not durable may be there after a crash or
not, in part, as zeros, or without the writes that came before it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

__all__ = ["Change", "Disk", "Loss", "read_record"]

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Change:
    """One recorded operation; the letters are those of recorder.c."""

    op: str
    path: str
    to: str
    offset: int
    data: bytes


def read_record(log: Path) -> Iterator[Change]:
    """The changes of a record, in order."""
    content = log.read_bytes()
    at = 0
    while at < len(content):
        end = content.index(b"\n", at)
        op, path_bytes, to_bytes, offset, data_bytes = content[at:end].split()
        cuts = [end + 1]
        for length in (path_bytes, to_bytes, data_bytes):
            cuts.append(cuts[-1] + int(length))
        path, to, data = (content[a:b] for a, b in pairwise(cuts))
        yield Change(op.decode(), path.decode(), to.decode(), int(offset), data)
        at = cuts[-1]


@dataclass(slots=True)
class _File:
    durable: bytes = b""
    pending: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class _Folder:
    durable: dict[str, object] = field(default_factory=dict)
    pending: list[tuple[str, object | None]] = field(default_factory=list)

    def now(self) -> dict[str, object]:
        return _entries(self, len(self.pending))


class Loss:
    """Which of the changes that were not synced survive a crash, chosen by a seed.

    kind: "none" loses nothing (a killed process), "all" loses everything that was not
    synced, "torn", "zeroed" and "reordered" keep parts of it.
    """

    def __init__(self, kind: str, seed: int) -> None:
        self.kind = kind
        self._random = random.Random(seed)

    def content(self, file: _File) -> bytes:
        if self.kind == "all":
            return file.durable
        content = bytearray(file.durable)
        kept = len(file.pending)
        if self.kind in ("torn", "zeroed"):
            kept = self._random.randint(0, kept)
        for number, change in enumerate(file.pending[:kept]):
            if self.kind == "reordered" and self._random.random() < 0.5:
                continue
            last = number == kept - 1
            _apply(content, change, self._part(change) if last else change.data)
        return bytes(content)

    def entries(self, folder: _Folder) -> dict[str, object]:
        if self.kind == "none":
            return folder.now()
        if self.kind == "all":
            return folder.durable
        return _entries(folder, self._random.randint(0, len(folder.pending)))

    def _part(self, change: Change) -> bytes:
        if self.kind == "torn":
            return change.data[: self._random.randint(0, len(change.data) // SECTOR + 1) * SECTOR]
        if self.kind == "zeroed":
            return bytes(len(change.data))
        return change.data


class Disk:
    """Files and folders below one root, durable and not."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: dict[str, _Folder] = {root: _Folder()}

    def apply(self, change: Change) -> None:
        """Do one recorded change."""
        if change.op == "s" and change.path in self._folders:
            self._sync_folder(self._folders[change.path])
            return
        folder, name = change.path.rsplit("/", 1)
        if change.op in "wts":
            self._change_file(self._file(folder, name), change)
        elif change.op == "c":
            self._folders[folder].pending.append((name, _File()))
        elif change.op == "m":
            made = self._folders.setdefault(change.path, _Folder())
            self._folders[folder].pending.append((name, made))
        elif change.op in "ud":
            self._folders[folder].pending.append((name, None))
            if change.op == "d":
                del self._folders[change.path]
        elif change.op == "r":
            to_folder, to_name = change.to.rsplit("/", 1)
            entry = self._folders[folder].now()[name]
            self._folders[to_folder].pending.append((to_name, entry))
            self._folders[folder].pending.append((name, None))

    def after_crash(self, loss: Loss) -> dict[str, bytes | None]:
        """What the next start finds: bytes by path below the root, None for a folder."""
        found: dict[str, bytes | None] = {}
        self._walk(self._folders[self._root], "", loss, found)
        return found

    def _walk(self, folder: _Folder, path: str, loss: Loss, found: dict[str, bytes | None]) -> None:
        for name, entry in sorted(loss.entries(folder).items()):
            below = f"{path}/{name}" if path else name
            if isinstance(entry, _Folder):
                found[below] = None
                self._walk(entry, below, loss, found)
            elif isinstance(entry, _File):
                found[below] = loss.content(entry)

    def _file(self, folder: str, name: str) -> _File | None:
        entry = self._folders[folder].now().get(name)
        return entry if isinstance(entry, _File) else None

    def _change_file(self, file: _File | None, change: Change) -> None:
        if file is None:  # an open file that was unlinked
            return
        if change.op == "s":
            content = bytearray(file.durable)
            for pending in file.pending:
                _apply(content, pending, pending.data)
            file.durable, file.pending = bytes(content), []
        else:
            file.pending.append(change)

    def _sync_folder(self, folder: _Folder) -> None:
        folder.durable, folder.pending = folder.now(), []


def _entries(folder: _Folder, kept: int) -> dict[str, object]:
    entries = dict(folder.durable)
    for name, entry in folder.pending[:kept]:
        if entry is None:
            entries.pop(name, None)
        else:
            entries[name] = entry
    return entries


def _apply(content: bytearray, change: Change, data: bytes) -> None:
    if change.op == "t":
        length = change.offset
        content[length:] = bytes(max(0, length - len(content)))
        return
    if len(content) < change.offset:
        content.extend(bytes(change.offset - len(content)))
    content[change.offset : change.offset + len(data)] = data
