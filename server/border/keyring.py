"""Keys of clients: made once, told once, kept as hashes in one file."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import filelock
import orjson

from xret.config import home
from xret.errors import ConfigError
from xret.index.search.filters import Filter
from xret.retriever.question import wanted_documents

__all__ = ["SCOPES", "Keyring", "Scope", "StoredKey", "keys_file", "new_key"]

Scope = Literal["search", "embed", "write", "admin"]
"""search: questions and documents. embed: vectors and scores of texts. write: documents added and
deleted. admin: all, and what the server says of itself."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "xret_"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is kept of a key. id: its name in lists, and in the log.

    scopes: what it may do; "admin" may all. indexes: by the names they are served under, none for
    all. filter: the only documents that there are for it, as a line of text. expires: ISO 8601 in
    UTC. per_minute: requests. note: for people.
    """

    id: str
    sha256: str
    scopes: tuple[Scope, ...]
    indexes: tuple[str, ...] = ()
    filter: str | None = None
    created: str = ""
    expires: str | None = None
    per_minute: int | None = None
    note: str = ""

    def has_expired(self, now: datetime) -> bool:
        return self.expires is not None and datetime.fromisoformat(self.expires) <= now

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def described(self) -> dict[str, Any]:
        """All but the hash."""
        fields = dataclasses.asdict(self)
        del fields["sha256"]
        return fields

    def bound(self) -> Filter | None:
        return wanted_documents(None, self.filter) if self.filter is not None else None


def keys_file() -> Path:
    """Where keys are kept unless told otherwise."""
    return home() / "keys.json"


def new_key(
    scopes: Sequence[str],
    *,
    indexes: Sequence[str] = (),
    filter: str | None = None,
    days: float | None = None,
    per_minute: int | None = None,
    note: str = "",
) -> tuple[str, StoredKey]:
    """A new key as its owner gets it, 256 random bits, and what is kept of it.

    days: until it expires. Raises ConfigError for a scope that does not exist, none at all, and a
    filter on a key that writes; QueryError for a filter that is none.
    """
    unknown = sorted({*scopes} - {*SCOPES})
    if unknown or not scopes:
        named = ", ".join(map(repr, unknown)) or "none"
        raise ConfigError(f"the key's scopes are {named}; use one or more of {', '.join(SCOPES)}")
    if filter is not None and {"write", "admin"} & {*scopes}:
        raise ConfigError(
            "a key with a filter cannot write or administer, for which it would have to see what "
            "the filter hides; make one key to write and one with the filter to search"
        )
    now = datetime.now(UTC)
    secret = PREFIX + secrets.token_urlsafe(32)
    key = StoredKey(
        id=secrets.token_hex(4),
        sha256=hashed(secret),
        scopes=tuple(scope for scope in SCOPES if scope in scopes),
        indexes=tuple(indexes),
        filter=filter,
        created=now.isoformat(timespec="seconds"),
        expires=None if days is None else (now + timedelta(days=days)).isoformat("T", "seconds"),
        per_minute=per_minute,
        note=note,
    )
    key.bound()
    if per_minute is not None and per_minute < 1:
        raise ConfigError(f"{per_minute} requests a minute are none; use 1 or more")
    return secret, key


def hashed(secret: str) -> str:
    """A secret has 256 random bits: nothing slower than a hash is needed to keep it."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


class Keyring:
    """The keys in a file. One process writes at a time; readers see it change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[StoredKey, ...] = ()

    def current(self) -> tuple[StoredKey, ...]:
        """Those in the file now, none where it is gone. Raises ConfigError for one that is no
        file of keys."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, ()
            return ()
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read ({error.strerror})") from error
        seen = stat.st_mtime_ns, stat.st_size, stat.st_ino
        if seen != self._seen:
            self._keys = self._read()
            self._seen = seen
        return self._keys

    def find(self, secret: str) -> StoredKey | None:
        """The key of that secret; expired ones are none. Each is compared in constant time."""
        digest = hashed(secret)
        match: StoredKey | None = None
        for key in self.current():
            if hmac.compare_digest(key.sha256, digest):
                match = key
        return None if match is None or match.has_expired(datetime.now(UTC)) else match

    def add(self, key: StoredKey) -> None:
        with self._lock():
            self._write([*self.current(), key])

    def remove(self, key_id: str) -> StoredKey:
        """Raises ConfigError for an id that is not there."""
        with self._lock():
            keys = self.current()
            for key in keys:
                if key.id == key_id:
                    self._write([other for other in keys if other is not key])
                    return key
        raise ConfigError(f"{self.path} has no key {key_id!r}; xret key list shows those it has")

    def _lock(self) -> filelock.BaseFileLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(f"{self.path}.lock")

    def _read(self) -> tuple[StoredKey, ...]:
        try:
            content = orjson.loads(self.path.read_bytes())
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}")
            return tuple(_stored(fields) for fields in content["keys"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{self.path} is no file of keys ({error})") from error

    def _write(self, keys: Sequence[StoredKey]) -> None:
        """The whole file or nothing of it. Only its owner may read a new one; one that is there
        keeps its owner, its group and who may read it: a server may run as another user."""
        content = {"format": FORMAT, "keys": [dataclasses.asdict(key) for key in keys]}
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".keys")  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
                file.flush()
                os.fsync(file.fileno())
            self._keep_readers(Path(name))
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _keep_readers(self, written: Path) -> None:
        if not self.path.exists():
            return
        before, own = self.path.stat(), written.stat()
        if (before.st_uid, before.st_gid) != (own.st_uid, own.st_gid):
            try:
                os.chown(written, before.st_uid, before.st_gid)
            except PermissionError:  # who may write the folder may change keys all the same
                return
        written.chmod(before.st_mode & 0o660)


def _stored(fields: dict[str, Any]) -> StoredKey:
    tuples = {name: tuple(fields[name]) for name in ("scopes", "indexes")}
    key = StoredKey(**{**fields, **tuples})
    if not isinstance(key.sha256, str) or not {*key.scopes} <= {*SCOPES}:
        raise ValueError("a key without a hash, or with a scope that does not exist")
    key.has_expired(datetime.now(UTC))
    return key
