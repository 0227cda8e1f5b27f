"""The one durable way to put a model's folder, or a file in it, in place.

It is written beside its place, every file of it is synced, it is renamed, and the folder that
now has its name is synced: after a crash at any point there is the new one whole or the former.
Several files that change as one are the matter of `folder_change`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xret.index.storage.files import prepare_folder, sync_folder

__all__ = ["publish", "published_file", "published_folder", "rename", "sync_tree", "write_file"]


def write_file(place: Path, content: str | bytes) -> None:
    """Write a file whole, or not at all and the former one stays; text is UTF-8.

    Raises OSError where the disk refuses.
    """
    with published_file(place) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def published_file(place: Path) -> Iterator[Path]:
    """Where to write a file; it becomes `place` when the block ends without an error.

    The folder of `place` is there already. Raises OSError where the disk refuses; the former
    file stays then, and nothing is left beside it.
    """
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        yield part
        publish(part, place)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def published_folder(place: Path) -> Iterator[Path]:
    """An empty folder to fill; it becomes `place` when the block ends without an error.

    Folders above are made where there are none. Raises OSError where the disk refuses; what
    was at `place` stays then, and nothing is left beside it.
    """
    prepare_folder(place.parent)
    part = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent))
    try:
        part.chmod(0o755)
        yield part
        publish(part, place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def publish(part: Path, place: Path) -> None:
    """Make a file or folder that is written durable and give it its name.

    A former file gives way at once. A former folder is set aside until the new one has the
    name: after a crash just then it lies beside, as `.NAME.former`. Raises OSError where the
    disk refuses; the former one has its name back then.
    """
    sync_tree(part)
    former = place.with_name(f".{place.name}.former") if place.is_dir() else None
    if former is not None:
        shutil.rmtree(former, ignore_errors=True)
        rename(place, former)
    try:
        rename(part, place)
    except OSError:
        if former is not None:
            rename(former, place)
        raise
    sync_folder(place.parent)
    if former is not None:
        shutil.rmtree(former, ignore_errors=True)


def rename(part: Path, place: Path) -> None:
    """Give what is synced its name; the name is durable when its folder is synced too."""
    part.replace(place)


def sync_tree(path: Path) -> int:
    """Make a file, or every file and folder below one, durable; returns the files' bytes.

    Raises OSError where the disk refuses.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size
    n_bytes = sum(sync_tree(inside) for inside in sorted(path.iterdir()))
    sync_folder(path)
    return n_bytes
