"""Files as the bytes that were put into them: plain, .gz and .zst through one border.

Whatever can go wrong with an archive goes wrong here and leaves as CorpusError, so that no
reader of lines or of whole files has to know what a decompressor raises.
"""

from __future__ import annotations

import gzip
import importlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from xret.errors import CorpusError, MissingLibraryError

__all__ = ["COMPRESSIONS", "library", "open_decompressed", "uncompressed_name"]

COMPRESSIONS = (".gz", ".zst")
BLOCK_BYTES = 1 << 16
ZSTD_BLOCK_BYTES = 1 << 10
"""Read at a time: four bytes can hold 128 KiB, so that one read never becomes over 32 MiB."""


def uncompressed_name(path: Path) -> str:
    """A file's name in lower case without the ending of its compression."""
    name = path.name.lower()
    return name.removesuffix(path.suffix.lower()) if path.suffix.lower() in COMPRESSIONS else name


@contextmanager
def open_decompressed(path: Path) -> Iterator[BinaryIO]:
    """A file to read decompressed bytes from, in bounded memory.

    Every read, and opening itself, raises CorpusError for a file that is cut, damaged or not
    to be read, and MissingLibraryError where zstd is not installed.
    """
    blocks = _Blocks(_checked(path))
    try:
        yield cast(BinaryIO, io.BufferedReader(blocks, BLOCK_BYTES))
    finally:
        blocks.close()


def library(module: str, extra: str, package: str) -> Any:
    """An optional library, or MissingLibraryError with the line that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingLibraryError(
            f"reading this file needs {package}; install it with: pip install 'xret[{extra}]'"
        ) from error


class _Blocks(io.RawIOBase):
    """Blocks of bytes as a file, so that io reads lines from them."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            cast(Any, self._blocks).close()
        super().close()


def _checked(path: Path) -> Iterator[bytes]:
    read = {".gz": _gzip, ".zst": _zstd}.get(path.suffix.lower(), _plain)
    try:
        yield from read(path)
    except gzip.BadGzipFile as error:
        raise CorpusError(f"{path} is cut or damaged: {error}; fetch or write it again") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, ValueError, zlib.error) as error:
        raise CorpusError(f"{path} is cut or damaged: {error}; fetch or write it again") from error


def _plain(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _gzip(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _zstd(path: Path) -> Iterator[bytes]:
    """Frame after frame. The library's own reader takes a file cut in a frame for a whole one.

    Raises EOFError where the last frame has no end, ValueError for what is no frame.
    """
    zstandard = library("zstandard", "zstd", "zstandard")
    frame = None
    with path.open("rb") as file:
        while block := file.read(ZSTD_BLOCK_BYTES):
            while block:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                try:
                    yield frame.decompress(block)
                except zstandard.ZstdError as error:
                    raise ValueError(str(error)) from error
                block = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    if frame is not None:
        raise EOFError("the file ends inside a compressed frame")
