"""What is said of one system: intervals of every cell, curves, shares and its worst queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xret.eval.evaluation import (
    Interval,
    Latency,
    MeasureFacts,
    PairCell,
    SystemResult,
    WorstQuery,
)
from xret.eval.measures import aggregate
from xret.eval.metadata import describe_retrieval
from xret.eval.rankings import DEPTH, IndexRankings, RunRankings, measure_encoding
from xret.eval.runner import PairEvaluation
from xret.eval.significance import BOOTSTRAP_SAMPLES, bootstrap_intervals
from xret.eval.translated_rankings import TranslatedRankings

__all__ = ["INTERVAL", "system_result"]

RECALL_DEPTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SHARE_RANKS = (1, 2, 5, 10, 20, 50, 100)
WORST_QUERIES = 10
SHOWN_DOCUMENTS = 5

INTERVAL = f"95 % BCa bootstrap intervals of the mean over queries, {BOOTSTRAP_SAMPLES:,} resamples"

Place = tuple[str | None, str | None]
"""The language of the queries and of the documents; None for all of them."""


def system_result(
    evaluation: PairEvaluation,
    measures: Sequence[MeasureFacts],
    *,
    seed: int,
    latency: Latency | None = None,
) -> SystemResult:
    """A system's part of the report, of an evaluation that has run to its end.

    measures: the first one ranks the worst queries.
    """
    rankings = evaluation.rankings
    unanswered = tuple(
        query.query_id for query in evaluation.queries if query.query_id not in evaluation.answered
    )
    result = SystemResult(
        name=rankings.name,
        kind="run",
        per_query=evaluation.values[None],
        pairs=tuple(_cells(evaluation, seed)),
        recall=_recall_curve(evaluation),
        share_ranks=SHARE_RANKS,
        language_share=_language_share(evaluation),
        relevant_share=_relevant_share(evaluation),
        worst_queries=tuple(_worst_queries(evaluation, measures[0].name)),
        answered=len(evaluation.queries) - len(unanswered),
        unanswered=unanswered,
        latency=latency,
    )
    if isinstance(rankings, TranslatedRankings):
        result = replace(result, translated_characters=rankings.characters)
    if isinstance(rankings, IndexRankings):
        searcher = rankings.searcher
        by_words = latency is None or rankings.mode == "lexical"
        encoding = None if by_words else measure_encoding(searcher, evaluation.queries)
        documents_cpu_s, queries_cpu_s = encoding or (None, None)
        return replace(
            result,
            document_cpu_s=documents_cpu_s,
            query_cpu_s=queries_cpu_s,
            kind="index",
            encoder=searcher.encoder.spec.name,
            index=searcher.name,
            index_bytes=searcher.reader.size_bytes(),
            documents=searcher.reader.info().documents,
            metadata={
                "method": {
                    "retrieval": [
                        describe_retrieval(
                            searcher,
                            hits=DEPTH,
                            mode=rankings.mode,
                            calibrate=rankings.calibrate,
                        )
                    ]
                }
            },
        )
    if isinstance(rankings, TranslatedRankings):
        encoder = f"bm25, translated by {rankings.translator.name}"
        metadata = {"method": {"retrieval": [{"name": rankings.name, **rankings.described()}]}}
        return replace(
            result, encoder=encoder, documents=len(rankings.doc_langs), metadata=metadata
        )
    if isinstance(rankings, RunRankings):
        return replace(result, run_file=rankings.name, metadata=rankings.file.metadata)
    return result


def _cells(evaluation: PairEvaluation, seed: int) -> list[PairCell]:
    """Every pair, then the mixed rows; a column of the bootstrap is one measure of one cell.

    Cells with the same number of queries are resampled alike, all at once.
    """
    places = [(q, d) for d in (*evaluation.doc_langs, None) for q in evaluation.query_langs]
    columns: dict[int, list[tuple[Place, str, list[float]]]] = {}
    counts: dict[Place, int] = {}
    for place in (*places, (None, None)):
        query_ids = evaluation.query_ids(*place)
        if not query_ids:
            continue
        counts[place] = len(query_ids)
        for name, values in evaluation.values[place[1]].items():
            those = [values[query_id] for query_id in query_ids if query_id in values]
            if those:
                columns.setdefault(len(those), []).append((place, name, those))
    found: dict[Place, dict[str, Interval]] = {p: {} for p in counts}
    for n, alike in columns.items():
        matrix = np.array([row for *_, row in alike], dtype=np.float64).T
        ends = bootstrap_intervals(matrix, seed=seed)
        for (place, name, row), (low, high) in zip(alike, ends.tolist(), strict=True):
            # A count is summed over queries, as ir_measures and the table on stdout do.
            scale = aggregate(name, [1.0] * n)
            mean = float(np.mean(row))
            found[place][name] = Interval(scale * mean, scale * low, scale * high, n)
    return [PairCell(*place, counts[place], cells) for place, cells in found.items()]


def _recall_curve(evaluation: PairEvaluation) -> tuple[tuple[int, float], ...]:
    """Mean recall of the mixed list at rising depths, over queries with a relevant document."""
    relevant = {
        query.query_id: sum(g > 0 for g in evaluation.qrels[query.query_id].values())
        for query in evaluation.queries
    }
    counted = {query_id: n for query_id, n in relevant.items() if n}
    curve = []
    for depth in RECALL_DEPTHS:
        total = 0.0
        for query_id, n in counted.items():
            trace = evaluation.traces.get(query_id)
            total += sum(rank <= depth for rank in trace.relevant_ranks) / n if trace else 0.0
        curve.append((depth, total / len(counted)))
    return tuple(curve)


def _language_share(evaluation: PairEvaluation) -> dict[str, tuple[float, ...]]:
    """By language ("" where it is not known) its share of the documents up to each rank."""
    if not evaluation.doc_langs:
        return {}
    shown = {doc_id for trace in evaluation.traces.values() for doc_id in trace.top}
    langs = evaluation.rankings.languages_of(shown)
    sums: dict[str, list[float]] = {}
    traces = [trace for trace in evaluation.traces.values() if trace.top]
    for trace in traces:
        of_rank = [langs.get(doc_id, "") for doc_id in trace.top]
        for position, depth in enumerate(SHARE_RANKS):
            first = of_rank[:depth]
            for lang, count in Counter(first).items():
                row = sums.setdefault(lang, [0.0] * len(SHARE_RANKS))
                row[position] += count / len(first) / len(traces)
    return {lang: tuple(sums[lang]) for lang in sorted(sums)}


def _relevant_share(evaluation: PairEvaluation) -> dict[str, float]:
    """By language its share of the judged relevant documents, the mean over queries."""
    if not evaluation.doc_langs:
        return {}
    counted = 0
    shares: dict[str, float] = {}
    for query in evaluation.queries:
        grades = evaluation.qrels[query.query_id]
        langs = Counter(
            evaluation.judged_langs.get(doc_id, "") for doc_id, g in grades.items() if g > 0
        )
        if langs:
            counted += 1
            for lang, count in langs.items():
                shares[lang] = shares.get(lang, 0.0) + count / langs.total()
    return {lang: shares[lang] / counted for lang in sorted(shares)}


def _worst_queries(evaluation: PairEvaluation, measure: str) -> list[WorstQuery]:
    """The queries with the lowest values that have something relevant to find."""
    values = evaluation.values[None].get(measure, {})
    by_id = {query.query_id: query for query in evaluation.queries}
    with_relevant = [
        query_id
        for query_id in values
        if any(grade > 0 for grade in evaluation.qrels[query_id].values())
    ]
    worst = sorted(with_relevant, key=lambda query_id: (values[query_id], query_id))
    found = []
    for query_id in worst[:WORST_QUERIES]:
        grades, trace = evaluation.qrels[query_id], evaluation.traces.get(query_id)
        top = trace.top[:SHOWN_DOCUMENTS] if trace else ()
        langs = evaluation.rankings.languages_of(top)
        query = by_id[query_id]
        found.append(
            WorstQuery(
                query_id=query_id,
                query_lang=query.lang,
                text=query.text,
                value=values[query_id],
                relevant=sum(grade > 0 for grade in grades.values()),
                first_relevant=next(iter(trace.relevant_ranks), None) if trace else None,
                top=tuple((doc_id, langs.get(doc_id, ""), grades.get(doc_id)) for doc_id in top),
            )
        )
    return found
