"""The process: indices opened, a port bound, requests served until a signal comes."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import gc
import ipaddress
import logging
import re
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

import uvicorn

from xret.config import find_index, home
from xret.errors import ServerError
from xret.retriever.searcher import Searcher
from xret.server.app import create_app
from xret.server.border.connections import raised_file_limit
from xret.server.border.keyring import Keyring, keys_file
from xret.server.border.protocol import timed_protocol
from xret.server.border.refusals import Refusals
from xret.server.indexes.served import ServedIndex
from xret.server.indexes.service import SearchService
from xret.server.routes.json_body import INDEX_NAME
from xret.server.settings import ServerSettings

__all__ = ["HttpServer", "bind", "open_searchers", "serve", "serve_on", "stage_of"]

log = logging.getLogger("xret.server")

MAX_HEAD_BYTES = 16 << 10
BACKLOG = 1_024


def serve(
    names: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    announce: Callable[[str], None] = print,
    allow_public: bool = False,
    settings: ServerSettings | None = None,
) -> None:
    """Serve indices, by name or path, until SIGTERM or SIGINT; returns once all is answered.

    port: 0 picks a free one. announce: given one line for people as soon as requests are
    taken. allow_public: listen on an address that other machines reach though nothing asks
    clients for a key. Where keys have been made (`xret key add`), every client needs one.
    Raises ServerError for an address that cannot be used or an index that no request
    could name, and what `Searcher.open` raises.
    """
    wanted = _with_keys(settings or ServerSettings())
    if wanted.allow_hosts is None:
        wanted = dataclasses.replace(wanted, allow_hosts=())
    has_keys = wanted.keys is not None
    with bind(host, port, allow_public=allow_public or has_keys) as listener:
        searchers = open_searchers(names, in_memory=not wanted.map_files, device=wanted.device)
        try:
            for one in searchers.values():
                stage_of(one.searcher, wanted)
            serve_on(searchers, listener, announce=announce, settings=wanted)
        finally:
            for one in searchers.values():
                one.close()


def stage_of(searcher: Searcher, settings: ServerSettings) -> None:
    """Open the reranker of the settings. Raises ConfigError, and what `load_reranker` raises."""
    searcher.rerankers.stage(settings.rerank, searcher.reader.settings)


def open_searchers(
    names: Sequence[str], *, in_memory: bool = True, device: str | None = None
) -> dict[str, ServedIndex]:
    """Open indices, each given as a name, a path, or `NAME=PATH`, under their names in requests.

    That of a path is what its last folder is called there, in lower case, and not what a link
    leads to: another index may take its place. in_memory: as in `IndexReader.open`; device: as
    in EncoderOptions.
    """
    served: dict[str, ServedIndex] = {}
    try:
        for given in names:
            name, path = _named(given)
            if not re.fullmatch(INDEX_NAME, name) or name in served:
                reason = "is the name of two indices" if name in served else "cannot be used"
                find_index(path)  # one that is not there is what people are told first
                raise ServerError(
                    f"{name!r} {reason} in addresses (from {path}); serve it as NAME={path}, with "
                    "a name of its own that begins with a letter or digit and has only a-z, 0-9 "
                    "and ._-"
                )
            served[name] = ServedIndex.open(name, path, in_memory=in_memory, device=device)
    except BaseException:
        for one in served.values():
            one.close()
        raise
    return served


def _named(given: str) -> tuple[str, str]:
    """The name and the path of an index as it was given."""
    name, sign, path = given.partition("=")
    if sign and path and "/" not in name and not Path(given).is_dir():
        return name, path
    last = Path(given).name
    return (last if last not in ("", "..") else Path(given).resolve().name).lower(), given


def bind(host: str, port: int, *, allow_public: bool = False) -> socket.socket:
    """A bound socket; raises ServerError when the address is public, unknown or taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ServerError(f"{host!r} is no address to listen on; try 127.0.0.1") from error
    if not allow_public and not ipaddress.ip_address(address[0]).is_loopback:
        raise ServerError(
            f"{host} can be reached from other machines, and nothing asks them for a key; make "
            "keys (xret key add), or listen on 127.0.0.1, or say --public if everybody may ask"
        )
    listener = socket.socket(family, kind, protocol)
    try:
        # Else the port stays taken for a minute after a restart.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _unusable(host, port, error) from error
    return listener


