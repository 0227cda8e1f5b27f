"""A corpus in files: one file, a folder of text files, or a folder in the BEIR layout."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from xret.errors import CorpusError
from xret.eval.corpora.decompress import COMPRESSIONS, uncompressed_name
from xret.eval.corpora.records import BadRecord, Record, kind_of, read_records
from xret.eval.corpora.shapes import document_of, query_of
from xret.eval.trec import Qrels, read_qrels
from xret.types import Document, Query

__all__ = ["LocalCorpus", "read_queries"]

SUFFIXES = (".jsonl", ".ndjson", ".tsv", ".parquet", ".txt")
NO_DOCUMENTS = re.compile(r"(queries|topics|qrels|rejects)([._\-\d]|$)", re.IGNORECASE)
"""Names of files and folders that lie beside documents and hold none."""

COUNTED_BYTES = 1 << 30


class LocalCorpus:
    """Documents, and in the BEIR layout queries and judgements, under one path.

    In a folder without a corpus file every file of a known kind is read, except what is named
    after queries, topics, judgements or rejects.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def documents(
        self, *, on_reject: Callable[[BadRecord], None], lang: str | None = None
    ) -> Iterator[Document]:
        """Every good document in file order; bad records go to `on_reject`.

        Raises CorpusError where the path holds nothing that could be a corpus.
        """
        for file in self._files():
            for record in self._records(file):
                found = record if isinstance(record, BadRecord) else document_of(record, lang=lang)
                if isinstance(found, BadRecord):
                    on_reject(found)
                else:
                    yield found

    def count_records(self) -> int | None:
        """How many records there may be, for a time estimate; None where counting is slow."""
        files = self._files()
        counted = [file for file in files if file.is_file() and kind_of(file) != "txt"]
        plain = all(kind_of(f) != "parquet" and f.suffix not in COMPRESSIONS for f in counted)
        if not plain or sum(file.stat().st_size for file in counted) > COUNTED_BYTES:
            return None
        return len(files) - len(counted) + sum(map(_count_lines, counted))

    def queries(self) -> list[Query]:
        """The queries beside the documents. Raises CorpusError where there are none."""
        return read_queries(self._beside("queries", (".jsonl", ".tsv")))

    def qrels(self) -> Qrels:
        """The judgements beside the documents (the BEIR test split where there are several)."""
        folder = self.path / "qrels"
        if folder.is_dir():
            for split in ("test", "dev", "train"):
                for suffix in (".tsv", ".tsv.gz"):
                    if (folder / f"{split}{suffix}").is_file():
                        return read_qrels(folder / f"{split}{suffix}")
        return read_qrels(self._beside("qrels", (".tsv", ".txt")))

    def _records(self, file: Path) -> Iterator[Record | BadRecord]:
        """The records of one file; the id of a text file is its path below the corpus."""
        if not file.is_file():
            yield BadRecord(str(file), "no file that can be read: a broken link, or a device")
            return
        for record in read_records(file):
            if isinstance(record, Record) and kind_of(file) == "txt" and file != self.path:
                doc_id = file.relative_to(self.path).as_posix()
                yield Record({**record.fields, "id": doc_id}, record.place)
            else:
                yield record

    def _files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        if not self.path.is_dir():
            raise CorpusError(f"no such file or folder: {self.path}")
        for compression in ("", *COMPRESSIONS):
            for suffix in (".jsonl", ".tsv", ".parquet"):
                named = self.path / f"corpus{suffix}{compression}"
                if named.is_file():
                    return [named]
        found = list(_below(self.path))
        if not found:
            raise CorpusError(f"{self.path} holds no corpus file ({' '.join(SUFFIXES)})")
        return sorted(found)

    def _beside(self, stem: str, suffixes: tuple[str, ...]) -> Path:
        for suffix in suffixes:
            for compression in ("", *COMPRESSIONS):
                path = self.path / f"{stem}{suffix}{compression}"
                if path.is_file():
                    return path
        raise CorpusError(f"{self.path} has no {stem} file; name one")


def _below(folder: Path) -> Iterator[Path]:
    """Every file that may hold documents, at any depth, in no order."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not NO_DOCUMENTS.match(name)]
        for name in names:
            path = Path(parent) / name
            if uncompressed_name(path).endswith(SUFFIXES) and not NO_DOCUMENTS.match(name):
                yield path


def _count_lines(path: Path) -> int:
    lines = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            lines += block.count(b"\n")
    return lines


def read_queries(path: Path) -> list[Query]:
    """The queries of a file, strictly: one bad record would change every measure.

    Raises CorpusError naming the first bad record or the first id met twice.
    """
    queries: dict[str, Query] = {}
    for record in read_records(path):
        query = record if isinstance(record, BadRecord) else query_of(record)
        if isinstance(query, BadRecord):
            raise CorpusError(f"{query.place}: {query.reason}")
        if query.query_id in queries:
            raise CorpusError(f"{path}: query id {query.query_id!r} appears twice")
        queries[query.query_id] = query
    if not queries:
        raise CorpusError(f"{path} holds no query")
    return list(queries.values())
