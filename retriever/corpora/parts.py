"""A collection opened: its parts as one corpus, and the queries that were judged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from xret.errors import CorpusError
from xret.retriever.corpora.collection import (
    ANSWERED,
    Choice,
    Collection,
    FetchedFile,
    Part,
)
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import BadRecord
from xret.retriever.corpora.shapes import document_of
from xret.types import Document, Progress, Query

__all__ = ["CollectionCorpus", "judged_queries"]

LONGEST_NAME = 120
NAMED_IDS = 8
"""How many ids a note spells out."""


class CollectionCorpus:
    """The chosen languages of a collection as one corpus.

    Queries that nobody judged are dropped, as are judgements of a query that has no topic;
    `notes` says how many and which.
    """

    def __init__(self, collection: Collection, choice: Choice, parts: Sequence[Part]) -> None:
        self.collection = collection
        self.choice = choice
        self._parts = parts
        self._joined = len({part.name for part in parts}) > 1
        self._judged: tuple[list[Query], Qrels] | None = None
        self._answers: dict[str, Sequence[str]] = {}
        self._notes: list[str] = []
        self.licence = collection.licence
        sets = tuple(dict.fromkeys(part.name for part in parts))
        whole = {*sets} == {*collection.doc_langs}
        self.name: str | None = collection.name + ("" if whole else f"-{_joined(sets)}")

    def documents(
        self, *, on_reject: Callable[[BadRecord], None], lang: str | None = None
    ) -> Iterator[Document]:
        """Every good document, part after part; bad records go to `on_reject`."""
        seen = set()
        for part in self._parts:
            if part.name in seen:  # several query languages over one document set
                continue
            seen.add(part.name)
            for record in part.documents():
                found = (
                    record
                    if isinstance(record, BadRecord)
                    else document_of(record, lang=part.doc_lang or lang)
                )
                if isinstance(found, BadRecord):
                    on_reject(found)
                else:
                    yield replace(found, doc_id=self._id(part, found.doc_id, "documents"))

    def count_records(self) -> int | None:
        """How many documents the chosen languages are published with."""
        return self.collection.count(self.choice.doc_langs)

    def queries(self) -> list[Query]:
        """The judged queries of every part."""
        return self._read()[0]

    def qrels(self) -> Qrels:
        """The judgements of those queries; a query over several parts has them of all."""
        return self._read()[1]

    def answers(self) -> Mapping[str, Sequence[str]]:
        """The answers that are looked for in texts, by query; {} where documents are judged.

        The judgements of such a query name `ANSWERED`, which is no document.
        """
        self._read()
        return self._answers

    def notes(self) -> list[str]:
        """What reading the queries and judgements left out."""
        self._read()
        return self._notes

    def fetch(self) -> Iterator[Progress | FetchedFile]:
        """Bring every file of the chosen parts into the cache, and check it."""
        sources = list(dict.fromkeys(source for part in self._parts for source in part.sources))
        for done, source in enumerate(sources):
            yield Progress("fetching", done, len(sources), "sources")
            yield from source.watch()
            yield from source.fetch()
        yield Progress("fetching", len(sources), len(sources), "sources")

    def _read(self) -> tuple[list[Query], Qrels]:
        if self._judged is None:
            queries: dict[str, Query] = {}
            qrels: Qrels = {}
            for part in self._parts:
                self._read_part(part, queries, qrels)
            self._judged, notes = judged_queries(list(queries.values()), qrels)
            self._notes += notes
            if not self._judged[0]:
                raise CorpusError(f"{self.name} has no query with a judgement in this split")
        return self._judged

    def _read_part(self, part: Part, queries: dict[str, Query], qrels: Qrels) -> None:
        refused: dict[str, list[str]] = {}
        reject = lambda bad: refused.setdefault(bad.reason, []).append(bad.place)  # noqa: E731
        for query in part.queries(reject):
            query_id = self._id(part, query.query_id, "queries")
            queries.setdefault(query_id, replace(query, query_id=query_id))
        for reason, places in refused.items():
            self._notes.append(f"{len(places):,} topics, the first at {places[0]}: {reason}")
        for query_id, grades in part.qrels().items():
            judged = qrels.setdefault(self._id(part, query_id, "queries"), {})
            judged.update({self._id(part, doc, "documents"): g for doc, g in grades.items()})
        for query_id, answers in part.answers().items():
            asked = self._id(part, query_id, "queries")
            self._answers[asked] = answers
            qrels.setdefault(asked, {})[ANSWERED] = 1

    def _id(self, part: Part, given: str, kind: str) -> str:
        made = given + (part.query_suffix if kind == "queries" else "")
        if self._joined and kind in self.collection.own_ids:
            return f"{part.name}/{made}"
        return made


def judged_queries(
    queries: Sequence[Query], qrels: Qrels
) -> tuple[tuple[list[Query], Qrels], list[str]]:
    """Queries with judgements and judgements with a query, and what was left out in words."""
    known = {query.query_id for query in queries}
    judged = [query for query in queries if query.query_id in qrels]
    kept = {query_id: grades for query_id, grades in qrels.items() if query_id in known}
    notes = []
    if len(judged) < len(queries):
        notes.append(
            f"{len(queries) - len(judged):,} of {len(queries):,} topics are not judged and are "
            "left out"
        )
    lost = [query_id for query_id in qrels if query_id not in known]
    if lost:
        ids = ", ".join(lost[:NAMED_IDS]) + (", ..." if len(lost) > NAMED_IDS else "")
        notes.append(f"{len(lost):,} judged queries have no topic and are left out: {ids}")
    return (judged, kept), notes


def _joined(sets: Sequence[str]) -> str:
    """Names of document sets as one name that a file system takes."""
    joined = "-".join(sets)
    if len(joined) <= LONGEST_NAME:
        return joined
    return f"{len(sets)}-{hashlib.sha256(joined.encode()).hexdigest()[:12]}"