def serve_on(
    searchers: Mapping[str, Searcher | ServedIndex],
    listener: socket.socket,
    *,
    announce: Callable[[str], None],
    settings: ServerSettings,
) -> None:
    """Serve open indices on a bound socket until a signal comes."""
    host, port = listener.getsockname()[:2]
    try:
        # Two processes may bind one port as long as neither listens.
        listener.listen(BACKLOG)
    except OSError as error:
        raise _unusable(host, port, error) from error
    counts = []
    for name, one in searchers.items():
        searcher = one.searcher if isinstance(one, ServedIndex) else one
        counts.append(f"{name} ({searcher.reader.info().documents:,} documents)")
    shown = f"[{host}]" if ":" in host else host
    scheme = "http" if settings.tls_cert is None else "https"
    line = f"serving {', '.join(counts)} on {scheme}://{shown}:{port}"

    def started() -> None:
        # What is there now stays; to look through it for garbage would stop all for 50 ms.
        gc.collect()
        gc.freeze()
        announce(line)

    HttpServer(searchers, settings, started=started).run(sockets=[listener])


class HttpServer(uvicorn.Server):
    """uvicorn's server with our limits and our order of leaving.

    SIGTERM: readiness falls, new requests are still answered for `drain_s`, then the port
    closes and requests in flight are finished. SIGINT leaves out the waiting; a second one
    leaves at once. Neither is raised again afterwards: stopping when asked is success.
    """

    def __init__(
        self,
        searchers: Mapping[str, Searcher | ServedIndex],
        settings: ServerSettings,
        *,
        started: Callable[[], None],
    ) -> None:
        app = create_app(searchers, settings=settings)
        most = min(raised_file_limit(), settings.max_connections or 1 << 30)
        config = uvicorn.Config(
            app,
            http=timed_protocol(
                settings.head_timeout_s, most=most, refusals=Refusals(app.state.service)
            ),
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,  # it would write the questions down; limits.Border has its own
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_keep_alive=settings.keep_alive_s,
            timeout_graceful_shutdown=settings.shutdown_s,
            backlog=BACKLOG,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
        super().__init__(config)
        self.service: SearchService = app.state.service
        self._settings = settings
        self._tell_started = started
        self._leave_at: float | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._reload_on_hangup()
            self._tell_started()

    def _reload_on_hangup(self) -> None:
        """SIGHUP opens all indices again; not where another thread than the main one serves."""
        loop = asyncio.get_running_loop()
        with suppress(ValueError, RuntimeError, NotImplementedError, AttributeError):
            loop.add_signal_handler(
                signal.SIGHUP, lambda: self._jobs.add(loop.create_task(self.service.reload_all()))
            )

    async def on_tick(self, counter: int) -> bool:
        leave = await super().on_tick(counter)
        return leave or (self._leave_at is not None and time.monotonic() >= self._leave_at)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.force_exit = sig == signal.SIGINT and self.service.stopping
        self.leave(drain_s=0.0 if sig == signal.SIGINT else self._settings.drain_s)

    def leave(self, *, drain_s: float) -> None:
        """Stop being ready now, and stop taking requests after that many seconds."""
        self.service.stopping = True
        self._leave_at = time.monotonic() + drain_s


def _with_keys(settings: ServerSettings) -> ServerSettings:
    """The settings with the user's own keys, where they name no others and there are some.

    Raises ServerError for a file of keys or a certificate that is not there, and ConfigError for
    one that holds no keys.
    """
    if settings.keys is None and keys_file().is_file():
        settings = dataclasses.replace(settings, keys=str(keys_file()))
    if settings.keys is not None and settings.tasks is None:
        settings = dataclasses.replace(settings, tasks=str(home() / "tasks"))
    for path in (settings.keys, settings.tls_cert, settings.tls_key):
        if path is not None and not Path(path).is_file():
            raise ServerError(f"there is no file {path}")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ServerError("HTTPS needs both files: --tls-cert and --tls-key")
    if settings.keys is not None:
        Keyring(Path(settings.keys)).current()
    return settings


def _unusable(host: str, port: int, error: OSError) -> ServerError:
    if error.errno == errno.EADDRINUSE:
        return ServerError(f"port {port} on {host} is in use; choose another with --port")
    return ServerError(f"cannot listen on port {port} of {host}: {error.strerror}")
