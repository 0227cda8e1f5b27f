"""Lines of text files, plain or compressed: the one place where a file becomes lines.

A line ends with a line feed, with or without a carriage return before it; a byte order mark
is no part of the first. What cannot be read is told as `FILE:LINE: what is wrong; what to do`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from xret.errors import CorpusError
from xret.retriever.corpora.decompress import open_decompressed

__all__ = [
    "MAX_LINE_BYTES",
    "BadLine",
    "checked_lines",
    "encoding_fault",
    "first_bytes",
    "read_blocks",
    "read_cells",
    "read_lines",
]

BLOCK_BYTES = 4 * 1024 * 1024
"""Read at a time where lines come in blocks."""

MAX_LINE_BYTES = 16 * 1024 * 1024
"""No text is longer; a longer line is a file of another kind."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """Why a line is no text."""

    reason: str


def checked_lines(path: Path) -> Iterator[tuple[int, str | BadLine]]:
    """Number (from 1) and text of every line, blank ones too, in bounded memory.

    A line that is not UTF-8 or too long comes as BadLine, and reading goes on behind it.
    Raises CorpusError for a file that is missing, cut, damaged or UTF-16, and
    MissingLibraryError where zstd is not installed.
    """
    if not path.is_file():
        raise CorpusError(f"no such file: {path}")
    number = 0
    try:
        with open_decompressed(path) as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                if not number:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                    _check_not_utf_16(path, line)
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    _pass_over(file, line)
                    yield number, BadLine(f"a line longer than {MAX_LINE_BYTES:,} bytes")
                    continue
                try:
                    text = line.decode()
                except UnicodeDecodeError:
                    yield number, BadLine(encoding_fault(line))
                    continue
                yield number, text.rstrip("\r\n")
    except CorpusError as error:
        reason = str(error).removeprefix(f"{path} ")
        raise CorpusError(f"{path}:{number + 1}: the file {reason}") from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """As `checked_lines`; raises CorpusError (file:line) for a line that is no text."""
    for number, line in checked_lines(path):
        if isinstance(line, BadLine):
            raise CorpusError(f"{path}:{number}: {line.reason}")
        yield number, line


def read_blocks(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of a file, many at a time: the number of the first, and their bytes.

    For files of millions of lines. Ends of lines are taken off (a carriage return may stay).
    Raises CorpusError as `read_lines`, but does not look whether the bytes are UTF-8.
    """
    if not path.is_file():
        raise CorpusError(f"no such file: {path}")
    number, left = 1, b""
    try:
        with open_decompressed(path) as file:
            while block := file.read(BLOCK_BYTES):
                if number == 1 and not left:
                    block = block.removeprefix(b"\xef\xbb\xbf")
                    _check_not_utf_16(path, block)
                *lines, left = (left + block).split(b"\n")
                if len(left) > MAX_LINE_BYTES:
                    reason = f"has a line longer than {MAX_LINE_BYTES:,} bytes"
                    raise CorpusError(f"{path} {reason}")
                yield number, lines
                number += len(lines)
            if left:
                yield number, [left]
    except CorpusError as error:
        reason = str(error).removeprefix(f"{path} ")
        raise CorpusError(f"{path}:{number}: the file {reason}") from error


def read_cells(path: Path, *columns: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of every line of a tab-separated file.

    columns: what they are called. Raises CorpusError (file:line) for a line that has more or
    fewer, and as `read_lines` does.
    """
    n_columns = len(columns)
    for number, line in read_lines(path):
        cells = line.split("\t")
        if len(cells) != n_columns:
            raise CorpusError(
                f"{path}:{number}: {'<TAB>'.join(columns)} was expected, found "
                f"{len(cells)} columns instead of {n_columns}"
            )
        yield number, cells


def first_bytes(path: Path, n_bytes: int = -1) -> bytes:
    """The first bytes of a file, decompressed; all of them for -1. Raises as `checked_lines`."""
    if not path.is_file():
        raise CorpusError(f"no such file: {path}")
    with open_decompressed(path) as file:
        return file.read(n_bytes)


def encoding_fault(content: bytes) -> str:
    """What is wrong with bytes that should be UTF-8; empty where nothing is."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return (
            f"not UTF-8 at byte {error.start}; if the file is Latin-1, convert it: "
            "iconv -f latin1 -t utf-8"
        )
    return ""


def _check_not_utf_16(path: Path, start: bytes) -> None:
    """By its mark, or by what English has without one: every second byte is 0."""
    first = start[:64]
    if first[:2] in (b"\xff\xfe", b"\xfe\xff") or (
        len(first) > 3 and (not any(first[1::2]) or not any(first[::2]))
    ):
        raise CorpusError(f"{path} is UTF-16; convert it: iconv -f utf-16 -t utf-8")


def _pass_over(file: BinaryIO, line: bytes) -> None:
    """Read to the end of a line that is not kept."""
    while line and not line.endswith(b"\n"):
        line = file.readline(MAX_LINE_BYTES + 1)
