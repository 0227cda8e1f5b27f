"""The address of a served shard, asked by POST over connections that are kept."""

from __future__ import annotations

import http.client
import io
import ipaddress
import json
import os
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from xret.deadline import Deadline
from xret.errors import ConfigError, DeadlineError, QueryError, ShardError

__all__ = ["SHARD_KEY_VARIABLE", "ShardAddress"]

SHARD_KEY_VARIABLE = "XRET_SHARD_KEY"
"""The environment's name for the key that is sent, as Bearer; without it none is."""

INDEXES, SHARDS = "/v1/indexes/", "/v1/shards/"
MAX_BYTES = 64 << 20
"""Of a reply, which is parsed whole: more is not read."""

MAX_KEPT = 16
_BLOCK = 1 << 20
_PRINTABLE = re.compile(r"[!-~]+")
LATE_S = 0.1
"""A shard that stops so little before the search's own end has stopped for it."""


@dataclass(slots=True)
class ShardAddress:
    """`http://host:8000/v1/indexes/NAME`, of a server of xret.

    Redirects are not followed, no proxy is used. timeout_s: for one reply. key: sent as Bearer.
    Shared by threads.
    """

    host: str
    port: int | None
    path: str
    secure: bool
    timeout_s: float
    key: str = field(default="", repr=False)
    _kept: list[http.client.HTTPConnection] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def parse(cls, address: str, *, timeout_s: float) -> ShardAddress:
        """Raises ConfigError for what is no such address, and for a key that cannot be sent."""
        try:
            parts = urlsplit(address)
            port = parts.port
            (parts.hostname or "").encode("idna")
        except ValueError as error:
            raise ConfigError(f"{address!r} is no address: {error}") from error
        before, sign, name = parts.path.rpartition(INDEXES)
        plain = not (parts.username or parts.query or parts.fragment)
        known = parts.scheme in ("http", "https") and parts.hostname
        known = known if _PRINTABLE.fullmatch(parts.path) else None
        if not known or not plain or not sign or not name or "/" in name:
            raise ConfigError(
                f"{address!r} is no address of a served index; write "
                f"http://HOST:8000/v1/indexes/NAME, and put a key into {SHARD_KEY_VARIABLE}"
            )
        path, secure = f"{before}{SHARDS}{name}", parts.scheme == "https"
        key = _key()
        if key and not secure and not _is_loopback(str(parts.hostname)):
            raise ConfigError(
                f"{SHARD_KEY_VARIABLE} would go to {parts.hostname} unencrypted; write https://, "
                "or an address of this machine that a tunnel leads from"
            )
        return cls(str(parts.hostname), port, path, secure, timeout_s, key)

    def ask(self, body: dict[str, Any], deadline: Deadline) -> Any:
        """The JSON of the reply.

        Raises ShardError for no reply in time, or none that is of a shard; QueryError where the
        shard refuses the question, and DeadlineError where the search is over meanwhile. No reply
        keeps it longer than the deadline, however slowly it comes.
        """
        deadline.check()
        ends = min(deadline.until, time.monotonic() + self.timeout_s)
        asked = {**body, "timeout_ms": max(1.0, round((ends - time.monotonic()) * 1000))}
        content = json.dumps(asked).encode()
        try:
            status, reply = self._replied(content, ends)
        except TimeoutError as error:
            deadline.check()
            raise ShardError(f"no answer within {self.timeout_s:g} s") from error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ShardError(f"it cannot be asked: {reason}") from error
        try:
            answer = json.loads(reply)
        except (ValueError, RecursionError) as error:
            raise ShardError(f"status {status} and a reply that is not JSON") from error
        if status == 200:
            return answer
        over = deadline.passed or deadline.left_s < LATE_S
        raise _refusal(status, answer if isinstance(answer, dict) else {}, over=over)

    def close(self) -> None:
        with self._turn:
            while self._kept:
                self._kept.pop().close()

    def _replied(self, content: bytes, ends: float) -> tuple[int, bytes]:
        """By a connection that is open, or where its server has left it by a new one."""
        with self._turn:
            kept = self._kept.pop() if self._kept else None
        if kept is not None:
            try:
                return self._posted(kept, content, ends)
            except TimeoutError:
                kept.close()
                raise
            except (OSError, http.client.HTTPException):
                kept.close()
        fresh = self._connection(_left(ends))
        try:
            return self._posted(fresh, content, ends)
        except BaseException:
            fresh.close()
            raise

    def _posted(
        self, connection: http.client.HTTPConnection, content: bytes, ends: float
    ) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        connection.response_class = partial(_EndingReply, ends)  # type: ignore[assignment]
        if connection.sock is not None:
            connection.sock.settimeout(_left(ends))
        connection.request("POST", self.path, content, headers)
        reply = connection.getresponse()
        parts, size = [], 0
        if (reply.length or 0) > MAX_BYTES:
            connection.close()
            raise _too_long()
        while block := reply.read(_BLOCK):
            parts.append(block)
            size += len(block)
            if size > MAX_BYTES:
                connection.close()
                raise _too_long()
        with self._turn:
            if len(self._kept) < MAX_KEPT and not reply.will_close:
                self._kept.append(connection)
            else:
                connection.close()
        return reply.status, b"".join(parts)

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if not self.secure:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=context)


class _EndingReply(http.client.HTTPResponse):
    """A reply whose headers and body are over at one moment, not some time after each byte."""

    def __init__(self, ends: float, sock: socket.socket, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        self.fp.close()
        self.fp = io.BufferedReader(_EndingFile(sock, ends))


class _EndingFile(io.RawIOBase):
    def __init__(self, sock: socket.socket, ends: float) -> None:
        self._sock, self._ends = sock, ends
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(_left(self._ends))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _too_long() -> ShardError:
    return ShardError(f"it answers with more than {MAX_BYTES >> 20} MiB")


def _key() -> str:
    """That of the environment, "" for none. Raises ConfigError, which does not repeat it."""
    key = os.environ.get(SHARD_KEY_VARIABLE, "").strip()
    if key and not _PRINTABLE.fullmatch(key):
        raise ConfigError(
            f"{SHARD_KEY_VARIABLE} is no key: it holds a space, a line break or a letter beyond "
            "ASCII; set it to the key alone"
        )
    return key


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(status: int, problem: dict[str, Any], *, over: bool) -> Exception:
    """What a shard's error is here: of the question, of time, or the shard's own. over: whether
    the search's own time is."""
    code, detail = problem.get("code"), str(problem.get("detail", ""))[:1000]
    if code == QueryError.code:
        return QueryError(detail)
    if code == DeadlineError.code and over:
        return DeadlineError(detail)
    return ShardError(f"status {status}{f': {detail}' if detail else ''}")


def _left(ends: float) -> float:
    """Seconds that are left. Raises TimeoutError where none are."""
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
