"""Records of the file shapes that search collections come in, read one by one.

JSON lines, tab-separated text and parquet, each plain or compressed (.gz, .zst), and
folders of text files. What a record means is `shapes.py`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from xret.errors import CorpusError
from xret.retriever.corpora.decompress import library, uncompressed_name
from xret.retriever.corpora.lines import (
    MAX_LINE_BYTES,
    BadLine,
    checked_lines,
    encoding_fault,
    first_bytes,
)

__all__ = ["ID_FIELDS", "TEXT_FIELDS", "BadRecord", "Record", "kind_of", "read_records"]

ID_FIELDS = ("_id", "docid", "doc_id", "query_id", "qid", "id")
TEXT_FIELDS = ("text", "contents", "query")
TSV_FIELDS = {2: ("id", "text"), 3: ("id", "title", "text")}
KINDS = {
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "tsv": "tsv",
    "tab": "tsv",
    "parquet": "parquet",
    "txt": "txt",
}
"""What a file holds, by the ending of its name."""


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


def kind_of(path: Path) -> str | None:
    """`jsonl`, `tsv`, `parquet` or `txt` by the uncompressed name; None for any other file."""
    _, dot, ending = uncompressed_name(path).rpartition(".")
    return KINDS.get(ending) if dot else None


def read_records(path: Path) -> Iterator[Record | BadRecord]:
    """Every record of a file, good or bad, in bounded memory.

    Raises CorpusError for a file that is missing, of an unknown kind, or broken as a whole
    (a cut archive, UTF-16), MissingLibraryError where parquet or zstd is not installed.
    """
    if not path.is_file():
        raise CorpusError(f"no such file: {path}")
    kind = kind_of(path)
    if kind == "parquet":
        yield from _parquet(path)
    elif kind == "jsonl":
        yield from _json_lines(path)
    elif kind == "tsv":
        yield from _tab_separated(path)
    elif kind == "txt":
        yield _text_file(path)
    else:
        raise CorpusError(
            f"{path}: unknown kind of file; use .jsonl, .tsv, .parquet or .txt "
            "(.gz and .zst of them too)"
        )


def _json_lines(path: Path) -> Iterator[Record | BadRecord]:
    for number, line in checked_lines(path):
        place = f"{path}:{number}"
        if isinstance(line, BadLine):
            yield BadRecord(place, line.reason)
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
    for number, line in checked_lines(path):
        place = f"{path}:{number}"
        if isinstance(line, BadLine):
            yield BadRecord(place, line.reason)
            continue
        cells = line.split("\t")
        if number == 1 and (names := _heading(cells)):
            continue
        if cells == [""]:
            continue
        expected = names or TSV_FIELDS.get(len(cells))
        if expected is None or len(cells) != len(expected):
            wanted = len(names) if names else "2 or 3"
            yield BadRecord(place, f"{len(cells)} cells where {wanted} are expected")
            continue
        yield Record(dict(zip(expected, cells, strict=True)), place)


def _heading(cells: list[str]) -> tuple[str, ...] | None:
    """The names of the columns where a first line is a heading, None where it is a record.

    It is one when it names an id and a text; the other columns may be called anything.
    """
    names = [cell.strip() for cell in cells]
    known = {*ID_FIELDS, *TEXT_FIELDS, "title", "lang", "language", "url", "date", "time"}
    lowered = tuple(name.lower() if name.lower() in known else name for name in names)
    found = set(lowered)
    return lowered if found & set(ID_FIELDS) and found & {*TEXT_FIELDS, "title"} else None


def _text_file(path: Path) -> Record | BadRecord:
    content = first_bytes(path, MAX_LINE_BYTES + 1)
    if len(content) > MAX_LINE_BYTES:
        return BadRecord(str(path), f"longer than {MAX_LINE_BYTES:,} bytes")
    if fault := encoding_fault(content):
        return BadRecord(str(path), fault)
    return Record({"id": path.name, "text": content.decode("utf-8-sig")}, str(path))


def _parquet(path: Path) -> Iterator[Record | BadRecord]:
    parquet = library("pyarrow.parquet", "parquet", "pyarrow")
    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=1024):
            for fields in batch.to_pylist():
                number += 1
                yield Record(fields, f"{path}:{number}")
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read as parquet: {error}") from error
