"""Who asks, and what they may: the key of a request, its scope, its share of requests.

An address that is not named here needs a key that may search: what is added later is closed
until somebody opens it.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from xret.errors import ConfigError
from xret.index.search.filters import Filter
from xret.server.border.keyring import Keyring, Scope, StoredKey
from xret.server.errors import HttpError

__all__ = ["GRANT", "Grant", "KeyGate", "needed_scope"]

MAX_SECRET = 512
MAX_BUCKETS = 10_000

OPEN = re.compile(r"/(?:healthz|livez|readyz|openapi\.json|docs(?:/.*)?|errors/[a-z0-9_]+)")
"""Probes, and what is said of every server alike."""

_RULES: tuple[tuple[re.Pattern[str], Scope], ...] = (
    (re.compile(r"/metrics|/v1/indexes/[^/]+/reload"), "admin"),
    (re.compile(r"/v1/tasks(?:/.*)?", re.DOTALL), "write"),
    (re.compile(r"/v1/embeddings|/v[12]/rerank|/embed|/rerank|/score"), "embed"),
)
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_DOCUMENTS = re.compile(r"/v1/indexes/[^/]+/(?:deletions|documents(?:/.*)?)", re.DOTALL)
_INDEXES = re.compile(r"/v1/(?:indexes|aliases)(?:/.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the request in hand may know. indexes: by name, empty for all. bound: the only
    documents there are. spend: takes so many requests more from its key; raises HttpError where
    it has no more."""

    key_id: str
    indexes: frozenset[str]
    bound: Filter | None
    spend: Callable[[int], None]

    def sees(self, index: str) -> bool:
        return not self.indexes or index in self.indexes


GRANT: ContextVar[Grant | None] = ContextVar("grant", default=None)
"""Of the request that this task answers; None where no key is asked for, and all is allowed."""


def needed_scope(method: str, path: str) -> Scope | None:
    """What a request's key must allow; None where none is needed."""
    if method in _READING and OPEN.fullmatch(path):
        return None
    for address, scope in _RULES:
        if address.fullmatch(path):
            return scope
    if method not in _READING and _DOCUMENTS.fullmatch(path):
        return "write"
    if method not in _READING and _INDEXES.fullmatch(path):
        return "admin"
    return "search"


class KeyGate:
    """Lets a request through whose key may do what it asks; ASGI."""

    def __init__(
        self, app: ASGIApp, *, keyring: Keyring, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app = app
        self._keyring = keyring
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._clock = clock

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        needed = needed_scope(scope["method"], scope["path"])
        if needed is not None:
            key = self._key(Headers(scope=scope))
            if not key.allows(needed):
                raise HttpError(
                    403, "forbidden", f"this key may not do that; it needs the scope {needed}"
                )
            self._count(key)
            GRANT.set(Grant(key.id, frozenset(key.indexes), key.bound(), partial(self._spend, key)))
            scope.setdefault("state", {})["key_id"] = key.id
        await self.app(scope, receive, send)

    def _key(self, headers: Headers) -> StoredKey:
        secret = _secret(headers)
        try:
            key = None if secret is None else self._keyring.find(secret)
        except ConfigError as error:  # what that is stands in the log, by `Readiness`
            detail = "the keys of this server cannot be read, so that nobody may ask"
            raise HttpError(503, "keys_unreadable", detail, {"Retry-After": "5"}) from error
        if key is None:
            how = "send a key as Authorization: Bearer KEY, or as X-API-Key"
            detail = how if secret is None else f"there is no such key, or it has expired; {how}"
            # A browser asks its user for the key, as the password of any name.
            kind = "Basic" if "text/html" in headers.get("accept", "") else "Bearer"
            challenge = {"WWW-Authenticate": f'{kind} realm="xret"'}
            raise HttpError(401, "unauthorized", detail, challenge)
        return key

    def _spend(self, key: StoredKey, n: int) -> None:
        """Count what a request asks beside the one thing it is."""
        if key.per_minute is not None and n >= key.per_minute:
            raise HttpError(
                429,
                "too_many_requests",
                f"this key has {key.per_minute} requests a minute, and never {n + 1} at once",
                {"Retry-After": "60"},
            )
        self._count(key, n)

    def _count(self, key: StoredKey, n: int = 1) -> None:
        """Raises HttpError once the key has had its requests: as many a minute, unused ones of
        one minute are kept."""
        if key.per_minute is None or n < 1:
            return
        now, rate = self._clock(), key.per_minute / 60
        left, since = self._buckets.pop(key.id, (float(key.per_minute), now))
        left = min(float(key.per_minute), left + (now - since) * rate)
        allowed = left >= n
        self._buckets[key.id] = (left - n if allowed else left), now
        while len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        if not allowed:
            wait_s = math.ceil((n - left) / rate)
            raise HttpError(
                429,
                "too_many_requests",
                f"this key has {key.per_minute} requests a minute; try again in {wait_s} s",
                {"Retry-After": str(wait_s)},
            )


def _secret(headers: Headers) -> str | None:
    """The key that a request brings: Bearer, X-API-Key, or the password of Basic."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    if kind.lower() == "basic":
        try:
            decoded = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        value = decoded.partition(":")[2]
    elif kind.lower() != "bearer":
        value = headers.get("x-api-key", "")
    return value if 0 < len(value) <= MAX_SECRET else None
