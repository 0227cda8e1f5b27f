"""Evaluating a searcher language pair by language pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xret.errors import RunError
from xret.eval.measures import DEFAULT_MEASURES, measure
from xret.eval.trec import Qrels
from xret.retriever.searcher import Searcher
from xret.types import UNDETERMINED, Hit, Query, Run

__all__ = ["PairEvaluation", "PairResult"]

DEPTH = 1_000


@dataclass(frozen=True, slots=True)
class PairResult:
    """Measures of the queries in one language over the documents in one language.

    `doc_lang` is None for the whole mixed index, both are None for all queries over it.
    """

    query_lang: str | None
    doc_lang: str | None
    queries: int
    measures: dict[str, float]


class PairEvaluation:
    """Queries of each language against the documents of each language, and the mixed index.

    For a pair only documents of that language are ranked and judged; queries without a
    relevant document there do not count for it.
    """

    def __init__(
        self,
        searcher: Searcher,
        queries: Sequence[Query],
        qrels: Qrels,
        *,
        measures: Sequence[str] = DEFAULT_MEASURES,
    ) -> None:
        self._searcher = searcher
        self._measures = measures
        self._qrels = qrels
        self._queries = [query for query in queries if query.query_id in qrels]
        if not self._queries:
            raise RunError("no query has a judgement; are these the qrels of these queries?")
        self.query_langs = sorted({query.lang for query in self._queries})
        languages = searcher.reader.info().languages
        self.doc_langs = sorted(lang for lang in languages if lang != UNDETERMINED)

    def run(self, tag: str = "xret") -> Run:
        """The ranking of the mixed index, 1,000 deep."""
        return Run(tag, self._rank(self._queries, None))

    def results(self) -> Iterator[PairResult]:
        """Every pair with a judged query, then each query language and all over the mix."""
        mixed = self.run().hits
        langs_of = self._document_langs()
        for doc_lang in self.doc_langs:
            qrels = self._restricted(langs_of, doc_lang)
            hits = self._rank([q for q in self._queries if q.query_id in qrels], doc_lang)
            for query_lang in self.query_langs:
                yield from self._result(query_lang, doc_lang, qrels, hits)
        for lang in self.query_langs:
            yield from self._result(lang, None, self._qrels, mixed)
        yield from self._result(None, None, self._qrels, mixed)

    def _result(
        self,
        query_lang: str | None,
        doc_lang: str | None,
        qrels: Qrels,
        hits: Mapping[str, Sequence[Hit]],
    ) -> Iterator[PairResult]:
        judged = {
            query.query_id: qrels[query.query_id]
            for query in self._queries
            if query.query_id in qrels and query_lang in (None, query.lang)
        }
        if judged:
            values = measure(judged, hits, self._measures)
            yield PairResult(query_lang, doc_lang, len(judged), values)

    def _rank(self, queries: Sequence[Query], doc_lang: str | None) -> dict[str, Sequence[Hit]]:
        langs = None if doc_lang is None else [doc_lang]
        ranked = self._searcher.rank(queries, DEPTH, langs=langs) if queries else []
        return {query.query_id: hits for query, hits in zip(queries, ranked, strict=True)}

    def _document_langs(self) -> dict[str, str]:
        judged = {doc_id for grades in self._qrels.values() for doc_id in grades}
        return {doc.doc_id: doc.lang for doc in self._searcher.reader.documents(sorted(judged))}

    def _restricted(self, langs_of: dict[str, str], doc_lang: str) -> Qrels:
        restricted = {
            query_id: {doc: g for doc, g in grades.items() if langs_of.get(doc) == doc_lang}
            for query_id, grades in self._qrels.items()
        }
        return {query: grades for query, grades in restricted.items() if any(grades.values())}
