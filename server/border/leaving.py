"""Whether the client of a request has left, known to whatever works for it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from contextvars import ContextVar

from starlette.types import Message, Receive

__all__ = ["LEFT", "Watched"]

LEFT: ContextVar[threading.Event | None] = ContextVar("left", default=None)
"""Of the request that this task answers: set once its client has closed the connection."""


class Watched:
    """A request whose body has been read, watched for its client to go while it is answered.

    `receive` is what the application may still ask: the body, and then that the client left.
    """

    def __init__(self, receive: Receive, body: bytes | None) -> None:
        self._from_client = receive
        self._body = body
        self._left = asyncio.Event()
        self._flag = threading.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watched:
        self._task = asyncio.get_running_loop().create_task(self._watch())
        LEFT.set(self._flag)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _watch(self) -> None:
        while (await self._from_client())["type"] != "http.disconnect":
            pass
        self._flag.set()
        self._left.set()
