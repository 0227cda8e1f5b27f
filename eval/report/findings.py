"""What an evaluation found, in the few sentences that are read first."""

from __future__ import annotations

from collections.abc import Sequence

from xret.eval.evaluation import Evaluation, Interval
from xret.eval.report.results import SIGNIFICANT, crossing_pairs, mean, pair_values
from xret.eval.report.text import decimal, isolated, language_label, p_relation, signed
from xret.types import UNDETERMINED

__all__ = ["findings"]


MOST = 3
"""Comparisons, and systems across languages, that have a sentence; the tables have all."""


def findings(evaluation: Evaluation) -> list[str]:
    """The few sentences to read where there is time for no more: at most ten."""
    measure = evaluation.measures[0].name
    sentences = _ranking(evaluation, measure)
    across = _across(evaluation, measure)
    sentences += across[:MOST]
    if len(across) > MOST:
        sentences.append(
            f"{len(across) - MOST:,} further systems across languages: see the tables."
        )
    return sentences


def _across(evaluation: Evaluation, measure: str) -> list[str]:
    """What each system keeps across languages, and its weakest pair."""
    sentences = []
    for system in evaluation.systems:
        crossing = mean(c.values[measure].mean for c in crossing_pairs(system, measure))
        values = pair_values(system, measure)
        known = [lang for lang in evaluation.doc_langs if lang != UNDETERMINED]
        same = mean(i.mean for lang in known if (i := values.get((lang, lang))))
        worst = system.worst_pair(measure)
        if crossing is None or worst is None:
            continue
        kept = crossing / same if same else None
        sentence = (
            f"Across languages {isolated(system.name)} reaches {decimal(crossing)} on average"
        )
        if kept is not None:
            sentence += f", {kept:.0%} of its {decimal(same)} within one language"
        pair = (
            f"{language_label(worst.query_lang)} queries over {language_label(worst.doc_lang)} "
            "documents"
        )
        pairs = [cell.values[measure].mean for cell in crossing_pairs(system, measure)]
        if pairs.count(0) > 1:
            weakest = f"{pairs.count(0):,} of its {len(pairs):,} pairs are 0, such as {pair}"
        else:
            weakest = f"its weakest pair is {pair}, {decimal(worst.values[measure].mean)}"
        sentences.append(f"{sentence}; {weakest}.")
    return sentences


def _ranking(evaluation: Evaluation, measure: str) -> list[str]:
    known = [(s.name, i) for s in evaluation.systems if (i := s.overall(measure)) is not None]
    higher = evaluation.measures[0].higher_is_better is not False
    known.sort(key=lambda pair: pair[1].mean, reverse=higher)
    if not known:
        return []
    sentences = [_leader(measure, known, "highest" if higher else "lowest")]
    compared = [c for c in evaluation.comparisons if c.measure == measure]
    for c in compared[:MOST]:
        certain = "" if c.p_randomisation_holm < SIGNIFICANT else ", not significant"
        sentences.append(
            f"{isolated(c.system)} against {isolated(c.baseline)}: "
            f"{signed(c.difference.mean)} ({decimal(c.difference.low)} to "
            f"{decimal(c.difference.high)}), adjusted p "
            f"{p_relation(c.p_randomisation_holm, at_floor=c.at_floor)}{certain}."
        )
    if len(compared) > MOST:
        significant = sum(c.p_randomisation_holm < SIGNIFICANT for c in compared)
        sentences.append(
            f"{significant:,} of all {len(compared):,} comparisons by {measure} are significant."
        )
    return sentences


def _leader(measure: str, known: Sequence[tuple[str, Interval]], end: str) -> str:
    name, best = known[0]
    spread = f"{decimal(best.mean)} ({decimal(best.low)} to {decimal(best.high)})"
    queries = f"{best.queries:,} {'query' if best.queries == 1 else 'queries'}"
    if len(known) == 1:
        return f"{isolated(name)} reaches {measure} {spread} over {queries}."
    return f"{isolated(name)} has the {end} {measure}, {spread} over {queries}."
