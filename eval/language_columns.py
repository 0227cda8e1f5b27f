"""Systems over the documents of each language: means, and tests of every pair of systems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from xret.eval.evaluation import ColumnTest, LanguageColumn, MeasureFacts
from xret.eval.measures import aggregate
from xret.eval.randomisation import paired_randomisations
from xret.eval.runner import PairEvaluation
from xret.eval.significance import holm
from xret.types import UNDETERMINED

__all__ = ["MOST_PAIRED", "column_tests", "language_columns"]

MOST_PAIRED = 25
"""With more systems than there are letters to mark them by, each is compared with the first."""

Values = Mapping[tuple[str, str], float]
"""By document language and query id."""


def language_columns(
    evaluations: Sequence[PairEvaluation], measures: Sequence[MeasureFacts]
) -> Iterator[LanguageColumn]:
    """The columns of every system by every measure of effectiveness, then all of them together.

    evaluations: that have run to their end; those without languages have no columns.
    """
    for evaluation in evaluations:
        for facts in measures:
            values = _values(evaluation, facts.name)
            for lang in (*dict.fromkeys(lang for lang, _ in values), None):
                own = [value for (of, _), value in values.items() if lang in (None, of)]
                if own:
                    mean = aggregate(facts.name, own)
                    name = evaluation.rankings.name
                    yield LanguageColumn(name, facts.name, lang, mean, len(own))


def column_tests(
    evaluations: Sequence[PairEvaluation],
    measures: Sequence[MeasureFacts],
    *,
    baseline: str | None,
    seed: int,
) -> Iterator[ColumnTest]:
    """Pairs of systems by every measure that has a better end, column by column and together.

    baseline: each other system against this one; None: every pair, or, of more than
    `MOST_PAIRED` systems, each against the first. A query counts where both have a value.
    """
    names = [evaluation.rankings.name for evaluation in evaluations]
    if baseline is None and len(names) <= MOST_PAIRED:
        pairs = list(combinations(names, 2))
    else:
        first = baseline or names[0]
        pairs = [(first, name) for name in names if name != first]
    for facts in measures if pairs else ():
        if facts.higher_is_better is None or facts.kind != "effectiveness":
            continue
        valued = {e.rankings.name: _values(e, facts.name) for e in evaluations}
        langs = dict.fromkeys(lang for values in valued.values() for lang, _ in values)
        by_lang = [
            test for lang in langs for test in _tested(pairs, valued, facts.name, lang, seed)
        ]
        yield from _adjusted(by_lang)
        yield from _adjusted(_tested(pairs, valued, facts.name, None, seed))


def _values(evaluation: PairEvaluation, measure: str) -> Values:
    """Every value of a measure over the documents of one language, asked in another where that
    was done."""
    query_langs = {query.query_id: query.lang for query in evaluation.queries}
    found: dict[tuple[str, str], float] = {}
    for lang in evaluation.doc_langs:
        values = evaluation.values.get(lang, {}).get(measure, {})
        crossing = {q: v for q, v in values.items() if query_langs[q] not in (lang, UNDETERMINED)}
        found |= {(lang, query_id): value for query_id, value in (crossing or values).items()}
    return found


def _tested(
    pairs: Sequence[tuple[str, str]],
    valued: Mapping[str, Values],
    measure: str,
    lang: str | None,
    seed: int,
) -> list[ColumnTest]:
    """One column's tests, not adjusted yet; pairs that share no query are left out."""
    places: dict[tuple[str, str], int] = {}
    for values in valued.values():
        for key in values:
            if lang in (None, key[0]):
                places.setdefault(key, len(places))
    differences = np.zeros((len(places), len(pairs)))
    shared = [0] * len(pairs)
    for column, (baseline, system) in enumerate(pairs):
        others = valued[system]
        for key, value in valued[baseline].items():
            if key in places and key in others:
                differences[places[key], column] = others[key] - value
                shared[column] += 1
    tests = paired_randomisations(differences, seed=seed)
    return [
        ColumnTest(
            measure,
            lang,
            *pair,
            difference=float(differences[:, at].sum()) / n,
            p=test.p,
            p_holm=test.p,
            samples=test.samples,
        )
        for at, (pair, n, test) in enumerate(zip(pairs, shared, tests, strict=True))
        if n
    ]


def _adjusted(tests: Sequence[ColumnTest]) -> list[ColumnTest]:
    adjusted = holm([test.p for test in tests])
    return [replace(t, p_holm=p) for t, p in zip(tests, adjusted, strict=True)]
