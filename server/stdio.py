"""Indices for one language model, over standard input and output: the process of `xret mcp`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from xret.server.indexes.service import SearchService
from xret.server.mcp.sdk import create_mcp_server
from xret.server.mcp.tools import SearchTools
from xret.server.serve import open_searchers, stage_of
from xret.server.settings import ServerSettings

__all__ = ["serve_stdio"]


def serve_stdio(
    names: Sequence[str],
    *,
    announce: Callable[[str], None] = print,
    settings: ServerSettings | None = None,
) -> None:
    """Answer messages of MCP on standard input until it ends; nothing else goes to the output.

    announce: given one line for people as soon as messages are taken; it must not print to
    standard output. Raises MissingLibraryError without the library, and what `open_searchers`
    raises.
    """
    wanted = settings or ServerSettings()
    searchers = open_searchers(names, device=wanted.device)
    try:
        for searcher in searchers.values():
            stage_of(searcher.searcher, wanted)
        server = create_mcp_server(SearchTools(SearchService(searchers, wanted)))
        announce(f"serving {', '.join(searchers)} over standard input and output")
        anyio.run(server.run_stdio_async)
    finally:
        for searcher in searchers.values():
            searcher.close()
