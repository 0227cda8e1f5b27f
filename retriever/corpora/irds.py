"""Any collection of ir_datasets by its own id (`miracl/sw/dev`, `hc4/zh/test`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from xret.errors import CorpusError, XretError
from xret.retriever.corpora.catalogue import ir_datasets_home, ir_datasets_library
from xret.retriever.corpora.collection import FetchedFile
from xret.retriever.corpora.download import UrlFile, is_offline, refuse_offline
from xret.retriever.corpora.parts import judged_queries
from xret.retriever.corpora.qrels import Qrels, grade_of
from xret.retriever.corpora.records import BadRecord, Record
from xret.retriever.corpora.shapes import document_of, query_of
from xret.types import Document, Progress, Query

__all__ = ["IrDatasetsCorpus", "find_dataset"]


def find_dataset(dataset_id: str) -> Any | None:
    """The dataset of that id, None where ir_datasets knows none."""
    library = ir_datasets_library()
    try:
        return library.load(dataset_id)
    except KeyError:
        return None


class IrDatasetsCorpus:
    """A dataset of ir_datasets: its own fields, its own default text of a query.

    Files come from its cache; what is missing is fetched into it, resumable and checked.
    """

    def __init__(self, dataset_id: str, dataset: Any) -> None:
        self.dataset_id = dataset_id
        self.name: str | None = dataset_id.replace("/", "-")
        self.licence = ""
        self._dataset = dataset
        self._judged: tuple[tuple[list[Query], Qrels], list[str]] | None = None

    def documents(
        self, *, on_reject: Callable[[BadRecord], None], lang: str | None = None
    ) -> Iterator[Document]:
        """Every good document; the language is the dataset's own where it names one."""
        self._need("docs")
        for record in self.records():
            found = document_of(record, lang=self._dataset.docs_lang() or lang)
            if isinstance(found, BadRecord):
                on_reject(found)
            else:
                yield found

    def records(self) -> Iterator[Record]:
        """The documents' fields as ir_datasets names them."""
        for number, doc in enumerate(self._reading(self._raw_documents), start=1):
            fields = doc._asdict()
            if not {"text", "title"} & set(fields):
                fields["text"] = doc.default_text()
            yield Record(fields, f"{self.dataset_id}: document {number}")

    def _raw_documents(self) -> Iterator[Any]:
        """The documents from their published files, never from a store that ir_datasets built:
        that is a pickle."""
        handler = self._dataset.docs_handler()
        raw = getattr(getattr(type(handler), "docs_iter", None), "__wrapped__", None)
        found: Iterator[Any] = raw(handler) if raw else handler.docs_iter()
        return found

    def count_records(self) -> int | None:
        """How many documents the dataset is published with."""
        found = self._dataset.docs_metadata() if self._dataset.has_docs() else {}
        return found.get("count")

    def queries(self) -> list[Query]:
        """Its judged queries."""
        return self._read()[0][0]

    def qrels(self) -> Qrels:
        """Its judgements of those queries."""
        return self._read()[0][1]

    def notes(self) -> list[str]:
        """What was left out of the queries and judgements."""
        return self._read()[1]

    def judgements(self) -> Qrels:
        """Its judgements, with those of queries that have no topic."""
        self._need("qrels")
        found: Qrels = {}
        for judgement in self._reading(self._dataset.qrels_iter):
            found.setdefault(judgement.query_id, {})[judgement.doc_id] = grade_of(
                judgement.relevance
            )
        return found

    def topics(self) -> list[Query]:
        """Its queries, judged or not."""
        self._need("queries")
        lang = self._dataset.queries_lang()
        found = []
        for number, query in enumerate(self._reading(self._dataset.queries_iter), start=1):
            fields = {"query_id": query.query_id, "text": query.default_text()}
            made = query_of(Record(fields, f"{self.dataset_id}: query {number}"), lang=lang)
            if isinstance(made, Query):
                found.append(made)
        return found

    def fetch(self) -> Iterator[Progress | FetchedFile]:
        """Bring every file of the dataset into ir_datasets' cache, and check it."""
        found = _downloads([self._handler(kind) for kind in ("docs", "queries", "qrels")])
        for done, download in enumerate(found):
            yield Progress("fetching", done, len(found), "files")
            source = _source(download)
            if source is not None:
                yield from source.watch()
                yield from source.fetch()
        yield Progress("fetching", len(found), len(found), "files")

    def _read(self) -> tuple[tuple[list[Query], Qrels], list[str]]:
        if self._judged is None:
            self._judged = judged_queries(self.topics(), self.judgements())
        return self._judged

    def _handler(self, kind: str) -> Any:
        has = getattr(self._dataset, f"has_{kind}")()
        return getattr(self._dataset, f"{kind}_handler")() if has else None

    def _need(self, kind: str) -> None:
        """Fetch the files of one kind. Raises CorpusError where the dataset has none of it."""
        handler = self._handler(kind)
        if handler is None:
            what = {"docs": "documents", "qrels": "judgements"}.get(kind, kind)
            raise CorpusError(f"{self.dataset_id} of ir_datasets has no {what}")
        for download in _downloads([handler]):
            if source := _source(download):
                source.local()

    def _reading(self, iterate: Callable[[], Iterable[Any]]) -> Iterator[Any]:
        try:
            yield from iterate()
        except XretError:
            raise
        except Exception as error:  # whatever a reader of ir_datasets meets in a file
            raise CorpusError(
                f"{self.dataset_id} cannot be read by ir_datasets: {type(error).__name__}: {error}"
            ) from error


def _downloads(found: list[Any]) -> list[Any]:
    """The files behind handlers of ir_datasets, whatever they are wrapped in, each once."""
    library = ir_datasets_library()
    kind = library.util.download.Download
    downloads, seen, waiting = [], set(), list(found)
    while waiting:
        value = waiting.pop(0)
        if value is None or id(value) in seen:
            continue
        seen.add(id(value))
        if _is_unpacked(value):
            continue  # an archive unpacked already: what it was unpacked from is not needed
        if isinstance(value, kind):
            downloads.append(value)
        elif isinstance(value, list | tuple):
            waiting += value
        elif type(value).__module__.startswith("ir_datasets"):
            waiting += vars(value).values()
    return downloads


def _is_unpacked(value: Any) -> bool:
    folder = getattr(value, "_extract_path", None)
    return isinstance(folder, str | Path) and Path(folder).is_dir()


def _source(download: Any) -> UrlFile | None:
    """A file at its place in the cache of ir_datasets, or where that looks for a copy of it.

    None for one that it keeps nowhere, or that the user made. Raises CorpusError with the
    publisher's instructions for one that the user must make.
    """
    urls = [mirror.url for mirror in download.mirrors if hasattr(mirror, "url")]
    copies = [mirror._path for mirror in download.mirrors if hasattr(mirror, "_path")]
    kept = download._cache_path or next(iter(copies), None)
    if urls and kept is not None and os.fspath(kept) != os.devnull:
        return UrlFile(urls[0], Path(kept), download.expected_md5)
    if urls and is_offline():
        raise refuse_offline(urls[0], str(ir_datasets_home()))
    if not urls and kept is not None and not Path(kept).is_file():
        said = [getattr(mirror, "_message", None) for mirror in download.mirrors]
        raise CorpusError(next(filter(None, said), f"the file {kept} is not there"))
    return None
