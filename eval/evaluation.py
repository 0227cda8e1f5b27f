"""A finished evaluation: what the report draws, the JSON stores and a reader can check.

Everything here is a value. Nothing is computed but look-ups; the numbers are made by
`runner.py`, `comparison.py`, `significance.py` and `fairness.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "ColumnTest",
    "Comparison",
    "CorpusFacts",
    "Environment",
    "Evaluation",
    "Interval",
    "LanguageColumn",
    "Latency",
    "MeasureFacts",
    "PairCell",
    "SystemResult",
    "WorstQuery",
]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over queries and its bootstrap interval; low <= mean <= high.

    queries: how many the mean is over. With one query the interval is the value itself.
    """

    mean: float
    low: float
    high: float
    queries: int


@dataclass(frozen=True, slots=True)
class MeasureFacts:
    """A measure, spelt as in ir_measures.

    kind: "fairness" for those of a list in several languages, which need the documents'
    languages and are given for the mixed list only. higher_is_better: False for measures of
    distance from fairness and counts of what is missing; None where neither end is better.
    program: whose arithmetic it is, by name and version.
    """

    name: str
    kind: Literal["effectiveness", "fairness"] = "effectiveness"
    higher_is_better: bool | None = True
    definition: str = ""
    program: str = ""


@dataclass(frozen=True, slots=True)
class CorpusFacts:
    """The test collection, as far as it was told.

    languages: documents by language code. judged: queries that have a judgement; only those
    count. judgements by grade. checksums: sha256 by file name, of the files that were read.
    """

    name: str
    documents: int | None = None
    languages: Mapping[str, int] = field(default_factory=dict)
    queries: int = 0
    judged: int = 0
    judgements: Mapping[int, int] = field(default_factory=dict)
    revision: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    template: str = ""
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall-clock time of single queries, one after another: encoding and search together."""

    queries: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class PairCell:
    """Queries of one language over documents of one language.

    doc_lang is None for the mixed list of all documents; query_lang too for all queries.
    """

    query_lang: str | None
    doc_lang: str | None
    queries: int
    values: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class WorstQuery:
    """One of the queries that a system answers worst, by the first measure.

    relevant: how many documents are judged so. first_relevant: rank of the first of them in
    the list, None where none came. top: the first documents (doc_id, language, grade), grade
    None where nobody judged, language "" where it is not known.
    """

    query_id: str
    query_lang: str
    text: str
    value: float
    relevant: int
    first_relevant: int | None
    top: tuple[tuple[str, str, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class SystemResult:
    """One system (an index with its encoder, or a run file) over the collection.

    per_query: by measure, by query id, over the mixed list: every judged query has a value,
    0 if it was not answered. pairs: the matrix, then the rows over the mixed list, then
    the one for all queries. recall: (k, recall at k) of the mixed list, rising.
    language_share: by language the share of each of `share_ranks` (up to and including it).
    unanswered: judged queries that the run does not have. metadata: the run's ir_metadata.
    document_cpu_s, query_cpu_s: CPU seconds that encoding 1,000 documents, or queries, takes,
    by a sample. translated_characters: of queries and documents that went through a translator.
    """

    name: str
    kind: Literal["index", "run"]
    per_query: Mapping[str, Mapping[str, float]]
    pairs: tuple[PairCell, ...]
    recall: tuple[tuple[int, float], ...] = ()
    share_ranks: tuple[int, ...] = ()
    language_share: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    relevant_share: Mapping[str, float] = field(default_factory=dict)
    worst_queries: tuple[WorstQuery, ...] = ()
    answered: int = 0
    unanswered: tuple[str, ...] = ()
    encoder: str = ""
    index: str = ""
    run_file: str = ""
    index_bytes: int | None = None
    documents: int | None = None
    latency: Latency | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    document_cpu_s: float | None = None
    query_cpu_s: float | None = None
    translated_characters: int | None = None

    def cell(self, query_lang: str | None, doc_lang: str | None) -> PairCell | None:
        """The cell of that pair (None: all), None where no query is judged for it."""
        found = (c for c in self.pairs if (c.query_lang, c.doc_lang) == (query_lang, doc_lang))
        return next(found, None)

    def overall(self, measure: str) -> Interval | None:
        """All queries over the mixed list; a fairness measure stands only there."""
        cell = self.cell(None, None)
        return None if cell is None else cell.values.get(measure)

    def ceiling(self, doc_lang: str, measure: str) -> Interval | None:
        """The monolingual ceiling: queries and documents both in that language."""
        cell = self.cell(doc_lang, doc_lang)
        return None if cell is None else cell.values.get(measure)

    def worst_pair(self, measure: str) -> PairCell | None:
        """The pair of two known, different languages with the lowest mean."""
        crossing = [
            cell
            for cell in self.pairs
            if cell.doc_lang is not None
            and cell.query_lang not in (None, "und", cell.doc_lang)
            and measure in cell.values
        ]
        return min(crossing, key=lambda cell: cell.values[measure].mean, default=None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems by one measure, paired query by query over the mixed list.

    difference: mean of (system - baseline) with its bootstrap interval. p_*: two-sided.
    p_*_holm: adjusted over the evaluation's comparisons by the same measure and test. effect_size:
    Cohen's d of the paired differences; None where they do not vary. p_t too. exact: whether
    every sign assignment was tried, else `samples` random ones.
    left_out: queries of which the measure says something for only one of the two.
    """

    measure: str
    baseline: str
    system: str
    baseline_mean: float
    system_mean: float
    difference: Interval
    p_randomisation: float
    p_randomisation_holm: float
    p_t: float | None
    p_t_holm: float | None
    effect_size: float | None
    better: int
    equal: int
    worse: int
    exact: bool
    samples: int
    left_out: int = 0

    @property
    def at_floor(self) -> bool:
        """Whether p is the smallest that so many random assignments can give."""
        return not self.exact and self.p_randomisation <= 1 / (1 + self.samples)


