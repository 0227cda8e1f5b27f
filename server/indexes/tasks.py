"""Changes to indices that were asked for, on disk until they are done: they survive the server.

A task is two files: its record, and what it is about, which is removed at its end. Both are whole
or not there. What a killed server had begun is done again: an index's commit is all or nothing, and
documents that are there already are left as they are.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import filelock
import orjson

from xret.errors import ServerError

__all__ = ["TaskKind", "TaskStore", "WriteTask"]

log = logging.getLogger("xret.server")

KEPT = timedelta(days=7)
MAX_KEPT = 10_000
_ID = re.compile(r"[0-9a-f]{24}")

TaskKind = Literal["add", "replace", "delete"]
TaskStatus = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class WriteTask:
    """A change to an index: all of it is done, or none. documents: how many it is about; changed:
    how many were new, other than before, or there to be deleted, once it is done. code, detail:
    why it failed. Times are ISO 8601 in UTC."""

    id: str
    index: str
    kind: TaskKind
    status: TaskStatus
    documents: int
    created: str
    started: str | None = None
    ended: str | None = None
    changed: int | None = None
    code: str | None = None
    detail: str | None = None

    @property
    def is_over(self) -> bool:
        return self.status in ("done", "failed")


class TaskStore:
    """The tasks in a folder, which one process has at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises ServerError where another process has the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._turn = threading.RLock()
        self._lock = filelock.FileLock(folder / ".lock", thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise ServerError(
                f"another server has the tasks in {folder}; give this one a folder of its own"
            ) from None
        self._tasks = {task.id: task for task in self._read()}
        self._forget()

    def close(self) -> None:
        self._lock.release()

    def add(self, index: str, kind: TaskKind, content: list[Any]) -> WriteTask:
        """Write down a new task; it is on disk when this returns."""
        task_id = f"{time.time_ns():016x}{secrets.token_hex(4)}"
        task = WriteTask(task_id, index, kind, "queued", len(content), _now())
        self._write(self._content(task_id), content)
        self.update(task)
        return task

    def update(self, task: WriteTask) -> None:
        with self._turn:
            self._write(self._folder / f"{task.id}.json", dataclasses.asdict(task))
            self._tasks[task.id] = task
        if task.is_over:
            self._content(task.id).unlink(missing_ok=True)

    def begin(self, task: WriteTask) -> WriteTask:
        begun = dataclasses.replace(task, status="running", started=_now())
        self.update(begun)
        return begun

    def end(self, task: WriteTask, **outcome: Any) -> None:
        """outcome: status, and what else is known by now."""
        self.update(dataclasses.replace(task, ended=_now(), **outcome))
        self._forget()

    def content(self, task: WriteTask) -> list[Any]:
        """Raises OSError and ValueError where it cannot be read."""
        content: list[Any] = orjson.loads(self._content(task.id).read_bytes())
        return content

    def get(self, task_id: str) -> WriteTask | None:
        return self._tasks.get(task_id)

    def all(self) -> list[WriteTask]:
        """The oldest first."""
        with self._turn:
            return [self._tasks[task_id] for task_id in sorted(self._tasks)]

    def _content(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.content"

    def _read(self) -> Iterator[WriteTask]:
        for path in sorted(self._folder.glob("*.json")):
            try:
                task = WriteTask(**orjson.loads(path.read_bytes()))
                if not _ID.fullmatch(task.id) or path.stem != task.id:
                    raise ValueError("another id than its name")
            except (OSError, ValueError, TypeError) as error:
                log.error("%s is no task: %s", path, error)
            else:
                yield task

    def _forget(self) -> None:
        """Remove what ended long ago, and the oldest of very many."""
        limit = (datetime.now(UTC) - KEPT).isoformat()
        over = [task for task in self.all() if task.is_over]
        surplus = len(over) - MAX_KEPT
        for place, task in enumerate(over):
            if place < surplus or (task.ended or task.created) < limit:
                with self._turn:
                    del self._tasks[task.id]
                (self._folder / f"{task.id}.json").unlink(missing_ok=True)

    def _write(self, path: Path, content: Any) -> None:
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(orjson.dumps(content))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
