"""`/mcp`: the protocol over streamable HTTP, opened by the first request that comes for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup, TaskStatus
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from xret.errors import MissingLibraryError
from xret.server.errors import HttpError
from xret.server.indexes.service import SearchService
from xret.server.mcp.sdk import create_mcp_server, session_manager
from xret.server.mcp.tools import SearchTools

__all__ = ["McpEndpoint"]


class McpEndpoint:
    """An ASGI application. The library takes a second to import: a server that nobody asks for
    MCP never does."""

    def __init__(self, service: SearchService) -> None:
        self._tools = SearchTools(service)
        self._turn = anyio.Lock()
        self._tasks: TaskGroup | None = None
        self._manager: Any = None
        self._route = Route("/mcp", endpoint=self, methods=["POST"])

    def route(self) -> Route:
        """Only POST: no stream is kept open for messages from the server, which sends none."""
        return self._route

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Requests are answered within this block."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            yield
            tasks.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._route  # by which the request is counted
        manager = await self._opened()
        await manager.handle_request(scope, receive, send)

    async def _opened(self) -> Any:
        """Raises HttpError where the library is not installed, or `running` is not entered."""
        if self._tasks is None:
            raise HttpError(503, "not_ready", "the server is starting", {"Retry-After": "1"})
        async with self._turn:
            if self._manager is None:
                try:
                    server = await anyio.to_thread.run_sync(create_mcp_server, self._tools)
                except MissingLibraryError as error:
                    raise HttpError(501, "mcp_not_installed", f"{error}, on the server") from error
                self._manager = await self._tasks.start(_run, session_manager(server))
            return self._manager


async def _run(manager: Any, *, task_status: TaskStatus[Any]) -> None:
    async with manager.run():
        task_status.started(manager)
        await anyio.sleep_forever()
