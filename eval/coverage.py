"""What a reader must know of queries and documents that systems do not share."""

from __future__ import annotations

from collections.abc import Sequence

from xret.eval.rankings import IndexRankings, RunRankings
from xret.eval.runner import PairEvaluation

__all__ = ["coverage_warnings"]


def coverage_warnings(evaluations: Sequence[PairEvaluation]) -> list[str]:
    """What a reader must know of queries and documents that systems do not share."""
    warnings = []
    for evaluation in evaluations:
        name, judged = evaluation.rankings.name, {q.query_id for q in evaluation.queries}
        missing = len(judged - evaluation.answered)
        if missing:
            warnings.append(
                f"{name} answers {len(judged) - missing:,} of {len(judged):,} judged queries; "
                "the others count as 0 for it"
            )
        if isinstance(evaluation.rankings, IndexRankings) and evaluation.rankings.rerank:
            refused = evaluation.rankings.searcher.rerankers.refusals.total()
            if refused:
                warnings.append(
                    f"{name}: the reranker failed for {refused:,} rankings, which have the first "
                    "ranking's order"
                )
        if isinstance(evaluation.rankings, RunRankings):
            warnings += _run_warnings(evaluation, evaluation.rankings)
    answered = [evaluation.answered for evaluation in evaluations]
    if len(answered) > 1 and any(one != answered[0] for one in answered):
        shared = len(set.intersection(*answered))
        warnings.append(
            f"the systems answer different queries (all of them answer {shared:,}); what a system "
            "does not answer counts as 0 for it in tests as in means"
        )
    without = sum(
        not any(grade > 0 for grade in evaluations[0].qrels[query.query_id].values())
        for query in evaluations[0].queries
    )
    if without:
        warnings.append(
            f"{without:,} judged queries have no relevant document and count as 0 in every mean, "
            "as with trec_eval"
        )
    return warnings


def _run_warnings(evaluation: PairEvaluation, rankings: RunRankings) -> list[str]:
    name = rankings.name
    warnings = [f"{name}: {warning}" for warning in rankings.file.warnings]
    strange = rankings.file.run.hits.keys() - evaluation.qrels.keys() - evaluation.topic_ids
    if strange:
        warnings.append(
            f"{name}: {len(strange):,} of its {len(rankings.file.run.hits):,} queries are neither "
            f"topics nor judged, such as {min(strange)!r}"
        )
    ranked = {doc for trace in evaluation.traces.values() for doc in trace.top}
    judged = {doc for query in evaluation.queries for doc in evaluation.qrels[query.query_id]}
    if ranked and not evaluation.answers and not ranked & judged:
        warnings.append(
            f"{name}: none of its first 100 documents is judged for any query; are the ids "
            f"spelt as in the judgements? (run: {min(ranked)!r}, judgements: {min(judged)!r})"
        )
    unknown, documents = rankings.unknown_documents()
    if unknown and rankings.languages:
        warnings.append(
            f"{name}: the language of {unknown:,} of its {documents:,} documents is not known; "
            "they take their ranks and stand in no language's list"
        )
    return warnings