@dataclass(frozen=True, slots=True)
class LanguageColumn:
    """What a system reaches over the documents of one language: a cell of a paper's table.

    The queries are those in other languages that something is judged relevant for there; where
    there are none, those in the documents' own. doc_lang: None for the values of all languages
    together (the micro average).
    """

    system: str
    measure: str
    doc_lang: str | None
    mean: float
    queries: int


@dataclass(frozen=True, slots=True)
class ColumnTest:
    """Two systems over such a column, by a paired randomisation test.

    p_holm: adjusted over the tests of all languages and pairs by the same measure; of all
    languages together (doc_lang None) over those of all pairs. samples: random sign assignments,
    0 where every one was tried.
    """

    measure: str
    doc_lang: str | None
    baseline: str
    system: str
    difference: float
    p: float
    p_holm: float
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that must be said for somebody else to repeat it.

    libraries: version by name. seed: of every random draw. started: ISO 8601, UTC.
    """

    xret: str
    python: str
    platform: str
    processor: str
    cores: int
    memory_bytes: int | None
    libraries: Mapping[str, str]
    command: str
    seed: int
    started: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One collection, one or more systems, and how they compare.

    measures: the first one ranks (worst pair, worst queries). queries: (text, language) by id,
    judged ones; the text is "" where only a run and judgements were given. interval:
    what the intervals are ("95 % percentile bootstrap ..."). warnings: what a reader must know.
    """

    title: str
    corpus: CorpusFacts
    measures: tuple[MeasureFacts, ...]
    systems: tuple[SystemResult, ...]
    comparisons: tuple[Comparison, ...]
    queries: Mapping[str, tuple[str, str]]
    query_langs: tuple[str, ...]
    doc_langs: tuple[str, ...]
    baseline: str
    environment: Environment
    interval: str = ""
    correction: str = ""
    warnings: tuple[str, ...] = ()
    columns: tuple[LanguageColumn, ...] = ()
    column_tests: tuple[ColumnTest, ...] = ()

    def system(self, name: str) -> SystemResult:
        """The system of that name. Raises KeyError."""
        for system in self.systems:
            if system.name == name:
                return system
        raise KeyError(name)
