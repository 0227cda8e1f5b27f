"""Files from the web into a cache: resumable, checked, and never touched when offline."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from xret.errors import CorpusError
from xret.retriever.corpora.collection import FetchedFile
from xret.retriever.corpora.pins import Pins
from xret.types import Progress

__all__ = ["UrlFile", "digest", "is_offline", "refuse_offline"]

TRIES = 4
TIMEOUT_S = 60.0
BLOCK_BYTES = 1 << 20
HUB = "https://huggingface.co/"


def is_offline() -> bool:
    """Whether XRET_OFFLINE or the hub client's own HF_HUB_OFFLINE forbids the network."""
    names = ("XRET_OFFLINE", "HF_HUB_OFFLINE")
    return any(os.environ.get(n, "").upper() in ("1", "TRUE", "YES", "ON") for n in names)


def refuse_offline(what: str, where: str) -> CorpusError:
    """The one answer to a file that is neither in the cache nor to be had."""
    return CorpusError(
        f"{what} is not in the cache and the network is off (XRET_OFFLINE or HF_HUB_OFFLINE); "
        f"run `xret corpus pull` where there is a network, or copy it to {where}"
    )


def digest(path: Path, algorithm: str) -> str:
    """The checksum of a file in hex; `git` is git's own of a blob (sha1 with its length)."""
    made = hashlib.new("sha1" if algorithm == "git" else algorithm, usedforsecurity=False)
    if algorithm == "git":
        made.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            made.update(block)
    return made.hexdigest()


@dataclass(frozen=True)
class UrlFile:
    """One file at an address, and its place in the cache.

    md5: what its publisher says; where nobody says one, the sha256 of the first download is
    recorded under `pins` and every later one must equal it.
    """

    url: str
    path: Path
    md5: str | None = None
    pins: str | None = None

    def fetch(self) -> list[FetchedFile]:
        """The file, from the cache or the web, and checked.

        Raises CorpusError for a file in the cache that is not the one it should be.
        """
        path = self.local()
        algorithm, wanted = self._expected()
        found = digest(path, algorithm)
        if wanted and found != wanted:
            raise CorpusError(
                f"{path} is damaged or another file: its {algorithm} is {found}, expected "
                f"{wanted}; delete it and run the command again"
            )
        if wanted is None and self.pins:
            Pins(self.pins).record_checksum(self.url, f"{algorithm}:{found}")
        return [FetchedFile(path, self.url, path.stat().st_size, f"{algorithm}:{found}")]

    def local(self) -> Path:
        """The file's place in the cache, fetched and checked where it is not there."""
        for _ in self.watch():
            pass
        return self.path

    def watch(self) -> Iterator[Progress]:
        """Fetch and check the file where it is not there, with the bytes that came so far."""
        from filelock import FileLock

        if self.path.is_file():
            return
        if is_offline():
            raise refuse_offline(self.url, str(self.path))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            if not self.path.is_file():
                yield from self._download(self.path.with_name(self.path.name + ".part"))

    def _download(self, part: Path) -> Iterator[Progress]:
        reason = ""
        for _ in range(TRIES):
            reason = yield from _append(_address(self.url), part)
            if not reason:
                break
        if reason:
            raise CorpusError(
                f"{self.url} cannot be fetched: {reason}. Run the command again to go on where "
                f"it stopped, or put the file at {self.path} yourself"
            )
        self._check(part)
        part.replace(self.path)

    def _check(self, part: Path) -> None:
        """Raises CorpusError, and forgets what was downloaded, where it is not the file."""
        algorithm, wanted = self._expected()
        found = digest(part, algorithm)
        if wanted is None and self.pins:
            Pins(self.pins).record_checksum(self.url, f"{algorithm}:{found}")
        elif wanted and found != wanted:
            part.unlink()
            raise CorpusError(
                f"{self.url} is not the file it should be: its {algorithm} is {found}, expected "
                f"{wanted}; it was deleted. Try again, and if it stays so the source has changed"
            )

    def _expected(self) -> tuple[str, str | None]:
        """The algorithm and the checksum that the file must have, None where none is known."""
        if self.md5:
            return "md5", self.md5
        recorded = Pins(self.pins).checksum(self.url) if self.pins else None
        return "sha256", recorded.removeprefix("sha256:") if recorded else None


def _address(url: str) -> str:
    """The address itself, or its like at the hub that HF_ENDPOINT names."""
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint and url.startswith(HUB):
        return endpoint.rstrip("/") + "/" + url.removeprefix(HUB)
    return url


def _append(url: str, part: Path) -> Generator[Progress, None, str]:
    """Go on with a download; returns why it stopped before its end, "" where it did not."""
    import httpx

    have = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"}  # the bytes of the file, to be counted and resumed
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with httpx.stream(
            "GET", url, headers=headers, timeout=TIMEOUT_S, follow_redirects=True
        ) as answer:
            if answer.status_code == 416:  # nothing is left: the checksum decides
                return ""
            answer.raise_for_status()
            if answer.status_code != 206:
                have = 0
            length = int(answer.headers.get("Content-Length") or 0)
            yield from _write(answer.iter_raw(), part, have=have, length=length)
            got = part.stat().st_size - have
            return f"{got:,} of {length:,} bytes came" if got < length else ""
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error).splitlines()[0] if str(error) else type(error).__name__


def _write(blocks: Iterator[bytes], part: Path, *, have: int, length: int) -> Iterator[Progress]:
    """Put blocks after what is there, each at once: what came is kept if the rest does not."""
    total, done, said = have + length if length else None, have, have
    with part.open("ab" if have else "wb") as file:
        for block in blocks:
            file.write(block)
            done += len(block)
            if done - said >= BLOCK_BYTES:
                said = done
                yield Progress("downloading", done, total, "bytes")
        file.flush()
        os.fsync(file.fileno())
