"""How many connections there are at most, and which one ends where there are too many."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import Protocol

__all__ = ["OpenConnections", "raised_file_limit"]

SPARE_FILES = 128
"""Files that the process opens beside its connections: indices, catalogs, the log."""

MOST_FILES = 65_536


class Closable(Protocol):
    def drop(self) -> None: ...


class OpenConnections:
    """The connections of a server. Used from one event loop.

    Those whose client is to do the next step wait, in the order in which they began to; where
    one connection more comes than there may be, the one that has waited longest is closed, so
    that clients who hold many open keep out nobody who asks something.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.n = 0
        self._waiting: OrderedDict[Closable, None] = OrderedDict()

    def opened(self, connection: Closable) -> None:
        self.n += 1
        if self.n > self.most:
            longest = next(iter(self._waiting), connection)
            self._waiting.pop(longest, None)
            longest.drop()

    def closed(self, connection: Closable) -> None:
        self.n -= 1
        self._waiting.pop(connection, None)

    def waits(self, connection: Closable) -> None:
        self._waiting.setdefault(connection)

    def works(self, connection: Closable) -> None:
        self._waiting.pop(connection, None)


def raised_file_limit() -> int:
    """Let the process open as many files as the system allows it; connections that leaves."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MOST_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    files = MOST_FILES if soft == resource.RLIM_INFINITY else soft
    return max(16, files - SPARE_FILES)
