"""How much the server takes on, and how long it waits. One frozen value, passed along."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

__all__ = ["ServerSettings"]


def _threads() -> int:
    return min(8, max(2, os.cpu_count() or 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Limits of one server.

    threads: searches computed at the same time. max_wait_ms: how long a search may be expected to
    wait for a thread, None as long as a search takes; beyond that, and where max_waiting wait
    already, it is refused at once. light_threads: beside those, for what is no search.
    timeout_ms: when a search is stopped that does not say; max_timeout_ms: when any is.
    max_body_bytes: the largest request body.
    head_timeout_s: how long a client may take to send a request's head, and how long it
    may stop reading a reply. body_timeout_s: the same from the head's end to the body's.
    keep_alive_s: how long a connection may idle between requests.
    probe_every_s: how long an index may go unasked, or stay failed, until the server asks it
    something by itself.
    watch_every_s: how often it is seen whether the indices are still there and the same.
    map_files: leave files on disk, for indices larger than memory; a file that is cut then ends
    the process.
    allow_hosts: names beside localhost that clients may call the server by, `*` for any; see
    `border.hosts`. None: nobody looks at names, which `serve` does not leave so.
    drain_s: how long SIGTERM lets new requests in after readiness has fallen.
    shutdown_s: how long requests in flight may still take after that.
    rerank: the only reranker, `NAME[@depth]`, which requests have unless they say "off".
    deadline_ms: when it stops reading where a request does not say.
    page: whether readers are served a page at `/`. page_marks: whether it marks the words that
    carry the score of a hit where the reader has not said; each hit is read anew for that.
    max_texts: texts that a request may bring to be embedded or scored. max_text_characters: of
    each; longer ones are refused. texts_timeout_s: how long that may take.
    keys: the file of `xret key`; every request but probes then needs a key in it.
    cors_origins: pages that may ask from a browser, as `https://example.org`, or "*" for any.
    tls_cert, tls_key: files in PEM, to be spoken to in HTTPS.
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
    keep_alive_s: int = 5
    probe_every_s: float = 2.0
    watch_every_s: float = 1.0
    map_files: bool = False
    allow_hosts: tuple[str, ...] | None = None
    drain_s: float = 1.0
    shutdown_s: int = 30
    rerank: str | None = None
    deadline_ms: float | None = 2_000.0
    page: bool = True
    page_marks: bool = True
    max_texts: int = 1_000
    max_text_characters: int = 100_000
    texts_timeout_s: float = 30.0
    keys: str | None = None
    cors_origins: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
