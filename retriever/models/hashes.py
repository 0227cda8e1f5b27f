"""Hashes of large files, remembered from one process to the next.

A search should not read 3 GB of weights to find that they are the same as yesterday. What
is remembered holds while size, inode and both times of the file stay: the time of the last
change of status cannot be set by copying tools, so another content is not mistaken for it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import xxhash

from xret.config import home
from xret.retriever.models.published import write_file

__all__ = ["file_hash"]

LARGE_BYTES = 64 << 20
"""Smaller files are hashed anew: that costs less than asking."""

_BLOCK = 1 << 20
_known: dict[str, tuple[list[int], str]] = {}


def file_hash(path: Path) -> str:
    """xxh3-128 of a file's content, as hex; read in blocks, some GB/s."""
    status = path.stat()
    state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    key = str(path.resolve())
    found = _known.get(key)
    if found is None and status.st_size >= LARGE_BYTES:
        found = _remembered().get(key)
    if found is None or found[0] != state:
        found = (state, _read(path))
        if status.st_size >= LARGE_BYTES:
            _remember(key, found)
    _known[key] = found
    return found[1]


def _read(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _remembered() -> dict[str, tuple[list[int], str]]:
    """What earlier processes wrote down; anything unreadable counts as nothing."""
    try:
        rows: dict[str, Any] = json.loads(_file().read_text(encoding="utf-8"))
        return {key: ([int(n) for n in state], str(found)) for key, (state, found) in rows.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(key: str, found: tuple[list[int], str]) -> None:
    """Add a row, without those of files that are gone. A home that cannot be written is fine."""
    rows = {other: row for other, row in _remembered().items() if Path(other).is_file()}
    with suppress(OSError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_file(_file(), json.dumps({**rows, key: found}))


def _file() -> Path:
    return home() / "models" / "hashes.json"
