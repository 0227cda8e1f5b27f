"""Evaluating a searcher language pair by language pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from xret.errors import RunError
from xret.eval.measures import DEFAULT_MEASURES, check_measures, measure
from xret.eval.trec import Qrels, ranked
from xret.retriever.identify import identify_language
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
    relevant document there do not count for it. The language of a query that names none is
    identified; where the text does not tell, it stays undetermined and makes no pair across
    languages or within one. What is measured is the ranking that `run` gives, to its last digit.
    Raises RunError for measures that cannot be computed and where no query is judged.
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
        judged = [query for query in queries if query.query_id in qrels]
        if not judged:
            raise RunError("no query has a judgement; are these the qrels of these queries?")
        check_measures(measures, qrels)
        self._queries = [_with_language(query) for query in judged]
        self.identified = sum(query.lang_source != "given" for query in self._queries)
        self.query_langs = sorted({query.lang for query in self._queries})
        languages = searcher.reader.info().languages
        self.doc_langs = sorted(lang for lang in languages if lang != UNDETERMINED)

    def run(self, tag: str = "xret") -> Run:
        """The ranking of the mixed index, 1,000 deep."""
        return Run(tag, self._mixed)

    def results(self) -> Iterator[PairResult]:
        """Every pair with a judged query, then each query language and all over the mix."""
        langs_of = self._document_langs()
        for doc_lang in self.doc_langs:
            qrels = self._restricted(langs_of, doc_lang)
            hits = self._rank([q for q in self._queries if q.query_id in qrels], doc_lang)
            for query_lang in self.query_langs:
                yield from self._result(query_lang, doc_lang, qrels, hits)
        for lang in self.query_langs:
            yield from self._result(lang, None, self._qrels, self._mixed)
        yield from self._result(None, None, self._qrels, self._mixed)

    @cached_property
    def _mixed(self) -> dict[str, Sequence[Hit]]:
        """The one ranking of the mixed index, measured and written to a file alike."""
        return self._rank(self._queries, None)

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
        found = self._searcher.rank(queries, DEPTH, langs=langs) if queries else []
        return {query.query_id: ranked(hits) for query, hits in zip(queries, found, strict=True)}

    def _document_langs(self) -> dict[str, str]:
        judged = {doc_id for grades in self._qrels.values() for doc_id in grades}
        return {doc.doc_id: doc.lang for doc in self._searcher.reader.documents(sorted(judged))}

    def _restricted(self, langs_of: dict[str, str], doc_lang: str) -> Qrels:
        restricted = {
            query_id: {doc: g for doc, g in grades.items() if langs_of.get(doc) == doc_lang}
            for query_id, grades in self._qrels.items()
        }
        return {
            query: grades
            for query, grades in restricted.items()
            if any(grade > 0 for grade in grades.values())
        }


def _with_language(query: Query) -> Query:
    """The query itself where its language was given, else with the one identified."""
    if query.lang != UNDETERMINED:
        return query
    lang, _ = identify_language(query.text)
    return replace(
        query, lang=lang, lang_source="unknown" if lang == UNDETERMINED else "identified"
    )
