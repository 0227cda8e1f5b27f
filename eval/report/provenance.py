"""Tables of what an evaluation stands on: collection, cost, versions, checksums, command."""

from __future__ import annotations

import orjson

from xret.eval.evaluation import Evaluation, SystemResult
from xret.eval.rankings import COST_SAMPLE
from xret.eval.report.table import Table, TableRow
from xret.eval.report.text import MISSING, decimal, language_label, shown, size

__all__ = [
    "checksum_table",
    "collection_table",
    "cost_table",
    "measure_table",
    "metadata_text",
    "repetition_table",
    "system_table",
]

MAX_METADATA = 4_000
MAX_COMMAND = 4_000


def cost_table(evaluation: Evaluation) -> Table:
    """Time of a query and size of an index, a row a system."""
    rows: list[TableRow] = []
    for system in evaluation.systems:
        latency, documents = system.latency, system.documents
        each = system.index_bytes / documents if system.index_bytes and documents else None
        rows.append(
            (
                shown(system.name, limit=80),
                *[
                    decimal(value, 1)
                    for value in (
                        (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.mean_ms)
                        if latency
                        else (None,) * 4
                    )
                ],
                MISSING if latency is None else f"{latency.queries:,}",
                size(system.index_bytes),
                MISSING if documents is None else f"{documents:,}",
                size(None if each is None else round(each)),
                decimal(system.document_cpu_s, 2),
                decimal(system.query_cpu_s, 2),
                MISSING
                if system.translated_characters is None
                else f"{system.translated_characters:,}",
            )
        )
    return Table(
        caption="Time of a query and size of the index",
        headings=(
            "system",
            "median ms",
            "p95 ms",
            "p99 ms",
            "mean ms",
            "queries timed",
            "index",
            "documents",
            "per document",
            "CPU s, 1,000 documents",
            "CPU s, 1,000 queries",
            "translated characters",
        ),
        align="lrrrrrrrrrrr",
        rows=tuple(rows),
        note="Wall-clock time of single queries one after another, encoding and search together. "
        "CPU s: of all cores together, to encode a thousand, by a sample of at most "
        f"{COST_SAMPLE}. {MISSING}: a run file tells none of it, or nothing is translated.",
    )


def collection_table(evaluation: Evaluation) -> Table:
    """The test collection."""
    corpus = evaluation.corpus
    langs = ", ".join(f"{language_label(lang)} {n:,}" for lang, n in corpus.languages.items())
    grades = ", ".join(f"grade {g}: {n:,}" for g, n in sorted(corpus.judgements.items()))
    documents = "" if corpus.documents is None else f"{corpus.documents:,}"
    return _facts(
        "The test collection",
        [
            ("name", corpus.name),
            ("documents", documents),
            ("languages", langs),
            ("queries", f"{corpus.queries:,}"),
            ("judged queries", f"{corpus.judged:,}"),
            ("judgements", grades),
            ("revision", corpus.revision),
            ("source", corpus.source),
            ("licence", corpus.licence),
            ("text of a document", corpus.template),
            ("to cite", corpus.citation),
        ],
    )


def repetition_table(evaluation: Evaluation) -> Table:
    """Program, machine and seed."""
    run = evaluation.environment
    memory = None if run.memory_bytes is None else size(run.memory_bytes)
    libraries = ", ".join(f"{name} {version}" for name, version in run.libraries.items())
    return _facts(
        "Program, machine and seed",
        [
            ("xret", run.xret),
            ("Python", run.python),
            ("libraries", libraries),
            ("platform", run.platform),
            ("processor", run.processor),
            ("cores", f"{run.cores:,}"),
            ("memory", memory or ""),
            ("seed of every random draw", str(run.seed)),
            ("started", run.started),
            ("took", f"{decimal(run.took_s, 1)} s"),
            ("baseline", evaluation.baseline),
            ("intervals", evaluation.interval),
            ("correction", evaluation.correction),
        ],
    )


def system_table(evaluation: Evaluation) -> Table:
    """Where each system's rankings came from."""
    rows: list[TableRow] = [
        (
            shown(system.name, limit=80),
            "index" if system.kind == "index" else "run file",
            shown(system.run_file or system.index, limit=200) or MISSING,
            shown(system.encoder, limit=200) or MISSING,
            f"{system.answered:,} of {evaluation.corpus.judged:,}",
        )
        for system in evaluation.systems
    ]
    return Table(
        caption="The systems",
        headings=("system", "kind", "read from", "encoder", "judged queries answered"),
        align="llllr",
        rows=tuple(rows),
        note="A judged query without an answer counts as zero.",
    )


def measure_table(evaluation: Evaluation) -> Table:
    """The measures, spelt as in ir_measures."""
    better = {True: "higher", False: "lower", None: "neither"}
    return Table(
        caption="The measures",
        headings=("measure", "kind", "better is", "what it is", "computed by"),
        align="lllll",
        rows=tuple(
            (
                facts.name,
                facts.kind,
                better[facts.higher_is_better],
                shown(facts.definition) or MISSING,
                shown(facts.program) or MISSING,
            )
            for facts in evaluation.measures
        ),
    )


def checksum_table(evaluation: Evaluation) -> Table | None:
    """The sha256 of every file that was read."""
    found = evaluation.corpus.checksums
    if not found:
        return None
    return Table(
        caption="Checksums of the files that were read",
        headings=("file", "sha256"),
        align="ll",
        rows=tuple((shown(name), shown(value)) for name, value in found.items()),
    )


def metadata_text(system: SystemResult) -> str:
    """The run's own metadata (ir_metadata) as indented JSON, cut where it is endless."""
    if not system.metadata:
        return ""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    try:
        text = orjson.dumps(dict(system.metadata), default=str, option=options).decode()
    except TypeError:  # a lone surrogate, or nested beyond what JSON is written for
        text = str(system.metadata)
    return text if len(text) <= MAX_METADATA else text[:MAX_METADATA] + "\n…"


def _facts(caption: str, facts: list[tuple[str, str]]) -> Table:
    """Names and values, without those that nobody told."""
    rows: tuple[TableRow, ...] = tuple(
        (name, shown(told, limit=3_000)) for name, told in facts if told
    )
    return Table(caption=caption, headings=("", ""), align="ll", rows=rows)
