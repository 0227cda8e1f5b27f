"""The application: indices in, an ASGI app out. Nothing is loaded or started at import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from xret import __version__
from xret.retriever.searcher import Searcher
from xret.server.border.heads import Heads
from xret.server.border.hosts import HostGate
from xret.server.border.keyring import Keyring
from xret.server.border.keys import KeyGate
from xret.server.border.limits import Border, WholeBody
from xret.server.errors import add_error_handlers
from xret.server.indexes.served import ServedIndex
from xret.server.indexes.service import SearchService
from xret.server.indexes.writing import IndexWrites
from xret.server.mcp.endpoint import McpEndpoint
from xret.server.page.routes import create_page
from xret.server.routes.key_responses import describe_keys
from xret.server.routes.router import create_router
from xret.server.settings import ServerSettings

__all__ = ["create_app"]

MIN_ZIPPED_BYTES = 2_048
"""Of a reply; smaller ones fit into a packet or two as they are."""


def create_app(
    searchers: Mapping[str, Searcher | ServedIndex], *, settings: ServerSettings
) -> FastAPI:
    """An application over open indices, by the names they have in requests.

    Its lifespan asks each index one query; `/readyz` is 503 until they have answered.
    The service behind it is `app.state.service`. The documentation pages of FastAPI are
    off, because they load their scripts from elsewhere; `/openapi.json` is on.
    Raises ServerError without any index.
    """
    service = SearchService(searchers, settings)
    mcp = McpEndpoint(service)
    writes = IndexWrites(service, settings.tasks)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with mcp.running(), anyio.create_task_group() as tasks:
            tasks.start_soon(service.readiness.watch)
            tasks.start_soon(service.readiness.look_after)
            tasks.start_soon(writes.run)
            yield
            writes.stop()
            tasks.cancel_scope.cancel()

    app = FastAPI(
        title="xret",
        summary="Search documents in one language with questions in another",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(create_router(service, writes))
    app.router.routes.append(mcp.route())
    if settings.page:
        app.include_router(create_page(service, marks=settings.page_marks))
    add_error_handlers(app)
    # The last one added is the first to see a request.
    app.add_middleware(GZipMiddleware, minimum_size=MIN_ZIPPED_BYTES, compresslevel=4)
    app.add_middleware(Heads)
    app.add_middleware(
        WholeBody, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s
    )
    if settings.keys is not None:
        service.readiness.keyring = Keyring(Path(settings.keys))
        app.add_middleware(KeyGate, keyring=service.readiness.keyring)
        describe_keys(app)
    if settings.allow_hosts is not None:
        app.add_middleware(HostGate, names=settings.allow_hosts)
    app.add_middleware(Border, service=service)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    return app
