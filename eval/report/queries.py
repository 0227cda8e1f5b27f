"""Tables about single queries and ranks: recall, languages by rank, the worst, the changed."""

from __future__ import annotations

from xret.eval.evaluation import Comparison, Evaluation, SystemResult
from xret.eval.report.table import Cell, Table, TableRow
from xret.eval.report.text import MISSING, decimal, language_label, shown, signed

__all__ = ["change_table", "differences", "recall_table", "share_table", "worst_table"]

CHANGED = 5
"""How many gains and how many losses are told with their texts."""


def recall_table(evaluation: Evaluation) -> Table:
    """Recall at each depth, a row a system."""
    depths = sorted({k for system in evaluation.systems for k, _ in system.recall})
    rows: list[TableRow] = []
    for system in evaluation.systems:
        found = dict(system.recall)
        rows.append((shown(system.name, limit=80), *[decimal(found.get(k)) for k in depths]))
    return Table(
        caption="Recall by depth of the mixed list",
        headings=("system", *[f"{k:,}" for k in depths]),
        align="l" + "r" * len(depths),
        rows=tuple(rows),
    )


def share_table(system: SystemResult) -> Table:
    """Each language's part of the first ranks, and of what is relevant."""
    rows: list[TableRow] = []
    for lang in sorted(
        system.language_share, key=lambda lang: (-system.relevant_share.get(lang, 0.0), lang)
    ):
        relevant = system.relevant_share.get(lang)
        shares = system.language_share[lang]
        rows.append(
            (
                language_label(lang),
                *[f"{share:.1%}" for share in shares],
                MISSING if relevant is None else f"{relevant:.1%}",
            )
        )
    return Table(
        caption=f"Languages of the documents that {shown(system.name, limit=80)} ranks first",
        headings=("language", *[f"top {k:,}" for k in system.share_ranks], "relevant"),
        align="l" + "r" * (len(system.share_ranks) + 1),
        rows=tuple(rows),
        note="Means over the queries. Relevant: the languages of the documents judged relevant.",
    )


def worst_table(system: SystemResult, measure: str) -> Table:
    """The queries that a system answers worst, with their texts."""
    rows: list[TableRow] = []
    for query in system.worst_queries:
        top = ", ".join(
            f"{shown(doc_id, limit=60)} ({lang or '?'}, {_judged(grade)})"
            for doc_id, lang, grade in query.top[:3]
        )
        first = MISSING if query.first_relevant is None else f"{query.first_relevant:,}"
        rows.append(
            (
                shown(query.query_id, limit=60),
                language_label(query.query_lang),
                Cell(query.text or MISSING, lang=query.query_lang if query.text else None),
                decimal(query.value),
                f"{query.relevant:,}",
                first,
                Cell(top or MISSING),
            )
        )
    return Table(
        caption=f"The worst queries of {shown(system.name, limit=80)} by {measure}",
        headings=("query", "language", "text", measure, "relevant", "first at", "ranked first"),
        align="lllrrrl",
        rows=tuple(rows),
        note="Relevant: documents judged so. First at: the rank of the first of them; "
        f"{MISSING} where none came.",
    )


def _judged(grade: int | None) -> str:
    return "not judged" if grade is None else f"grade {grade}"


def differences(evaluation: Evaluation, comparison: Comparison) -> list[tuple[str, float]]:
    """Query ids with system minus baseline, the greatest gain first; ties by query id.

    As in the comparison itself, only queries count that both systems answer.
    """
    first, second = evaluation.system(comparison.baseline), evaluation.system(comparison.system)
    before = first.per_query.get(comparison.measure, {})
    after = second.per_query.get(comparison.measure, {})
    unanswered = {*first.unanswered, *second.unanswered}
    shared = [query for query in after if query in before and query not in unanswered]
    changes = [(query, after[query] - before[query]) for query in shared]
    return sorted(changes, key=lambda change: (-change[1], change[0]))


def change_table(evaluation: Evaluation, comparison: Comparison) -> Table:
    """The queries that gain most and lose most, with their texts."""
    changes = differences(evaluation, comparison)
    gains = [change for change in changes if change[1] > 0][:CHANGED]
    losses = [change for change in changes if change[1] < 0][-CHANGED:]
    rows: list[TableRow] = []
    for query_id, change in [*gains, *losses]:
        text, lang = evaluation.queries.get(query_id, ("", ""))
        rows.append(
            (
                shown(query_id, limit=60),
                language_label(lang),
                Cell(text or MISSING, lang=lang if text else None),
                signed(change),
            )
        )
    return Table(
        caption=f"Where {shown(comparison.system, limit=80)} gains and loses most against "
        f"{shown(comparison.baseline, limit=80)}, {comparison.measure}",
        headings=("query", "language", "text", "difference"),
        align="lllr",
        rows=tuple(rows),
    )
