"""How much the server takes on, and how long it waits. One frozen value, passed along."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import Literal

from xret.errors import ConfigError

__all__ = ["ServerSettings"]


MAY_BE_0 = ("max_waiting", "max_wait_ms", "drain_s", "shutdown_s", "keep_alive_s")


def _threads() -> int:
    return min(8, max(2, os.cpu_count() or 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Limits of one server. Each has a flag of `xret serve`, which says of it what stands here.

    threads: searches computed at the same time, by default as many as there are processors, 2 to
    8. max_wait_ms: how long a search may be expected to wait for a thread, by default as long as a
    search takes; one that would wait longer is refused at once. max_waiting: searches that may
    wait whatever they take. light_threads: threads for what is no search.
    timeout_ms: when a search is stopped that does not say so itself. max_timeout_ms: when any
    search is stopped. max_body_bytes: the largest request body.
    head_timeout_s: how long a client may take to send a request's head, and how long it
    may stop reading a reply. body_timeout_s: how long a client may take to send a body.
    max_connections: connections at most, where the system's limit of open files allows more; the
    one that has idled longest ends for the next.
    keep_alive_s: how long a connection may idle between requests.
    probe_every_s: how long an index may go unasked, or stay failed, until the server asks it
    something by itself.
    watch_every_s: how often it is seen whether the indices are still there and the same.
    map_files: leave files on disk, for indices larger than memory; a file that is cut then ends
    the process.
    allow_hosts: a name beside localhost that clients may call the server by, `*.example.org` for
    all below one, `*` for any.
    drain_s: how long SIGTERM lets new requests in after readiness has fallen: as long as a
    balancer takes to notice. shutdown_s: how long requests in flight may still take after that.
    log_level: how much is written to standard error. access_log: whether each request has a line,
    with time, method, route, status and duration, and never what was searched for.
    device: where texts are encoded and documents scored: cpu, cuda or cuda:N, by default texts on
    a GPU where torch sees one and documents on the CPU.
    rerank: the only reranker, `NAME[@depth]`, which requests have unless they say "off".
    deadline_ms: when the reranker stops reading where a request does not say.
    page: whether readers are served a page at `/`. page_marks: whether its script marks the
    words that carry the score of each hit, which is read anew for that, once hits are shown.
    max_texts: texts that a request may bring to be embedded or scored. max_text_characters: of
    each text that is brought; longer ones are refused. texts_timeout_s: how long embedding or
    scoring texts may take.
    keys: the file of `xret key`; every request but probes then needs a key in it.
    tasks: the folder of changes to documents that are not done yet; no changes without it.
    cors_origins: pages that may ask from a browser, as `https://example.org`, or "*" for any.
    tls_cert: certificate in PEM, to be spoken to in HTTPS. tls_key: its private key.
    """

    threads: int = field(default_factory=_threads)
    max_waiting: int = 64
    max_wait_ms: float | None = None
    light_threads: int = 4
    timeout_ms: float = 10_000.0
    max_timeout_ms: float = 60_000.0
    max_body_bytes: int = 1 << 20
    head_timeout_s: float = 6.0
    body_timeout_s: float = 8.0
    max_connections: int | None = None
    keep_alive_s: int = 5
    probe_every_s: float = 2.0
    watch_every_s: float = 1.0
    map_files: bool = False
    allow_hosts: tuple[str, ...] | None = None
    drain_s: float = 6.0
    shutdown_s: int = 30
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    access_log: Literal["off", "text", "json"] = "off"
    device: str | None = None
    rerank: str | None = None
    deadline_ms: float | None = 2_000.0
    page: bool = True
    page_marks: bool = True
    max_texts: int = 1_000
    max_text_characters: int = 100_000
    texts_timeout_s: float = 30.0
    keys: str | None = None
    tasks: str | None = None
    cors_origins: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None

    def __post_init__(self) -> None:
        for own in fields(self):
            value = getattr(self, own.name)
            if isinstance(value, int | float) and not value > 0 and own.name not in MAY_BE_0:
                if isinstance(value, bool):
                    continue
                raise ConfigError(f"the server's {own.name} is {value}; it must be more than 0")
            if isinstance(value, int | float) and not value >= 0:
                raise ConfigError(f"the server's {own.name} is {value}; it cannot be less than 0")
