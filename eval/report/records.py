"""The numbers as CSV, one row an observation, for those who draw their own."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from xret.eval.evaluation import Evaluation

__all__ = ["RECORDS", "harmless", "write_csv"]

Value = str | float | None
_FORMULA = ("=", "+", "-", "@")

RECORDS: dict[str, tuple[str, ...]] = {
    "pairs.csv": (
        "system",
        "query_lang",
        "doc_lang",
        "measure",
        "mean",
        "low",
        "high",
        "queries",
    ),
    "per_query.csv": ("system", "query_id", "query_lang", "measure", "value"),
    "comparisons.csv": (
        "measure",
        "baseline",
        "system",
        "baseline_mean",
        "system_mean",
        "difference",
        "low",
        "high",
        "p_randomisation",
        "p_randomisation_holm",
        "samples",
        "p_t",
        "p_t_holm",
        "effect_size",
        "better",
        "equal",
        "worse",
        "left_out",
    ),
    "recall.csv": ("system", "k", "recall"),
    "language_share.csv": ("system", "lang", "rank", "share"),
    "systems.csv": (
        "system",
        "kind",
        "encoder",
        "index",
        "run_file",
        "answered",
        "documents",
        "index_bytes",
        "queries_timed",
        "mean_ms",
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "document_cpu_s",
        "query_cpu_s",
        "translated_characters",
    ),
    "columns.csv": ("system", "measure", "doc_lang", "mean", "queries"),
    "column_tests.csv": (
        "measure",
        "doc_lang",
        "baseline",
        "system",
        "difference",
        "p_randomisation",
        "p_randomisation_holm",
        "samples",
    ),
}
"""Columns by file name. In pairs.csv, columns.csv and column_tests.csv an empty language means all
of them; samples are random sign assignments, 0 where all were tried; in language_share.csv the rank
`relevant` is the share among the relevant documents."""


def write_csv(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Every file of RECORDS. Numbers keep all their digits.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    rows = {
        "pairs.csv": _pairs,
        "per_query.csv": _per_query,
        "comparisons.csv": _comparisons,
        "recall.csv": _recall,
        "language_share.csv": _language_share,
        "systems.csv": _systems,
        "columns.csv": _columns,
        "column_tests.csv": _column_tests,
    }
    paths = []
    for name, columns in RECORDS.items():
        path = folder / name
        with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(harmless(row) for row in rows[name](evaluation))
        paths.append(path)
    return paths


def harmless(row: Iterable[Value]) -> list[Value]:
    """A row in which no text is one that a spreadsheet would run as a formula."""
    return [
        f"'{value}" if isinstance(value, str) and value.lstrip().startswith(_FORMULA) else value
        for value in row
    ]


def _pairs(evaluation: Evaluation) -> Iterator[tuple[Value, ...]]:
    for system in evaluation.systems:
        for cell in system.pairs:
            for measure, i in cell.values.items():
                yield (
                    system.name,
                    cell.query_lang,
                    cell.doc_lang,
                    measure,
                    i.mean,
                    i.low,
                    i.high,
                    i.queries,
                )


def _per_query(evaluation: Evaluation) -> Iterator[tuple[Value, ...]]:
    for system in evaluation.systems:
        for measure, values in system.per_query.items():
            for query_id, value in values.items():
                _, lang = evaluation.queries.get(query_id, ("", ""))
                yield system.name, query_id, lang, measure, value


def _comparisons(evaluation: Evaluation) -> Iterator[tuple[Value, ...]]:
    for c in evaluation.comparisons:
        yield (
            c.measure,
            c.baseline,
            c.system,
            c.baseline_mean,
            c.system_mean,
            c.difference.mean,
            c.difference.low,
            c.difference.high,
            c.p_randomisation,
            c.p_randomisation_holm,
            c.samples,
            c.p_t,
            c.p_t_holm,
            c.effect_size,
            c.better,
            c.equal,
            c.worse,
            c.left_out,
        )


def _recall(evaluation: Evaluation) -> Iterator[tuple[Value, ...]]:
    for system in evaluation.systems:
        for k, recall in system.recall:
            yield system.name, k, recall


def _language_share(evaluation: Evaluation) -> Iterator[tuple[Value, ...]]:
    for system in evaluation.systems:
        for lang, shares in system.language_share.items():
            for rank, share in zip(system.share_ranks, shares, strict=True):
                yield system.name, lang, rank, share
            yield system.name, lang, "relevant", system.relevant_share.get(lang)


def _systems(evaluation: Evaluation) -> Iterator[tuple[Value, ...]]:
    for s in evaluation.systems:
        timed = s.latency
        times: tuple[Value, ...] = (None,) * 5
        if timed is not None:
            times = (timed.queries, timed.mean_ms, timed.p50_ms, timed.p95_ms, timed.p99_ms)
        yield (
            s.name,
            s.kind,
            s.encoder,
            s.index,
            s.run_file,
            s.answered,
            s.documents,
            s.index_bytes,
            *times,
            s.document_cpu_s,
            s.query_cpu_s,
            s.translated_characters,
        )


def _columns(evaluation: Evaluation) -> Iterator[tuple[Value, ...]]:
    for c in evaluation.columns:
        yield c.system, c.measure, c.doc_lang, c.mean, c.queries


def _column_tests(evaluation: Evaluation) -> Iterator[tuple[Value, ...]]:
    for t in evaluation.column_tests:
        yield t.measure, t.doc_lang, t.baseline, t.system, t.difference, t.p, t.p_holm, t.samples
