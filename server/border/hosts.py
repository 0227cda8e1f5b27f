"""Which names a server answers to: a page whose name was bent to this address is not served.

A page of attacker.example can have its name resolved to 127.0.0.1 once it has been loaded, and
its scripts then read whatever answers there (DNS rebinding). Its requests carry its own name as
their Host. An address in numbers cannot be bent, so that those are always answered.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from xret.server.errors import HttpError

__all__ = ["ANY_HOST", "HostGate"]

ANY_HOST = "*"


class HostGate:
    """Refuses requests under names that the server was not given.

    names: beside localhost, without a port; `*` for any, `*.example.org` for all below one.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str]) -> None:
        self.app = app
        self._names = {name.lower().rstrip(".") for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_known(Headers(scope=scope).get("host")):
            raise HttpError(
                421,
                "unknown_host",
                "this server does not answer to that name; it is given names by --allow-host",
            )
        await self.app(scope, receive, send)

    def _is_known(self, host: str | None) -> bool:
        if host is None or ANY_HOST in self._names:
            return True  # HTTP/1.0 may have none, and browsers always send one
        name = _without_port(host.lower())
        if name in self._names or name == "localhost" or _is_address(name):
            return True
        above = name.split(".")
        return any(f"*.{'.'.join(above[n:])}" in self._names for n in range(1, len(above)))


def _without_port(host: str) -> str:
    """The name or address of a Host header.

    >>> _without_port("[::1]:8080"), _without_port("example.org.:80"), _without_port("a.b")
    ('::1', 'example.org', 'a.b')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0].rstrip(".") if ":" in host else host.rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
