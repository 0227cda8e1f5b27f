"""uvicorn's HTTP/1.1 protocol, with an end to the patience it has for slow clients."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import uuid
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from xret.server.border.connections import OpenConnections
from xret.server.border.refusals import Refusals
from xret.server.errors import MEDIA_TYPE, HttpError, problem_body

__all__ = ["TimedProtocol", "timed_protocol"]

MIN_READ_BYTES = 16 << 10


class TimedProtocol(H11Protocol):
    """Drops a connection whose client has not done its part within `timeout_s`.

    Its part is to send a request's head, and to read at least 16 KiB more of a long reply:
    uvicorn alone waits for ever for both. Bodies have their own limit, in `limits.WholeBody`.
    """

    timeout_s: ClassVar[float] = 6.0
    open_connections: ClassVar[OpenConnections] = OpenConnections(1 << 30)
    refusals: ClassVar[Refusals | None] = None
    _refused_at = -math.inf
    _patience: asyncio.TimerHandle | None = None
    _unread_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()
        self.open_connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._done()
        self.open_connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        reply = self.refusals.reply(data) if self.refusals and self._is_between() else None
        if reply is None:
            super().data_received(data)
            return
        self.transport.write(reply)
        # Timers that run are left to run: they see that something has come meanwhile.
        self._refused_at = self.loop.time()
        self.open_connections.works(self)
        self.open_connections.waits(self)

    def _is_between(self) -> bool:
        """Whether what comes now is the beginning of a request, and may be answered at once."""
        connection = self.conn
        return (
            connection.their_state is h11.IDLE
            and connection.our_state is h11.IDLE
            and not connection.trailing_data[0]
            and not self.flow.write_paused
        )

    def handle_events(self) -> None:
        super().handle_events()
        self._time_client()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._time_client()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._done()
        self._time_client()

    def timeout_keep_alive_handler(self) -> None:
        left_s = self._refused_at + self.timeout_keep_alive - self.loop.time()
        if self.transport.get_write_buffer_size():
            self._wait()  # the client is still reading; a close would wait for it for ever
        elif left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(
                left_s, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """The reply to what is not HTTP, as a problem like every other."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        error = HttpError(400, "malformed_http", "the request is not valid HTTP/1.1, or too long")
        body = problem_body(error, uuid.uuid4().hex)
        headers = [
            ("Content-Type", MEDIA_TYPE),
            ("Content-Length", str(len(body))),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ]
        events = [
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _time_client(self) -> None:
        """Let the time run while the next step is the client's."""
        if self.conn.their_state is h11.IDLE or self.flow.write_paused:
            self._wait()
        else:
            self._done()

    def _wait(self) -> None:
        self.open_connections.waits(self)
        if self._patience is None:
            self._patience = self.loop.call_later(self.timeout_s, self._time_is_up)

    def _time_is_up(self) -> None:
        self._patience = None
        left_s = self._refused_at + self.timeout_s - self.loop.time()
        unread_bytes = self.transport.get_write_buffer_size()
        if self.flow.write_paused and unread_bytes <= self._unread_bytes - MIN_READ_BYTES:
            self._unread_bytes = unread_bytes
            self._wait()
        elif left_s > 0 and self._is_between():
            self._patience = self.loop.call_later(left_s, self._time_is_up)
        else:
            self.drop()

    def drop(self) -> None:
        """Close at once; what a client does not read the system is not to keep for it either."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None and self.flow.write_paused:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _done(self) -> None:
        self.open_connections.works(self)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def timed_protocol(
    timeout_s: float, *, most: int, refusals: Refusals | None = None
) -> type[TimedProtocol]:
    """The protocol with that patience and so many connections at most; uvicorn takes a class and
    makes the instances. refusals: of requests that are too many, before they are read."""
    own = {
        "timeout_s": timeout_s,
        "open_connections": OpenConnections(most),
        "refusals": refusals,
    }
    return type("TimedProtocol", (TimedProtocol,), own)
