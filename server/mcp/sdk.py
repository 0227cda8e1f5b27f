"""The official library of MCP, which is optional, in both of its editions (1.23 and 2 on)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from xret import __version__
from xret.errors import MissingLibraryError, XretError
from xret.server.errors import http_error
from xret.server.mcp.tools import SearchTools

__all__ = ["create_mcp_server", "session_manager"]

T = TypeVar("T")

log = logging.getLogger("xret.server")

INSTRUCTIONS = (
    "Search documents in many languages with questions in any language. Ask in the user's own "
    "words: nothing need be translated. Call `search`, then `fetch` for the whole text of what "
    "looks right; `languages` says what there is."
)

READS_ONLY = {"readOnlyHint": True, "openWorldHint": False}


def create_mcp_server(tools: SearchTools) -> Any:
    """The library's server with our three tools. Raises MissingLibraryError without the library."""
    server_class, tool_error = _library()
    with _logging_kept():
        server = server_class(name="xret", instructions=INSTRUCTIONS)
    _set_version(server)
    from mcp import types

    for name in ("search", "fetch", "languages"):
        tool = getattr(tools, name)
        server.add_tool(
            _refusing(tool, tool_error),
            name=name,
            structured_output=True,
            annotations=types.ToolAnnotations.model_validate(READS_ONLY),
        )
    return server


def session_manager(server: Any) -> Any:
    """What answers `/mcp`: a reply in JSON to each request, and nothing kept between requests.

    Hosts and keys are checked before it, as for every address.
    """
    from mcp.server.transport_security import TransportSecuritySettings

    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    if hasattr(server, "settings") and hasattr(server.settings, "stateless_http"):  # edition 1
        server.settings.stateless_http = server.settings.json_response = True
        server.settings.transport_security = unchecked
        server.streamable_http_app()
    else:
        server.streamable_http_app(
            stateless_http=True, json_response=True, transport_security=unchecked
        )
    return server.session_manager


def _library() -> tuple[Any, type[Exception]]:
    try:
        import mcp.server
    except ImportError as error:
        raise MissingLibraryError(
            "the library of the Model Context Protocol is not installed; pip install 'xret[mcp]'"
        ) from error
    if hasattr(mcp.server, "MCPServer"):
        from mcp.server.mcpserver.exceptions import ToolError

        return mcp.server.MCPServer, ToolError
    return _first_edition()


def _first_edition() -> tuple[Any, type[Exception]]:
    from importlib import import_module

    fastmcp = import_module("mcp.server.fastmcp")
    return fastmcp.FastMCP, import_module("mcp.server.fastmcp.exceptions").ToolError


def _refusing(
    tool: Callable[..., Awaitable[T]], tool_error: type[Exception]
) -> Callable[..., Awaitable[T]]:
    """The tool with our errors as the library's: what HTTP says of them, for the model to read."""

    @functools.wraps(tool)
    async def called(*words: Any, **named: Any) -> T:
        try:
            return await tool(*words, **named)
        except Exception as error:
            told = http_error(error)
            if told.status >= 500:
                name = str(error) if isinstance(error, XretError) else type(error).__name__
                log.error("a tool failed: %s", name)
            raise tool_error(told.detail) from None

    return called


def _set_version(server: Any) -> None:
    """Ours; the first edition would tell its own."""
    for name in ("_lowlevel_server", "_mcp_server"):
        if hasattr(server, name):
            getattr(server, name).version = __version__


@contextmanager
def _logging_kept() -> Iterator[None]:
    """The library sets up the root logger, which is not its own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
