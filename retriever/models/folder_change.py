"""Several files of a folder changed as one: after a crash all of them, or none.

The new files are gathered in `.change.part`; renaming that to `.change` is the commit, and
putting its files into place can be taken up again by whoever opens the folder next.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from xret.errors import ModelError
from xret.index.storage.files import sync_folder
from xret.retriever.models.published import rename, sync_tree

__all__ = ["FolderChange", "finish_change", "folder_change"]

_COMMITTED, _PART, _LOCK = ".change", ".change.part", ".change.lock"
_ORDER = "order.json"
_PATIENCE_S = 10.0


class FolderChange:
    """Files to write and to remove, put into place in the order in which they were named."""

    def __init__(self, stage: Path) -> None:
        self._stage = stage
        self._steps: list[tuple[str, str | None]] = []

    def write(self, name: str) -> Path:
        """Where to write the new content of a file, which is named relative to the folder."""
        staged = str(len(self._steps))
        self._steps.append((name, staged))
        return self._stage / staged

    def write_json(self, name: str, content: object, *, indent: int | None = 2) -> None:
        """The new content of a JSON file."""
        text = json.dumps(content, ensure_ascii=False, indent=indent) + "\n"
        self.write(name).write_text(text, encoding="utf-8")

    def remove(self, name: str) -> None:
        """Take a file away, where there is one."""
        self._steps.append((name, None))

    def commit(self, folder: Path) -> None:
        """Make everything durable, then the change real: `_apply` makes its name so too."""
        (self._stage / _ORDER).write_text(json.dumps(self._steps), encoding="utf-8")
        sync_tree(self._stage)
        rename(self._stage, folder / _COMMITTED)


@contextmanager
def folder_change(folder: Path) -> Iterator[FolderChange]:
    """Collect a change of a folder and make it when the block ends; nothing if it raises.

    Raises ModelError while another process changes the folder, and where the disk refuses:
    the message says whether the folder is as before or the change is still to be finished.
    """
    lock = _locked(folder, timeout_s=0)
    stage = folder / _PART
    try:
        _apply(folder)
        try:
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir()
            change = FolderChange(stage)
            yield change
            change.commit(folder)
        except OSError as error:
            raise ModelError(
                f"{folder} cannot be changed: {error.strerror or error}; it is as it was before"
            ) from error
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        _apply(folder)
    finally:
        lock.release()


def finish_change(folder: Path) -> None:
    """Put into place what a process committed that was then killed; costs a look where nothing is.

    Raises ModelError where that cannot be done.
    """
    if not (folder / _COMMITTED).is_dir():
        return
    lock = _locked(folder, timeout_s=_PATIENCE_S)
    try:
        _apply(folder)
    finally:
        lock.release()


def _apply(folder: Path) -> None:
    """Every step that was not made yet; the second time there is nothing to do."""
    committed = folder / _COMMITTED
    if not committed.is_dir():
        return
    try:
        sync_folder(folder)
        order = committed / _ORDER
        if order.is_file():
            _take_steps(folder, committed, _steps(folder, order))
            order.unlink()
        shutil.rmtree(committed)
    except OSError as error:
        raise ModelError(
            f"a change of {folder} is written and cannot be put into place: "
            f"{error.strerror or error}; the next command that opens the model goes on with it"
        ) from error


def _take_steps(folder: Path, committed: Path, steps: list[tuple[str, str | None]]) -> None:
    for name, staged in steps:
        target = folder / name
        if staged is None:
            target.unlink(missing_ok=True)
        elif (committed / staged).is_file():
            target.parent.mkdir(exist_ok=True)
            rename(committed / staged, target)
    for parent in {(folder / name).parent for name, _ in steps}:
        if parent.is_dir():
            sync_folder(parent)


def _steps(folder: Path, order: Path) -> list[tuple[str, str | None]]:
    """The steps as written. Raises ModelError for files outside: the folder may be a stranger's."""
    try:
        steps = [(str(name), staged) for name, staged in json.loads(order.read_bytes())]
        for name, staged in steps:
            inside = (folder / name).resolve().is_relative_to(folder.resolve())
            if not inside or not (staged is None or (isinstance(staged, str) and staged.isdigit())):
                raise ValueError(f"{name!r} is no file of the folder")
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"{order} is no change of this model: {error}; remove {order.parent}"
        ) from error
    return steps


def _locked(folder: Path, *, timeout_s: float) -> filelock.BaseFileLock:
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder}")
    lock = filelock.FileLock(folder / _LOCK, timeout=timeout_s)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise ModelError(
            f"{folder} is being changed by another process; wait for it to finish"
        ) from error
    except OSError as error:
        raise ModelError(f"{folder} cannot be changed: {error.strerror or error}") from error
    return lock
