"""An index that is served under a name: opened, looked after, and opened again when it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from xret.config import find_index, index_file
from xret.deadline import Deadline
from xret.errors import (
    DeadlineError,
    IndexLockedError,
    IndexNotFoundError,
    ReplacedIndexError,
    UnusableIndexError,
    XretError,
)
from xret.index.sharded.opening import open_reader
from xret.index.storage.encoder_record import FINGERPRINT
from xret.retriever.encoder import EncoderOptions
from xret.retriever.index_encoder import scan_device
from xret.retriever.indexing import OPTIONS_SETTING
from xret.retriever.opening.later import LaterEncoder
from xret.retriever.searcher import Searcher
from xret.server.errors import HttpError

__all__ = ["ServedIndex"]

T = TypeVar("T")

LOOK_S = 2.0
"""How long a look may wait for a commit to end."""

Place = tuple[int, int]
"""Device and inode of a catalog."""


@dataclass(slots=True)
class _Opened:
    """A searcher with the searches that are under way in it; closed after the last of them."""

    searcher: Searcher
    place: Place | None
    users: int = 0
    replaced: bool = False


class ServedIndex:
    """A name, the path that was given for it, and the index that is open there by now.

    fault: why it cannot be searched, where its files are gone or not as they were written.
    Shared by threads; `look` is one thread's at a time.
    """

    def __init__(
        self,
        name: str,
        path: str | Path,
        searcher: Searcher,
        *,
        in_memory: bool,
        device: str | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.fault: XretError | None = None
        self._in_memory, self._device = in_memory, device
        self._turn = threading.Lock()
        self._looking = threading.Lock()
        self._tried: object = None
        self._opened = _opened(searcher)

    @classmethod
    def open(
        cls, name: str, path: str, *, in_memory: bool = True, device: str | None = None
    ) -> ServedIndex:
        """Raises what `Searcher.open` raises."""
        searcher = Searcher.open(path, in_memory=in_memory, device=device)
        searcher.name = name
        return cls(name, path, searcher, in_memory=in_memory, device=device)

    @property
    def searcher(self) -> Searcher:
        """The one that is open now, for what is read at once."""
        return self._opened.searcher

    def close(self) -> None:
        self.searcher.close()

    @contextmanager
    def borrowed(self) -> Iterator[Searcher]:
        """The searcher, which stays open inside, whatever takes its place meanwhile.

        Raises HttpError where the index cannot be searched.
        """
        with self._turn:
            if self.fault is not None:
                raise self.refusal(self.fault)
            opened = self._opened
            opened.users += 1
        try:
            yield opened.searcher
        finally:
            with self._turn:
                opened.users -= 1
                last = opened.replaced and not opened.users
            if last:
                opened.searcher.close()

    def asked(self, work: Callable[[Searcher], T]) -> T:
        """Work on what is open; where that has been replaced at its place, on what is there now."""
        try:
            with self.borrowed() as searcher:
                return work(searcher)
        except ReplacedIndexError:
            self.look()
        with self.borrowed() as searcher:
            return work(searcher)

    def look(self) -> None:
        """See whether the index at the path is still the one that is open, and whole.

        Another one is opened in its place; one that is gone or damaged becomes a fault, until
        what is there can be opened.
        """
        with self._looking:
            try:
                state = self._state()
            except (XretError, OSError) as error:
                self._failed(error)
                return
            if state is None:
                with self._turn:
                    self.fault, self._tried = None, None
            elif state != self._tried:
                self._tried = state
                self._reopened()

    def reload(self) -> None:
        """Open what is at the path now, whether it has changed or not. Raises as `refusal`."""
        with self._looking:
            self._reopened()
        if self.fault is not None:
            raise self.refusal(self.fault)

    def refusal(self, error: Exception) -> HttpError:
        """What clients are told of a fault: the file by its name in the index."""
        code = error.code if isinstance(error, XretError) else "internal"
        text = str(error)
        if isinstance(error, IndexNotFoundError):  # which says how to build one
            text = f"the index {self.name} is no longer where it was; it is opened once it is back"
        folder = self.searcher.reader.folder
        for known in (folder, folder.resolve(), folder.absolute()):
            text = text.replace(f"{known}/", "").replace(str(known), f"the index {self.name}")
        if any(word.startswith("/") for word in text.split()) or not isinstance(error, XretError):
            text = "the index cannot be used; see the server's log"
        return HttpError(503, code, text, {"Retry-After": "5"})

    def _state(self) -> object:
        """None where all is as it was opened, else what is there, to try each once only."""
        catalog = index_file(find_index(self.path))
        if not catalog.is_file():
            raise IndexNotFoundError(f"the index {self.name} is no longer where it was opened")
        place = _place(catalog)
        if place != self._opened.place:
            return place, catalog.stat().st_mtime_ns
        try:
            touched = self.searcher.reader.touched(Deadline(LOOK_S))
        except (DeadlineError, IndexLockedError):
            return self._tried  # somebody commits; nothing new is known
        except UnusableIndexError as error:
            return str(error), catalog.stat().st_mtime_ns, _stamps(catalog.parent)
        return None if touched is None else (touched, _stamps(catalog.parent))

    def _reopened(self) -> None:
        try:
            searcher = self._open_again()
        except (XretError, OSError) as error:
            self._failed(error)
            return
        searcher.name = self.name
        opened = _opened(searcher)
        with self._turn:
            before, self._opened = self._opened, opened
            before.replaced, self.fault, self._tried = True, None, None
            unused = not before.users
        if unused:
            before.searcher.close()

    def _open_again(self) -> Searcher:
        """By the encoder that is loaded already, where the index is of the same."""
        folder, before = find_index(self.path), self.searcher
        device = scan_device(EncoderOptions(device=self._device))
        reader = open_reader(folder, device=device, in_memory=self._in_memory)
        try:
            settings, known = reader.opened_with, before.reader.opened_with
            names = (FINGERPRINT, OPTIONS_SETTING, "dim")
            same = all(settings.get(name) == known.get(name) for name in names)
            if same and not isinstance(before.encoder, LaterEncoder):
                searcher = Searcher(folder.name, reader, before.encoder)
                searcher.rerankers = before.rerankers
                return searcher
        except BaseException:
            reader.close()
            raise
        reader.close()
        searcher = Searcher.open(self.path, in_memory=self._in_memory, device=self._device)
        searcher.rerankers = before.rerankers
        return searcher

    def _failed(self, error: XretError | OSError) -> None:
        fault = error if isinstance(error, XretError) else UnusableIndexError(str(error))
        with self._turn:
            self.fault = fault.with_traceback(None)


def _opened(searcher: Searcher) -> _Opened:
    return _Opened(searcher, _place(index_file(searcher.reader.folder)))


def _place(catalog: Path) -> Place | None:
    try:
        found = catalog.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _stamps(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Every file of an index by name, size and time: the same, nothing has been mended since."""
    files = (path for path in folder.rglob("*") if path.is_file())
    seen = ((path, path.stat()) for path in sorted(files))
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in seen)
