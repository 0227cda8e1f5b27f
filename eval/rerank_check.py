"""The gate of a reranker: language pairs it helps, and those that it is switched off for."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.config import find_index
from xret.errors import ConfigError, CorpusError, RerankError
from xret.eval.evaluation import Interval
from xret.eval.measures import measure_queries
from xret.eval.pseudo_questions import pseudo_questions
from xret.eval.rankings import IndexRankings
from xret.eval.significance import bootstrap_intervals, pooled_lower_bounds
from xret.eval.systems import chosen_topics
from xret.index.writing.writer import IndexWriter
from xret.retriever.corpora.qrels import Qrels, read_qrels
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.rerankers.candidates import best_part, has_letters
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.rerankers.opened import OFF_SETTING, with_off_pairs
from xret.retriever.rerankers.reranker import RerankChoice, Reranker
from xret.retriever.rerankers.stage import ANY_LANGUAGE, LangPair, RerankStage
from xret.retriever.searcher import Searcher
from xret.retriever.shards import part_folders
from xret.types import UNDETERMINED, Progress, Query, Work, finished

__all__ = [
    "GATE_MEASURE",
    "TOLERANCE",
    "PairCheck",
    "RerankCheck",
    "SwapCheck",
    "check_reranker",
    "rerank_check_steps",
]

GATE_MEASURE = "nDCG@10"
DEPTH = 10
TOLERANCE = 0.01
"""A pair is on where the interval of its difference does not reach further below zero."""

MIN_QUERIES = 5

Values = npt.NDArray[np.float64]
Asked = list[tuple[Query, dict[str, int]]]


@dataclass(frozen=True, slots=True)
class PairCheck:
    """One language pair, with and without the reranker. query_lang is `*` where questions in any
    language are meant. on: None where there are too few questions to say."""

    query_lang: str
    doc_lang: str
    first: float
    reranked: float
    difference: Interval
    on: bool | None


@dataclass(frozen=True, slots=True)
class SwapCheck:
    """How often a document in one language scores above one in another that answers the same
    question: 0.5 is no preference. n: comparisons."""

    query_lang: str
    doc_lang: str
    preferred: float
    n: int


@dataclass(frozen=True, slots=True)
class RerankCheck:
    """source: where the questions are from. refusals: rankings that stayed as they were.
    recorded: whether the index has the pairs that are off."""

    index: str
    reranker: str
    fingerprint: str
    depth: int
    source: str
    pairs: tuple[PairCheck, ...]
    swaps: tuple[SwapCheck, ...]
    refusals: int
    recorded: bool

    @property
    def off(self) -> frozenset[LangPair]:
        return frozenset((one.query_lang, one.doc_lang) for one in self.pairs if one.on is False)


def rerank_check_steps(
    index: str | Path,
    rerank: str | Reranker,
    *,
    corpus: str | Path | None = None,
    topics: str | Path | None = None,
    qrels: str | Path | None = None,
    lang: Sequence[str] = (),
    split: str | None = None,
    n_queries: int = 200,
    seed: int = 0,
    record: bool = True,
) -> Work[RerankCheck]:
    """Measure a reranker over an index, language pair by language pair, and switch it off where
    it does not help.

    rerank: `NAME[@depth]`, or a reranker that is open. corpus, or topics and qrels: questions
    with judgements; neither: questions drawn from the index's own documents, which say how it
    does within each language, and a language that loses so is off for every question. lang: of
    the questions. n_queries: of a pair, at most. A pair is on where the 95 % interval of its
    difference stays above -`TOLERANCE`; also where its mean is above zero and the interval does
    so once all pairs are taken together, for a pair of few questions says little alone. record:
    write the pairs that are off into the index, of an index in several parts into each.
    Raises ConfigError, CorpusError, and what opening the index and the reranker raises.
    """
    choice = RerankChoice.parse(rerank) if isinstance(rerank, str) else RerankChoice(rerank.name)
    if (topics is None) != (qrels is None) or (corpus is not None and topics is not None):
        raise ConfigError("name a corpus, or --topics and --qrels, or none of them")
    folders = part_folders(find_index(index)) if record else []
    reranker = load_reranker(choice.name) if isinstance(rerank, str) else rerank
    stage = RerankStage(reranker, choice.depth)
    with Searcher.open(find_index(index)) as searcher:
        queries, judged, source = _questions(
            searcher, corpus, topics, qrels, lang, split, n_queries, seed
        )
        own = corpus is None and topics is None
        langs = IndexRankings(searcher).languages_of(
            {doc_id for grades in judged.values() for doc_id in grades}
        )
        work = _by_pair(queries, judged, langs, n_queries)
        measured: dict[LangPair, tuple[Values, Values]] = {}
        for number, ((query_lang, doc_lang), asked) in enumerate(sorted(work.items()), 1):
            values = _measured(searcher, stage, doc_lang, asked)
            measured[ANY_LANGUAGE if own else query_lang, doc_lang] = values
            yield Progress("rerank check", number, len(work), "pairs")
        swaps = () if own else _swapped(searcher, reranker, queries, judged, langs)
        name = searcher.name
    check = RerankCheck(
        name,
        reranker.name,
        reranker.fingerprint,
        choice.depth,
        source,
        tuple(_judged(measured, seed)),
        tuple(swaps),
        stage.refusals.total(),
        record,
    )
    for folder in folders:
        _record(folder, reranker.fingerprint, check.off)
    return check


check_reranker = finished(rerank_check_steps)


def _questions(
    searcher: Searcher,
    corpus: str | Path | None,
    topics: str | Path | None,
    qrels: str | Path | None,
    lang: Sequence[str],
    split: str | None,
    n_queries: int,
    seed: int,
) -> tuple[list[Query], Qrels, str]:
    if topics is not None and qrels is not None:
        return chosen_topics(Path(topics), lang), read_qrels(Path(qrels)), str(topics)
    if corpus is not None:
        source = open_corpus(str(corpus), query_langs=lang, split=split)
        return source.queries(), source.qrels(), str(corpus)
    if lang or split:
        raise ConfigError("--lang and --split choose among questions; name a corpus that has some")
    queries, judged = pseudo_questions(searcher.reader, n=n_queries, seed=seed)
    return queries, judged, "the index's own documents"


def _by_pair(
    queries: Sequence[Query], judged: Qrels, langs: Mapping[str, str], n_queries: int
) -> dict[LangPair, Asked]:
    """Of each pair, questions with their relevant documents in that language, evenly chosen."""
    asked: dict[LangPair, Asked] = defaultdict(list)
    for query in queries:
        grades: dict[str, dict[str, int]] = defaultdict(dict)
        for doc_id, grade in judged.get(query.query_id, {}).items():
            if grade > 0 and doc_id in langs:
                grades[langs[doc_id]][doc_id] = grade
        for doc_lang, within in grades.items():
            asked[query.lang, doc_lang].append((query, within))
    if not asked:
        raise CorpusError("no question has a relevant document in this index")
    return {
        pair: [every[n * len(every) // most] for n in range(most)]
        for pair, every in asked.items()
        for most in (min(len(every), n_queries),)
    }


def _measured(
    searcher: Searcher, stage: RerankStage, doc_lang: str, asked: Asked
) -> tuple[Values, Values]:
    """The measure of each question by the first ranking, and after the reranker."""
    queries = [query for query, _ in asked]
    judged = {query.query_id: grades for query, grades in asked}
    values = []
    for rerank in (None, stage):
        ranked = searcher.rank(queries, DEPTH, doc_langs=[doc_lang], rerank=rerank)
        hits = {query.query_id: found for query, found in zip(queries, ranked, strict=True)}
        by_query = measure_queries(judged, hits, (GATE_MEASURE,))[GATE_MEASURE]
        values.append(np.array([by_query[query.query_id] for query in queries]))
    return values[0], values[1]


def _judged(measured: Mapping[LangPair, tuple[Values, Values]], seed: int) -> list[PairCheck]:
    enough = [pair for pair, (first, _) in measured.items() if len(first) >= MIN_QUERIES]
    groups = [measured[pair][1] - measured[pair][0] for pair in enough]
    pooled = dict(zip(enough, pooled_lower_bounds(groups) if groups else (), strict=True))
    checks = []
    for (query_lang, doc_lang), (first, reranked) in measured.items():
        difference = reranked - first
        low, high = map(float, bootstrap_intervals(difference[:, None], seed=seed)[0])
        mean = float(difference.mean())
        bound = pooled.get((query_lang, doc_lang))
        on = None
        if bound is not None:
            on = low > -TOLERANCE or (mean > 0 and bound > -TOLERANCE)
        interval = Interval(mean, low, high, len(first))
        checks.append(
            PairCheck(
                query_lang, doc_lang, float(first.mean()), float(reranked.mean()), interval, on
            )
        )
    return checks


def _swapped(
    searcher: Searcher,
    reranker: Reranker,
    queries: Sequence[Query],
    judged: Qrels,
    langs: Mapping[str, str],
) -> list[SwapCheck]:
    """By languages of question and document, how often that language is preferred."""
    wins: dict[LangPair, list[float]] = defaultdict(list)
    for query in queries:
        best: dict[str, tuple[int, str]] = {}
        for doc_id, grade in judged.get(query.query_id, {}).items():
            lang = langs.get(doc_id, UNDETERMINED)
            if grade > 0 and lang != UNDETERMINED:
                best[lang] = min(best.get(lang, (0, "")), (-grade, doc_id))
        # Only what was judged equally good can be swapped.
        top = min((grade for grade, _ in best.values()), default=0)
        ids = sorted(doc_id for grade, doc_id in best.values() if grade == top)
        parts = [best_part(document, None) for document in searcher.reader.documents(ids)]
        parts = [part for part in parts if has_letters(part)]
        if len(parts) < 2:
            continue
        try:
            scores = reranker.scores(query, parts, until=math.inf)
        except RerankError:
            continue
        for part, score in zip(parts, scores, strict=True):
            for other, against in zip(parts, scores, strict=True):
                if other.lang != part.lang:
                    wins[query.lang, part.lang].append((float(np.sign(score - against)) + 1) / 2)
    return [
        SwapCheck(query_lang, doc_lang, float(np.mean(won)), len(won))
        for (query_lang, doc_lang), won in sorted(wins.items())
    ]


def _record(folder: Path, fingerprint: str, off: frozenset[LangPair]) -> None:
    """Write into the index's settings which pairs are off, in the place of earlier ones."""
    writer = IndexWriter.open_existing(folder)
    try:
        catalog = writer.catalog
        with catalog.transaction():
            value: Any = with_off_pairs(catalog.settings(), fingerprint, off)
            catalog.record_setting(OFF_SETTING, value, replace=True)
    finally:
        writer.close()
