"""A corpus in files: one file, a folder of text files, or a folder in the BEIR layout."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from xret.errors import CorpusError
from xret.retriever.corpora.decompress import COMPRESSIONS, uncompressed_name
from xret.retriever.corpora.parts import judged_queries
from xret.retriever.corpora.qrels import Qrels, read_qrels
from xret.retriever.corpora.records import BadRecord, Record, kind_of, read_records
from xret.retriever.corpora.shapes import document_of
from xret.retriever.corpora.topics import read_queries
from xret.retriever.languages.codes import language_code
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
    doc_langs, query_langs: only those languages, and only the judgements between them.
    """

    def __init__(
        self,
        path: Path,
        *,
        doc_langs: Sequence[str] = (),
        query_langs: Sequence[str] = (),
        split: str | None = None,
        name: str | None = None,
        licence: str = "",
    ) -> None:
        self.path = path
        self.name = name
        self.licence = licence
        self._split = split
        self._doc_langs = _codes(doc_langs)
        self._query_langs = _codes(query_langs)
        self._doc_ids: set[str] | None = None
        self._queries: list[Query] | None = None
        self._unasked: set[str] = set()
        self._qrels: Qrels | None = None

    def documents(
        self, *, on_reject: Callable[[BadRecord], None], lang: str | None = None
    ) -> Iterator[Document]:
        """Every good document in file order; bad records go to `on_reject`.

        Raises CorpusError where the path holds nothing that could be a corpus.
        """
        chosen: set[str] = set()
        for file in self._files():
            for record in self._records(file):
                found = record if isinstance(record, BadRecord) else document_of(record, lang=lang)
                if isinstance(found, BadRecord):
                    on_reject(found)
                elif not self._doc_langs:
                    yield found
                elif found.lang in self._doc_langs:
                    chosen.add(found.doc_id)
                    yield found
        self._doc_ids = chosen

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
        if self._queries is None:
            self._queries = self._chosen_queries()
        return self._queries

    def qrels(self) -> Qrels:
        """The judgements beside the documents (the BEIR test split where there are several)."""
        if self._qrels is None:
            self._qrels = self._chosen_qrels()
        return self._qrels

    def notes(self) -> list[str]:
        """Queries without judgements and judgements without a query, in words."""
        return judged_queries(self.queries(), self.qrels())[1]

    def _chosen_queries(self) -> list[Query]:
        queries = read_queries(self._beside("queries", (".jsonl", ".tsv", ".parquet")))
        if not self._query_langs:
            return queries
        kept = [query for query in queries if query.lang in self._query_langs]
        if not kept:
            found = ", ".join(sorted({query.lang for query in queries}))
            raise CorpusError(
                f"{self.path} has no query in {', '.join(sorted(self._query_langs))}; it has "
                f"queries in {found}"
            )
        self._unasked = {query.query_id for query in queries} - {q.query_id for q in kept}
        return kept

    def _chosen_qrels(self) -> Qrels:
        qrels = read_qrels(self._qrels_file())
        if self._query_langs:
            self.queries()
            qrels = {q: grades for q, grades in qrels.items() if q not in self._unasked}
        if not self._doc_langs:
            return qrels
        if self._doc_ids is None:
            deque(self.documents(on_reject=lambda _: None), maxlen=0)
        chosen = self._doc_ids or set()
        kept = {
            query_id: {doc_id: g for doc_id, g in grades.items() if doc_id in chosen}
            for query_id, grades in qrels.items()
        }
        return {query_id: grades for query_id, grades in kept.items() if grades}

    def _qrels_file(self) -> Path:
        for split in (self._split,) if self._split else ("test", "dev", "train"):
            for compression in ("", *COMPRESSIONS):
                path = self.path / "qrels" / f"{split}.tsv{compression}"
                if path.is_file():
                    return path
        if self._split:
            raise CorpusError(f"{self.path} has no split {self._split!r} (qrels/{self._split}.tsv)")
        return self._beside("qrels", (".tsv", ".txt"))

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


def _codes(langs: Sequence[str]) -> frozenset[str]:
    return frozenset() if "all" in langs else frozenset(map(language_code, langs))
