"""One address that the user named, asked by POST: bounded in time and size, and nothing else."""

from __future__ import annotations

import http.client
import json
import math
import os
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from xret.errors import ConfigError, RerankError

__all__ = ["KEY_VARIABLE", "Endpoint"]

KEY_VARIABLE = "XRET_RERANK_KEY"
"""The environment's name for the key that is sent, as Bearer; without it none is."""

TIMEOUT_S = 30.0
MAX_BYTES = 8 << 20
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An http or https address. model: the name that is sent with each request, or none.
    key_variable: the environment's name for the key.

    Redirects are not followed, no proxy is used, and no other address is ever asked.
    """

    host: str
    port: int | None
    path: str
    secure: bool
    model: str = ""
    key_variable: str = KEY_VARIABLE

    @classmethod
    def parse(cls, address: str, *, key_variable: str = KEY_VARIABLE) -> Endpoint:
        """`https://host/path#model`. Raises ConfigError."""
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"{address!r} is no address: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ConfigError(
                f"{address!r} is no address to ask; write https://host/path, and #model after it "
                f"where one is to be named; a key goes into {key_variable}"
            )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        secure = parts.scheme == "https"
        return cls(parts.hostname, port, path, secure, parts.fragment, key_variable)

    @property
    def shown(self) -> str:
        """For messages: without what an address may hide in its query."""
        where = self.host if self.port is None else f"{self.host}:{self.port}"
        return f"{where}{self.path.partition('?')[0]}"

    def ask(self, body: dict[str, Any], *, until: float = math.inf) -> Any:
        """The JSON of the reply. until: by `time.monotonic`, 30 s from now at the latest.

        Raises RerankError for no reply in time, a status other than 200, and what is not JSON.
        """
        status, content = self.reply(body, until=until)
        if status != 200:
            raise RerankError(f"{self.shown} answered with status {status}")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise RerankError(f"{self.shown} answered something that is not JSON") from error

    def reply(
        self, body: dict[str, Any], *, until: float = math.inf, timeout_s: float = TIMEOUT_S
    ) -> tuple[int, bytes]:
        """Status and content of the reply, whatever they are. until: as in `ask`.

        Raises RerankError for no reply in time.
        """
        ends = min(until, time.monotonic() + timeout_s)
        try:
            return self._post(json.dumps(body).encode(), ends)
        except TimeoutError as error:
            raise RerankError(f"{self.shown} did not answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            raise RerankError(f"{self.shown} cannot be asked: {_words(error)}") from error

    def _post(self, content: bytes, ends: float) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := os.environ.get(self.key_variable):
            headers["Authorization"] = f"Bearer {key}"
        connection = self._connection(_left(ends))
        try:
            connection.request("POST", self.path, content, headers)
            if connection.sock is not None:
                connection.sock.settimeout(_left(ends))
            reply = connection.getresponse()
            parts, size = [], 0
            # A reply that drips keeps each wait short: the clock is asked at every block.
            while block := reply.read1(_BLOCK):
                parts.append(block)
                size += len(block)
                if size > MAX_BYTES:
                    raise RerankError(f"{self.shown} answered more than {MAX_BYTES >> 20} MiB")
                _left(ends)
            return reply.status, b"".join(parts)
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if not self.secure:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=context)


def _left(ends: float) -> float:
    """Seconds that are left. Raises TimeoutError where none are."""
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
