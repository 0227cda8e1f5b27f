"""Evaluating a system language pair by language pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from xret.errors import RunError
from xret.eval.answer_recall import answer_recall, answer_tokens, first_tokens, word_tokenizer
from xret.eval.measure_names import is_fairness
from xret.eval.measures import (
    DEFAULT_MEASURES,
    QueryValues,
    aggregate,
    check_measures,
    measure_facts,
    measure_fairness,
    measure_queries,
    measured_depth,
)
from xret.eval.rankings import DEPTH, Rankings, TextRankings
from xret.eval.trec import trec_eval_order
from xret.retriever.corpora.collection import ANSWERED
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.languages.identification import identify_language
from xret.types import UNDETERMINED, Hit, Progress, Query, Run

__all__ = ["PairEvaluation", "PairResult", "QueryTrace"]

BATCH = 64
"""Queries that are put to every language before the next: what an index makes of their vectors is
kept meanwhile (`KEPT_BYTES`), 1.8 MB of one where there are 16,384 centroids."""

READ_TOGETHER = 50
"""Texts of a ranking that are read at a time to look for an answer; of 100 words, 5,000 tokens are
hardly more."""

TRACE_DEPTH = 100
"""How many documents of a mixed list are kept for the shares of its languages."""


@dataclass(frozen=True, slots=True)
class PairResult:
    """Measures of the queries in one language over the documents in one language.

    `doc_lang` is None for the whole mixed index, both are None for all queries over it.
    Measures of fairness between languages stand only there.
    """

    query_lang: str | None
    doc_lang: str | None
    queries: int
    measures: dict[str, float]


@dataclass(frozen=True, slots=True)
class QueryTrace:
    """What is kept of one query's mixed list: its first 100 documents, and the ranks (from 1)
    at which documents judged relevant stand, rising."""

    top: tuple[str, ...]
    relevant_ranks: tuple[int, ...]


class PairEvaluation:
    """Queries of each language against the documents of each language, and the mixed list.

    For a pair only documents of that language are ranked and judged; queries without a
    relevant document there do not count for it. The language of a query that names none is
    identified; where the text does not tell, it stays undetermined and makes no pair across
    languages or within one. What is measured is what trec_eval measures of the file that the
    run is written to. Rankings are made and measured a batch of queries at a time.

    After `progress` has run to its end: `values` by document language (None: mixed), by
    measure, by query id; `traces` by query id; `answered` the queries that the system was
    asked. keep_run: hold the mixed rankings for `run`. depth: how many documents of a ranking
    are measured, as trec_eval's -M; None for all. exclude_self: not the document with the
    query's own id, as BEIR for questions that are documents themselves. answers: by query id,
    where they are looked for in the texts (R@2kt); {} elsewhere. Raises RunError for measures
    that cannot be computed, and where no query is judged or nothing is judged relevant.
    """

    def __init__(
        self,
        rankings: Rankings,
        queries: Sequence[Query],
        qrels: Qrels,
        *,
        measures: Sequence[str] = DEFAULT_MEASURES,
        keep_run: bool = False,
        depth: int | None = None,
        exclude_self: bool = False,
        answers: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.rankings = rankings
        self.qrels = qrels
        self.topic_ids = {query.query_id for query in queries}
        judged = [query for query in queries if query.query_id in qrels]
        _check_judgements(judged, qrels)
        check_measures(measures, qrels)
        self.queries = [_with_language(query) for query in judged]
        self.identified = sum(
            query.lang_source != "given" and bool(query.text) for query in self.queries
        )
        self.query_langs = sorted({query.lang for query in self.queries})
        self.doc_langs = sorted(rankings.languages)
        # The first one ranks pairs, and a measure between languages has no value of a pair.
        known = sorted(map(measure_facts, measures), key=lambda facts: facts.kind == "fairness")
        self.measures = tuple(dict.fromkeys(facts.name for facts in known))
        self._read = {name: tokens for name in measures if (tokens := answer_tokens(name))}
        self._measures = tuple(
            name for name in measures if not is_fairness(name) and name not in self._read
        )
        self._fairness = tuple(name for name in measures if is_fairness(name))
        # A document that is left out makes room for the next.
        self._depth = min(DEPTH, (measured_depth(self._measures) or DEPTH) + exclude_self)
        if self._fairness and not self.doc_langs:
            raise RunError(
                f"{self._fairness[0]} needs the languages of the documents; name them with "
                "--doc-langs FILE (lines of: document language) or with --index"
            )
        self.judged_langs = rankings.languages_of(
            {doc_id for query in self.queries for doc_id in qrels[query.query_id]}
        )
        self.answers = answers or {}
        if self.answers and len(self.doc_langs) == 1:
            # Whatever holds the answer is in that language.
            self.judged_langs[ANSWERED] = self.doc_langs[0]
        self._tokenize = word_tokenizer() if self._read else str.split
        self._shown, self._exclude_self = depth, exclude_self
        self._kept: dict[str, Sequence[Hit]] | None = {} if keep_run else None
        self.values: dict[str | None, dict[str, QueryValues]] = {}
        self.traces: dict[str, QueryTrace] = {}
        self.answered: set[str] = set()
        self._finished = False

    def progress(self) -> Iterator[Progress]:
        """Rank and measure everything; one Progress a batch and language, in queries ranked.

        A batch is put to every language before the next: its queries are encoded once.
        """
        total, done = sum(len(qrels) for qrels in self._judgements.values()), 0
        values: dict[str | None, dict[str, QueryValues]] = {lang: {} for lang in self._judgements}
        asked = iter(self.queries)
        while batch := list(islice(asked, BATCH)):
            # The mixed list first: it is of all the queries, as which they are encoded.
            for doc_lang, qrels in reversed(self._judgements.items()):
                judged = [query for query in batch if query.query_id in qrels]
                if not judged:
                    continue
                for name, found in self._measure(judged, qrels, doc_lang).items():
                    values[doc_lang].setdefault(name, {}).update(found)
                done += len(judged)
                yield Progress("evaluate", done, total, "queries")
        self.values = values
        self._finished = True

    def results(self) -> Iterator[PairResult]:
        """Every pair with a judged query, then each query language and all over the mix."""
        self._finish()
        for doc_lang in (*self.doc_langs, None):
            for query_lang in self.query_langs:
                yield from self._result(query_lang, doc_lang)
        yield from self._result(None, None)

    def run(self, tag: str = "xret") -> Run:
        """The mixed rankings, 1,000 deep. Raises ValueError where they were not kept."""
        self._finish()
        if self._kept is None:
            raise ValueError("the rankings were not kept; ask for them with keep_run")
        return Run(tag, self._kept)

    def query_ids(self, query_lang: str | None, doc_lang: str | None) -> list[str]:
        """The queries that count for a pair, in the order of the topics."""
        judged = self._judgements[doc_lang]
        return [
            query.query_id
            for query in self.queries
            if query.query_id in judged and query_lang in (None, query.lang)
        ]

    def _finish(self) -> None:
        if not self._finished:
            for _ in self.progress():
                pass

    def _measure(
        self, batch: Sequence[Query], qrels: Qrels, doc_lang: str | None
    ) -> dict[str, QueryValues]:
        depth = DEPTH if doc_lang is None else self._depth
        found = self.rankings.rank(batch, doc_lang=doc_lang, depth=depth)
        judged = {query.query_id: qrels[query.query_id] for query in batch}
        ordered = {query_id: self._counted(query_id, hits) for query_id, hits in found.items()}
        values = measure_queries(judged, ordered, self._measures) if self._measures else {}
        for query_id in judged if self._read else ():
            for name, value in self._answer_values(query_id, ordered.get(query_id, ())).items():
                values.setdefault(name, {})[query_id] = value
        if doc_lang is None:
            self.answered.update(found)
            if self._kept is not None:
                self._kept.update(found)
            self.traces.update(_trace(judged, ordered))
            values.update(self._fair_values(batch, judged, ordered))
        return values

    def _counted(self, query_id: str, hits: Sequence[Hit]) -> Sequence[Hit]:
        """What of a ranking is measured, in the order in which it is."""
        if self._exclude_self:
            hits = [hit for hit in hits if hit.doc_id != query_id]
        return trec_eval_order(hits)[: self._shown]

    def _answer_values(self, query_id: str, hits: Sequence[Hit]) -> dict[str, float]:
        tokens = first_tokens(self._texts(hits), max(self._read.values()), self._tokenize)
        answers = self.answers[query_id]
        return {name: answer_recall(tokens[:n], answers) for name, n in self._read.items()}

    def _texts(self, hits: Sequence[Hit]) -> Iterator[str]:
        """The texts of a ranking, read as far as they are asked for."""
        if not isinstance(self.rankings, TextRankings):
            raise RunError(f"{self.rankings.name} ranks texts of its own; evaluate an index")
        for start in range(0, len(hits), READ_TOGETHER):
            some = hits[start : start + READ_TOGETHER]
            yield from self.rankings.texts_of([hit.doc_id for hit in some])

    def _fair_values(
        self, batch: Sequence[Query], judged: Qrels, ordered: Mapping[str, Sequence[Hit]]
    ) -> dict[str, QueryValues]:
        if not self._fairness:
            return {}
        depth = max(int(name.rpartition("@")[2]) for name in self._fairness)
        shown = {hit.doc_id for hits in ordered.values() for hit in hits[:depth]}
        doc_langs = {**self.rankings.languages_of(shown), **self.judged_langs}
        query_langs = {query.query_id: query.lang for query in batch}
        return {
            name: measure_fairness(
                judged, ordered, name, doc_langs=doc_langs, query_langs=query_langs
            )
            for name in self._fairness
        }

    def _result(self, query_lang: str | None, doc_lang: str | None) -> Iterator[PairResult]:
        counted = self.query_ids(query_lang, doc_lang)
        if not counted:
            return
        means = {}
        for name, values in self.values[doc_lang].items():
            those = [values[query_id] for query_id in counted if query_id in values]
            if those:
                means[name] = aggregate(name, those)
        yield PairResult(query_lang, doc_lang, len(counted), means)

    @cached_property
    def _judgements(self) -> dict[str | None, Qrels]:
        """What counts for each document language: queries with a relevant document there and
        the judgements of documents in it; and under None all of them, which come last."""
        by_lang: dict[str | None, Qrels] = {lang: {} for lang in self.doc_langs}
        for query in self.queries:
            parts: dict[str, dict[str, int]] = {}
            for doc_id, grade in self.qrels[query.query_id].items():
                parts.setdefault(self.judged_langs.get(doc_id, ""), {})[doc_id] = grade
            for lang, grades in parts.items():
                if lang in by_lang and any(grade > 0 for grade in grades.values()):
                    by_lang[lang][query.query_id] = grades
        by_lang[None] = {query.query_id: self.qrels[query.query_id] for query in self.queries}
        return by_lang


def _check_judgements(judged: Sequence[Query], qrels: Qrels) -> None:
    if not judged:
        raise RunError("no query has a judgement; are these the qrels of these queries?")
    if not any(grade > 0 for query in judged for grade in qrels[query.query_id].values()):
        raise RunError(
            "no judgement of these queries is above 0, and every measure would be 0; are these "
            "the right qrels?"
        )


def _trace(judged: Qrels, ordered: Mapping[str, Sequence[Hit]]) -> dict[str, QueryTrace]:
    traces = {}
    for query_id, hits in ordered.items():
        grades = judged[query_id]
        relevant = {doc_id for doc_id, grade in grades.items() if grade > 0}
        ranks = tuple(rank for rank, hit in enumerate(hits, 1) if hit.doc_id in relevant)
        traces[query_id] = QueryTrace(tuple(hit.doc_id for hit in hits[:TRACE_DEPTH]), ranks)
    return traces


def _with_language(query: Query) -> Query:
    """The query itself where its language was given, else with the one identified."""
    if query.lang != UNDETERMINED or not query.text:
        return query
    lang, _ = identify_language(query.text)
    return replace(
        query, lang=lang, lang_source="unknown" if lang == UNDETERMINED else "identified"
    )
