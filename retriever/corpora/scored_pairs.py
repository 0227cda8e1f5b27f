"""Runs and judgements in other shapes than TREC's: tables with a heading, and ranx's JSON.

Each is a query, a document and a number. A table names its columns in the first line, and is
separated by tabs, commas or spaces: what pandas, PyTerrier, ranx and BEIR write.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xret.errors import CorpusError
from xret.retriever.corpora.lines import first_bytes, read_lines

__all__ = ["GRADES", "SCORES", "ScoredPair", "scored_pairs"]

QUERIES = ("query_id", "queryid", "qid", "q_id", "topic_id", "topic", "query")
DOCUMENTS = ("docno", "doc_id", "d_id", "document_id", "corpus_id", "passage_id", "docid", "pid")
"""Names of a column, the surest first: PyTerrier's docid is a number of its index."""

GRADES = ("relevance", "rel", "label", "grade", "judgment", "judgement", "score")
SCORES = ("score", "sim", "similarity")

MAX_JSON_BYTES = 1 << 30


class ScoredPair(NamedTuple):
    """One line of a table or member of an object; the number as it is written. place: file
    and line."""

    query_id: str
    doc_id: str
    number: str
    place: str


def scored_pairs(path: Path, numbers: Sequence[str]) -> Iterator[ScoredPair] | None:
    """The pairs of a file in one of these shapes; None for one that begins otherwise.

    numbers: what the column of the number may be called. Raises CorpusError with the line
    that does not fit.
    """
    start = first_bytes(path, 1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        return _members(path)
    heading = start.partition(b"\n")[0].decode(errors="replace").strip()
    separator = next((s for s in "\t," if s in heading), None)
    names = _cells(heading, separator)
    places = [_place(names, among) for among in (QUERIES, DOCUMENTS, numbers)]
    columns = [place for place in places if place is not None]
    return _rows(path, columns, separator, len(names)) if len(columns) == len(places) else None


def _place(names: Sequence[str], among: Sequence[str]) -> int | None:
    """Which column has one of these names, whatever its letters and hyphens."""
    plain = [name.strip().lower().replace("-", "_") for name in names]
    return next((plain.index(name) for name in among if name in plain), None)


def _cells(line: str, separator: str | None) -> list[str]:
    if separator == ",":
        return next(csv.reader([line]), [])
    return line.split(separator)


def _rows(
    path: Path, columns: Sequence[int], separator: str | None, width: int
) -> Iterator[ScoredPair]:
    lines = iter(read_lines(path))
    next(lines)
    for number, line in lines:
        if not line.strip():
            continue
        cells = _cells(line, separator)
        if len(cells) != width and separator == "\t":
            cells = line.split()
        if len(cells) != width:
            raise CorpusError(
                f"{path}:{number}: {len(cells)} cells where the first line names {width} columns"
            )
        query, document, value = (cells[column].strip() for column in columns)
        yield ScoredPair(query, document, value, f"{path}:{number}")


def _members(path: Path) -> Iterator[ScoredPair]:
    """ranx's form: `{query: {document: number}}`."""
    text = first_bytes(path, MAX_JSON_BYTES)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path} begins like JSON and is none: {error}") from error
    for query, documents in _object(content, path, "queries").items():
        for document, number in _object(documents, path, f"the documents of {query}").items():
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise CorpusError(f"{path}: {document!r} of query {query!r} has no number")
            yield ScoredPair(query, document, repr(number), str(path))


def _object(content: Any, path: Path, what: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise CorpusError(f"{path}: a JSON object of {what} was expected, as ranx writes it")
    return content
