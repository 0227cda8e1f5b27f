"""Where the rankings that are evaluated come from: an index, or a run file of any program."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from xret.errors import CorpusError, LanguageError, RunError
from xret.eval.evaluation import Latency
from xret.eval.trec import RunFile, ranked
from xret.index.search.candidates import default_candidates
from xret.index.search.seen_queries import KeptTables
from xret.retriever.corpora.lines import read_lines
from xret.retriever.corpora.local import LocalCorpus
from xret.retriever.corpora.records import kind_of
from xret.retriever.encoded_queries import EncodedQueries
from xret.retriever.languages.codes import language_code
from xret.retriever.searcher import Searcher
from xret.types import UNDETERMINED, Calibrate, Hit, Mode, Query, SearchParams

__all__ = [
    "COST_SAMPLE",
    "DEPTH",
    "IndexRankings",
    "Rankings",
    "RunRankings",
    "TextRankings",
    "measure_encoding",
    "measure_latency",
    "read_document_langs",
]

DEPTH = 1_000
TIED = 16
"""Hits asked for behind those that are needed, to see whether the last of these ties with more."""

LATENCY_QUERIES = 50
LATENCY_DEPTH = 10

COST_SAMPLE = 32
"""Documents and queries by which the time of encoding is measured."""

T = TypeVar("T")


class Rankings(Protocol):
    """A system under evaluation.

    languages: documents by language as far as they are known, without the undetermined ones.
    """

    name: str
    languages: Mapping[str, int]

    def rank(
        self, queries: Sequence[Query], *, doc_lang: str | None = None, depth: int = DEPTH
    ) -> dict[str, Sequence[Hit]]:
        """By query id the hits as a run file says them, at most 1,000, best first.

        doc_lang: only documents in that language. depth: how many are needed; there may be
        more, and those that tie with the last of them in a run file are all there. A query that
        the system was not asked is left out; one that it found nothing for has an empty list.
        """

    def languages_of(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """The language of each document for which it is known."""


@runtime_checkable
class TextRankings(Protocol):
    """A system that has the texts of what it ranks."""

    def texts_of(self, doc_ids: Sequence[str]) -> list[str]:
        """The text of each document, without its title, in that order; "" for one that is gone.

        Raises RunError where the texts are not there.
        """


class IndexRankings:
    """An open index, asked through its searcher.

    mode: by vectors, by words or by both; None for what the index answers by default. rerank: a
    reranker over that, `NAME[@depth]`.
    calibrate: how scores are made to compare across languages, None for the default.
    """

    def __init__(
        self,
        searcher: Searcher,
        *,
        name: str = "",
        mode: Mode | None = None,
        rerank: str | None = None,
        calibrate: Calibrate | None = None,
    ) -> None:
        self.name = name or searcher.name
        self.searcher = searcher
        self.mode = mode
        self.rerank = rerank
        self.calibrate = calibrate
        counted = searcher.reader.info().languages
        self.languages: Mapping[str, int] = {
            lang: n for lang, n in counted.items() if lang != UNDETERMINED
        }
        self._known: dict[str, str] = {}
        self._encoded: tuple[dict[str, int], EncodedQueries] | None = None
        n_documents = sum(counted.values())
        self._candidates = SearchParams(n_candidates=default_candidates(DEPTH, n_documents))

    def rank(
        self, queries: Sequence[Query], *, doc_lang: str | None = None, depth: int = DEPTH
    ) -> dict[str, Sequence[Hit]]:
        if not queries:
            return {}
        encoded = self._ready(queries)
        # Of a hybrid list or a reranked one, what comes first depends on how deep it is.
        deep = depth + TIED >= DEPTH or encoded.mode == "hybrid" or self.rerank is not None
        k = DEPTH if deep else depth + TIED
        found = [ranked(hits) for hits in self._ranked(encoded, k, doc_lang)]
        if not deep:
            cut = [at for at, hits in enumerate(found) if _cut_in_a_tie(hits, depth, k)]
            again = self._ranked(encoded.chosen(cut), DEPTH, doc_lang) if cut else ()
            for at, hits in zip(cut, again, strict=True):
                found[at] = ranked(hits)
        return {query.query_id: hits for query, hits in zip(queries, found, strict=True)}

    def _ranked(self, encoded: EncodedQueries, k: int, doc_lang: str | None) -> list[list[Hit]]:
        return self.searcher.rank(
            encoded,
            k,
            doc_langs=None if doc_lang is None else [doc_lang],
            params=None if k == DEPTH else self._candidates,
            rerank=self.rerank,
            calibrate=self.calibrate,
        )

    def _ready(self, queries: Sequence[Query]) -> EncodedQueries:
        """The queries encoded; those that are among the last ones were encoded with them."""
        if self._encoded is not None:
            places, encoded = self._encoded
            known = [places.get(query.query_id, -1) for query in queries]
            if all(
                at >= 0 and encoded.queries[at] is query
                for at, query in zip(known, queries, strict=True)
            ):
                return encoded.chosen(known)
        encoded = replace(self.searcher.encoded(queries, mode=self.mode), kept=KeptTables())
        self._encoded = {query.query_id: at for at, query in enumerate(queries)}, encoded
        return encoded

    def languages_of(self, doc_ids: Iterable[str]) -> dict[str, str]:
        asked = set(doc_ids)
        for document in self.searcher.reader.documents(sorted(asked - self._known.keys())):
            self._known[document.doc_id] = "" if document.lang == UNDETERMINED else document.lang
        return {doc_id: lang for doc_id in asked if (lang := self._known.get(doc_id))}

    def texts_of(self, doc_ids: Sequence[str]) -> list[str]:
        texts = {each.doc_id: each.text for each in self.searcher.reader.documents(doc_ids)}
        return [texts.get(doc_id, "") for doc_id in doc_ids]


class RunRankings:
    """A run that was read from a file.

    doc_langs: language by document id, {} where it is not known; it is what cuts the list of
    one language out of the mixed one. Such a list is only as deep as the mixed one was. index:
    where the documents' texts are, None where nobody named one.
    """

    def __init__(
        self,
        name: str,
        file: RunFile,
        doc_langs: Mapping[str, str],
        *,
        index: TextRankings | None = None,
    ) -> None:
        self.name = name
        self.file = file
        self._index = index
        self._doc_langs = doc_langs
        self.languages: Mapping[str, int] = Counter(doc_langs.values())

    def rank(
        self,
        queries: Sequence[Query],
        *,
        doc_lang: str | None = None,
        depth: int = DEPTH,  # noqa: ARG002 (whatever is needed, the whole list is there)
    ) -> dict[str, Sequence[Hit]]:
        hits = self.file.run.hits
        asked = [query.query_id for query in queries if query.query_id in hits]
        if doc_lang is None:
            return {query_id: hits[query_id] for query_id in asked}
        return {
            query_id: [h for h in hits[query_id] if self._doc_langs.get(h.doc_id) == doc_lang]
            for query_id in asked
        }

    def languages_of(self, doc_ids: Iterable[str]) -> dict[str, str]:
        return {doc_id: lang for doc_id in doc_ids if (lang := self._doc_langs.get(doc_id))}

    def texts_of(self, doc_ids: Sequence[str]) -> list[str]:
        if self._index is None:
            raise RunError(
                f"{self.name} names documents and has no texts; name the index that has them with "
                "--index"
            )
        return self._index.texts_of(doc_ids)

    def unknown_documents(self) -> tuple[int, int]:
        """How many of the run's documents have no known language, and how many there are."""
        documents = {hit.doc_id for hits in self.file.run.hits.values() for hit in hits}
        return sum(doc_id not in self._doc_langs for doc_id in documents), len(documents)


