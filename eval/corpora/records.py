"""Records of the file shapes that search collections come in, read one by one.

JSON lines, tab-separated text and parquet, each plain or compressed (.gz, .zst), and
folders of text files. What a record means is `shapes.py`'s business.
"""

from __future__ import annotations

import gzip
import importlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from xret.errors import CorpusError, MissingLibraryError

__all__ = ["BadRecord", "Record", "read_records"]

MAX_LINE_BYTES = 16 * 1024 * 1024
TSV_FIELDS = {2: ("id", "text"), 3: ("id", "title", "text")}
TSV_NAMES = {"id", "_id", "docid", "doc_id", "qid", "query_id", "text", "title", "contents", "lang"}


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one record and where it stood (`file:line`, or a row number)."""

    fields: Mapping[str, Any]
    place: str


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that cannot be read, with the reason."""

    place: str
    reason: str


def read_records(path: Path) -> Iterator[Record | BadRecord]:
    """Every record of a file, good or bad, in bounded memory.

    Raises CorpusError for a file that is missing, of an unknown kind, or broken as a whole
    (a cut archive, UTF-16), MissingLibraryError where parquet or zstd is not installed.
    """
    kind = path.name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2].lower()
    if not path.is_file():
        raise CorpusError(f"no such file: {path}")
    if kind == "parquet":
        yield from _parquet(path)
    elif kind in ("jsonl", "ndjson", "json"):
        yield from _json_lines(path)
    elif kind in ("tsv", "tab"):
        yield from _tab_separated(path)
    elif kind == "txt":
        yield _text_file(path)
    else:
        raise CorpusError(
            f"{path}: unknown kind of file; use .jsonl, .tsv, .parquet or .txt "
            "(.gz and .zst of them too)"
        )


def _json_lines(path: Path) -> Iterator[Record | BadRecord]:
    for number, line in _lines(path):
        place = f"{path}:{number}"
        if isinstance(line, BadRecord):
            yield line
            continue
        if not line.strip():
            continue
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield BadRecord(place, f"not a JSON object: {error}")
            continue
        if isinstance(fields, dict):
            yield Record(fields, place)
        else:
            yield BadRecord(place, f"a JSON {type(fields).__name__} where an object is expected")


def _tab_separated(path: Path) -> Iterator[Record | BadRecord]:
    names: tuple[str, ...] | None = None
    for number, line in _lines(path):
        if isinstance(line, BadRecord):
            yield line
            continue
        cells = line.decode("utf-8").rstrip("\r\n").split("\t")
        if number == 1 and {cell.strip().lower() for cell in cells} <= TSV_NAMES:
            names = tuple(cell.strip().lower() for cell in cells)
            continue
        if cells == [""]:
            continue
        expected = names or TSV_FIELDS.get(len(cells))
        if expected is None or len(cells) != len(expected):
            wanted = len(names) if names else "2 or 3"
            yield BadRecord(f"{path}:{number}", f"{len(cells)} cells where {wanted} are expected")
            continue
        yield Record(dict(zip(expected, cells, strict=True)), f"{path}:{number}")


def _text_file(path: Path) -> Record | BadRecord:
    with _open(path) as file:
        content = file.read(MAX_LINE_BYTES + 1)
    if len(content) > MAX_LINE_BYTES:
        return BadRecord(str(path), f"longer than {MAX_LINE_BYTES:,} bytes")
    fault = _encoding_fault(content)
    if fault:
        return BadRecord(str(path), fault)
    return Record({"id": path.name, "text": content.decode("utf-8-sig")}, str(path))


def _parquet(path: Path) -> Iterator[Record | BadRecord]:
    parquet = _library("pyarrow.parquet", "parquet", "pyarrow")
    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=1024):
            for fields in batch.to_pylist():
                number += 1
                yield Record(fields, f"{path}:{number}")
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read as parquet: {error}") from error


def _lines(path: Path) -> Iterator[tuple[int, bytes | BadRecord]]:
    """Numbered lines, each checked to be UTF-8; an overlong line is skipped, not held."""
    number = 0
    with _open(path) as file:
        while line := _read(file, path):
            number += 1
            if number == 1:
                if line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise CorpusError(f"{path} is UTF-16; convert it: iconv -f utf-16 -t utf-8")
                line = line.removeprefix(b"\xef\xbb\xbf")
            place = f"{path}:{number}"
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = _read(file, path)
                yield number, BadRecord(place, f"a line longer than {MAX_LINE_BYTES:,} bytes")
                continue
            fault = _encoding_fault(line)
            yield number, BadRecord(place, fault) if fault else line


def _read(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.readline(MAX_LINE_BYTES + 1)
    except (EOFError, OSError, ValueError) as error:
        raise CorpusError(f"{path} is cut or damaged: {error}") from error


def _encoding_fault(content: bytes) -> str | None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return (
            f"not UTF-8 at byte {error.start}; if the file is Latin-1, convert it: "
            "iconv -f latin1 -t utf-8"
        )
    return None


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    if path.suffix == ".zst":
        zstandard = _library("zstandard", "zstd", "zstandard")
        with path.open("rb") as raw:
            reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            yield io.BufferedReader(reader)
    elif path.suffix == ".gz":
        with gzip.open(path, "rb") as file:
            yield file  # type: ignore[misc]
    else:
        with path.open("rb") as file:
            yield file


def _library(module: str, extra: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingLibraryError(
            f"reading this file needs {package}; install it with: pip install 'xret[{extra}]'"
        ) from error
