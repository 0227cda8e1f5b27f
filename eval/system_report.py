"""What an evaluation says of each system, and of all of them, as it is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xret.eval.evaluation import Evaluation
from xret.eval.rankings import IndexRankings
from xret.eval.runner import PairEvaluation, PairResult
from xret.eval.translated_rankings import TranslatedRankings
from xret.types import UNDETERMINED

__all__ = ["Assessment", "SystemReport"]


@dataclass(frozen=True, slots=True)
class SystemReport:
    """One system's measures, pair by pair, and what stands out in them.

    described: index and encoder, or the run file and how many queries it answers.
    queries_without_lang: those whose language was identified. worst_pair: of two languages, by
    the first measure. zero_pairs: how many pairs of two languages have 0 by it, of how many.
    """

    system: str
    measures: tuple[str, ...]
    described: Mapping[str, Any]
    queries_without_lang: int
    mean_cross_language: Mapping[str, float]
    mean_same_language: Mapping[str, float]
    worst_pair: PairResult | None
    results: Sequence[PairResult]
    zero_pairs: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, evaluation: PairEvaluation) -> SystemReport:
        """Of an evaluation that has run to its end."""
        rankings, results = evaluation.rankings, list(evaluation.results())
        described: dict[str, Any] = {"run": rankings.name, "answered": len(evaluation.answered)}
        if isinstance(rankings, IndexRankings):
            searcher = rankings.searcher
            described = {"index": searcher.name, "encoder": searcher.encoder.spec.name}
        if isinstance(rankings, TranslatedRankings):
            described |= rankings.described()
        first = evaluation.measures[0]
        pairs = [r for r in results if r.doc_lang is not None and r.query_lang != UNDETERMINED]
        cross = [r for r in pairs if r.query_lang != r.doc_lang and first in r.measures]
        same = [r for r in pairs if r.query_lang == r.doc_lang]
        return cls(
            rankings.name,
            evaluation.measures,
            described,
            evaluation.identified,
            _mean(cross),
            _mean(same),
            min(cross, key=lambda r: r.measures[first], default=None),
            results,
            (sum(r.measures[first] == 0 for r in cross), len(cross)),
        )

    def as_json(self) -> dict[str, Any]:
        """As `xret eval --json` prints it."""
        return {
            **self.described,
            "queries_without_lang": self.queries_without_lang,
            "mean_cross_language": self.mean_cross_language,
            "mean_same_language": self.mean_same_language,
            "worst_pair": self.worst_pair,
            "results": self.results,
        }


@dataclass(frozen=True, slots=True)
class Assessment:
    """What an evaluation found. finished: with comparisons and intervals, where there are
    several systems or a report was asked for. written: the report's files."""

    systems: tuple[SystemReport, ...]
    finished: Evaluation | None
    warnings: Sequence[str]
    written: Sequence[Path] = ()

    def as_json(self) -> dict[str, Any]:
        """As `xret eval --json` prints it; of one system without its name."""
        if len(self.systems) == 1:
            return {**self.systems[0].as_json(), "warnings": self.warnings}
        several = self.finished
        return {
            "systems": [{"system": one.system, **one.as_json()} for one in self.systems],
            "comparisons": several.comparisons if several else (),
            "correction": several.correction if several else "",
            "interval": several.interval if several else "",
            "seed": several.environment.seed if several else 0,
            "warnings": self.warnings,
        }


def _mean(results: Sequence[PairResult]) -> dict[str, float]:
    names = dict.fromkeys(name for result in results for name in result.measures)
    means = {}
    for name in names:
        values = [result.measures[name] for result in results if name in result.measures]
        means[name] = sum(values) / len(values)
    return means