def _cut_in_a_tie(hits: Sequence[Hit], depth: int, k: int) -> bool:
    """Whether more hits than the k may tie with the one at that depth, in a run file."""
    return len(hits) >= k and hits[-1].score == hits[depth - 1].score


def measure_latency(
    searcher: Searcher,
    queries: Sequence[Query],
    *,
    mode: Mode | None = None,
    rerank: str | None = None,
    calibrate: Calibrate | None = None,
) -> Latency:
    """Wall-clock time of at most 50 of the queries, spread evenly, asked one by one.

    Each is encoded and its 10 best documents are found; the first is asked once before, so
    that nothing is loaded while the clock runs.
    """
    chosen = _spread(queries, LATENCY_QUERIES)
    how: dict[str, Any] = {"mode": mode, "rerank": rerank, "calibrate": calibrate}
    searcher.rank(chosen[:1], LATENCY_DEPTH, **how)
    times_ms = []
    for query in chosen:
        start = time.perf_counter()
        searcher.rank([query], LATENCY_DEPTH, **how)
        times_ms.append((time.perf_counter() - start) * 1000)
    times_ms.sort()

    def quantile(share: float) -> float:
        return round(times_ms[min(len(times_ms) - 1, int(share * len(times_ms)))], 3)

    mean = round(sum(times_ms) / len(times_ms), 3)
    return Latency(len(times_ms), mean, quantile(0.5), quantile(0.95), quantile(0.99))


def measure_encoding(searcher: Searcher, queries: Sequence[Query]) -> tuple[float, float] | None:
    """CPU seconds that encoding 1,000 documents takes, and 1,000 queries; None without vectors.

    By at most 32 of each, spread evenly; documents are the index's own, as long as they are.
    """
    if not searcher.encoder.spec.dim:
        return None
    # The documents that some of the queries find: their ids are not listed elsewhere.
    some = _spread(queries, COST_SAMPLE)
    found = {hit.doc_id for hits in searcher.rank(some, 2, mode="dense") for hit in hits}
    documents = searcher.reader.documents(_spread(sorted(found), COST_SAMPLE))
    searcher.encoder.encode_documents(documents[:1])
    start = time.process_time()
    searcher.encoder.encode_documents(documents)
    middle = time.process_time()
    searcher.encoder.encode_queries(some)
    end = time.process_time()
    each = 1000 / max(len(documents), 1), 1000 / max(len(some), 1)
    return (middle - start) * each[0], (end - middle) * each[1]


def _spread(values: Sequence[T], n: int) -> list[T]:
    """At most n of them, at even steps."""
    n = min(len(values), n)
    return [values[at * len(values) // n] for at in range(n)]


def read_document_langs(path: Path) -> dict[str, str]:
    """The language of each document: lines of `doc_id lang`, or any corpus that names them.

    Raises CorpusError with the line that does not fit, and where no language is named.
    """
    if path.is_dir() or kind_of(path) in ("jsonl", "parquet"):
        found = {
            document.doc_id: document.lang
            for document in LocalCorpus(path).documents(on_reject=lambda _: None)
            if document.lang != UNDETERMINED
        }
    else:
        found = dict(_mapped(path))
    if not found:
        raise CorpusError(f"{path} names the language of no document")
    return found


def _mapped(path: Path) -> Iterable[tuple[str, str]]:
    for number, line in read_lines(path):
        cells = line.split("\t") if "\t" in line else line.split()
        if not any(cells):
            continue
        if len(cells) != 2:
            raise CorpusError(
                f"{path}:{number}: {len(cells)} cells where 2 are expected: document language"
            )
        try:
            yield cells[0].strip(), language_code(cells[1].strip())
        except LanguageError as error:
            raise CorpusError(f"{path}:{number}: {error}") from error
