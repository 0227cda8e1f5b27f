"""Documents added, replaced and deleted over HTTP: one change after the other, beside searches."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from xret.errors import CorpusError, IndexLockedError, ServerError, UnknownDocumentError
from xret.retriever.searcher import Searcher
from xret.server.errors import HttpError, http_error
from xret.server.indexes.service import SearchService
from xret.server.indexes.tasks import TaskKind, TaskStore, WriteTask
from xret.types import Document

__all__ = ["IndexWrites"]

log = logging.getLogger("xret.server")

MAX_QUEUED = 1_000
RETRY_S = 5.0
LOCKED_S = 60.0
"""How long a change waits for another process that writes to the index."""


class _StoppingError(Exception):
    """The server stops: what was begun is done again when it is back."""


class IndexWrites:
    """Tasks in their order, by one thread. `run` does them; without a folder there are none."""

    def __init__(self, service: SearchService, folder: str | None) -> None:
        self._service = service
        self._folder = folder
        self._store: TaskStore | None = None
        self._wake = anyio.Event()
        self._stopping = threading.Event()

    async def run(self) -> None:
        """Do what is to be done until it is cancelled, which `stop` comes before."""
        if self._folder is None:
            return
        told = ""
        while self._store is None:  # another server may hold the folder, and leave
            try:
                self._store = await anyio.to_thread.run_sync(TaskStore, Path(self._folder))
            except (ServerError, OSError) as error:
                if str(error) != told:
                    told = str(error)
                    log.error("documents cannot be changed over HTTP: %s", told)
                await anyio.sleep(RETRY_S)
        limiter = anyio.CapacityLimiter(1)
        try:
            while not self._stopping.is_set():
                task = self._next()
                if task is None:
                    self._wake = anyio.Event()
                    await self._wake.wait()
                    continue
                try:
                    await anyio.to_thread.run_sync(self._do, task, self._store, limiter=limiter)
                except Exception as error:  # a disk that is full must not end the server
                    log.error("task %s cannot be written down: %s", task.id, type(error).__name__)
                    await anyio.sleep(RETRY_S)
        finally:
            self._store.close()

    def stop(self) -> None:
        """Leave the change that is being made, and what waits, to the next start."""
        self._stopping.set()

    async def submit(self, index: str, kind: TaskKind, content: Sequence[Any]) -> WriteTask:
        """Take on a change of an index; raises HttpError where none are taken.

        content: documents as dictionaries, or ids.
        """
        store = self._opened()
        waiting = sum(not task.is_over for task in store.all())
        if waiting >= MAX_QUEUED:
            detail = "too many changes are waiting; try again"
            raise HttpError(503, "overloaded", detail, {"Retry-After": "10"})
        task = await anyio.to_thread.run_sync(store.add, index, kind, [*content])
        self._wake.set()
        return task

    def task(self, task_id: str) -> WriteTask:
        """Raises HttpError for one that is not there, or is of an index that the request in hand
        may not know."""
        task = self._opened().get(task_id)
        if task is None or task.index not in self._service.visible():
            raise HttpError(404, "task_unknown", "there is no task of that id")
        return task

    def tasks(self, n: int) -> list[WriteTask]:
        """The newest first."""
        visible = self._service.visible()
        return [one for one in reversed(self._opened().all()) if one.index in visible][:n]

    def _opened(self) -> TaskStore:
        if self._store is None:
            detail = "this server takes no changes of documents; see its log"
            raise HttpError(503, "writes_off", detail, {"Retry-After": "60"})
        return self._store

    def _next(self) -> WriteTask | None:
        """The oldest that is not over, of an index that is served."""
        if self._store is None:
            return None
        served = self._service.visible()  # of no request: all of them
        waiting = (task for task in self._store.all() if not task.is_over)
        return next((task for task in waiting if task.index in served), None)

    def _do(self, task: WriteTask, store: TaskStore) -> None:
        try:
            task = store.begin(task)
            content = store.content(task)
            with self._service.visible()[task.index].borrowed() as searcher:
                changed = self._written(searcher, task, content)
        except _StoppingError:
            store.update(dataclasses.replace(task, status="queued", started=None))
        except Exception as error:
            log.error("task %s failed: %s", task.id, type(error).__name__)
            code, detail = _reason(error)
            store.end(task, status="failed", code=code, detail=detail)
        else:
            store.end(task, status="done", changed=changed)

    def _written(self, searcher: Searcher, task: WriteTask, content: list[Any]) -> int:
        until = time.monotonic() + LOCKED_S
        while True:
            if self._stopping.is_set():
                raise _StoppingError
            with suppress(IndexLockedError):
                return self._written_once(searcher, task, content)
            if time.monotonic() >= until:
                raise IndexLockedError("another process writes to the index")
            time.sleep(0.2)

    def _written_once(self, searcher: Searcher, task: WriteTask, content: list[Any]) -> int:
        with searcher.writer() as writer:
            if task.kind == "delete":
                return writer.delete(content)
            put = writer.add if task.kind == "add" else writer.replace
            return put(self._unless_stopping(Document(**fields) for fields in content))

    def _unless_stopping(self, documents: Iterator[Document]) -> Iterator[Document]:
        for document in documents:
            if self._stopping.is_set():
                raise _StoppingError
            yield document


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, CorpusError | UnknownDocumentError):
        return error.code, str(error)
    if isinstance(error, IndexLockedError):
        return error.code, "another process writes to the index; send the change again"
    known = http_error(error)
    told = "the change failed; see the server's log" if known.code == "internal" else known.detail
    return known.code, told
