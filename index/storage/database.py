"""One SQLite file: durable transactions, snapshots, and its errors told apart.

A rollback journal with full synchronisation. What SQLite and Python's module raise on a
damaged file becomes DamagedIndexError, a lock that did not go away IndexLockedError, and
a disk that refuses OSError.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xret.deadline import Deadline
from xret.errors import DamagedIndexError, DeadlineError, IndexLockedError, UnusableIndexError

__all__ = ["Database", "damage"]

BUSY_S = 30.0
"""How long a reader waits for a commit to end, and a commit for readers."""

PRAGMAS = (
    "page_size = 2048",
    "journal_mode = DELETE",
    "synchronous = EXTRA",
    "trusted_schema = OFF",
)
"""The size of pages is that of new files, and of those written anew: with SQLite's own 4,096
bytes every packed text of half a page wastes the other half."""

STEPS = 2_000
"""Steps of SQLite's machine, some tens of microseconds, between two looks at a deadline."""


class Database:
    """An open SQLite file. `transaction` is the only way to write."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def connect(cls, path: Path) -> Database:
        """Open a file, making an empty one where there is none; a broken commit is undone."""
        with damage(path):
            return cls(path, _connect(path))

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is one commit: all of it durable, or none of it there.

        Raises OSError when the disk refuses, IndexLockedError when a reader held the file
        for `BUSY_S` seconds; the last commit stays, and it may be tried again.
        """
        with _commit_errors(self.path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def rewrite(self) -> None:
        """Write the file anew, without unused pages; whole or not at all."""
        with _commit_errors(self.path):
            self._connection.execute("VACUUM")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside belongs to one commit; inside an outer block, to the outer one.

        A writer's commit waits until it ends, so nothing slow belongs in it.
        """
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Statements inside are interrupted at that moment, and wait for no lock beyond it.

        One thread at a time. Raises DeadlineError.
        """
        wait_ms = int(1000 * min(BUSY_S, max(deadline.left_s, 0.0)))
        with damage(self.path):
            self._connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
            self._connection.set_progress_handler(lambda: deadline.passed, STEPS)
        try:
            yield
        except DeadlineError as error:
            raise deadline.error() from error
        except IndexLockedError as error:
            if wait_ms == int(1000 * BUSY_S):
                raise
            raise deadline.error() from error
        finally:
            self._connection.set_progress_handler(None, 0)
            self._connection.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_S)}")

    @property
    def changes(self) -> int:
        """Rows written through this connection so far."""
        return self._connection.total_changes

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return list(self.each(query, values))

    def each(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query one by one; the file is held until the last is taken."""
        with damage(self.path):
            yield from self._connection.execute(query, tuple(values))

    def write(self, statement: str, rows: Iterable[Sequence[object]] = ((),)) -> None:
        """A statement once for each row of values, inside a transaction."""
        self._connection.executemany(statement, rows)

    def define(self, schema: str) -> None:
        """Statements that define tables, inside a transaction."""
        for statement in schema.split(";"):
            self._connection.execute(statement)


@contextmanager
def _commit_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not _is_busy(error):
            reason = f"cannot commit ({error}); what was committed before stays"
            raise OSError(errno.EIO, reason, str(path)) from error
        with damage(path):
            raise


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Errors of a file that is no sound catalog, named. A lock is not damage.

    Python's sqlite3 raises more than its own errors on a torn file: UnicodeDecodeError for
    a message with foreign bytes in it, TypeError and ValueError for values of other types.
    """
    try:
        yield
    except (sqlite3.DatabaseError, OverflowError, TypeError, ValueError) as error:
        if _code(error) == sqlite3.SQLITE_INTERRUPT:
            raise DeadlineError(f"{path}: the statement was stopped") from error
        if _is_busy(error):
            raise IndexLockedError(
                f"{path} is held by a reader or another process; try again"
            ) from error
        if isinstance(error, sqlite3.ProgrammingError):
            raise UnusableIndexError(f"{path} has been closed; open the index again") from error
        if _code(error) == sqlite3.SQLITE_READONLY:
            raise UnusableIndexError(
                f"{path} has a broken commit to undo; open it once where its folder can be written"
            ) from error
        raise DamagedIndexError(
            f"{path} cannot be read as a catalog ({error}); restore it from a copy or build "
            "the index again"
        ) from error


def _is_busy(error: Exception) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: Exception) -> int:
    """SQLite's primary result code, 0 where the error is none of its own."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_S, check_same_thread=False
    )
    try:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection
