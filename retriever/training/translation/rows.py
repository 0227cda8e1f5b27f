"""From word links to the rows of a table: which translations of which terms are kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from xret.retriever.languages.codes import ENGLISH
from xret.retriever.lexical.analysis import analyse, query_stop_terms
from xret.retriever.training.translation.alignment import WordLinks
from xret.retriever.training.translation.bitext import Bitext
from xret.retriever.training.translation.settings import TranslationTraining
from xret.retriever.translation.table import MAX_TARGETS, MAX_TERM_BYTES

__all__ = ["TermRow", "numbered_rows", "probes_of", "term_rows"]

TermRow = tuple[float, list[tuple[str, float]]]
"""How often a term was met, and its translations with their probabilities, likeliest first."""

PROBES = 40
LIKE_ITSELF = 0.9
"""A term whose translation is itself by so much needs no row: unknown terms stay as they are."""


def term_rows(
    bitext: Bitext, links: WordLinks, settings: TranslationTraining
) -> dict[str, TermRow]:
    """By term of the language, the rows that are kept.

    Probabilities are those of the target's terms given the language's. Words that questions leave
    out are no translations; a term that has no others has an empty row, and means nothing.
    """
    terms, targets = bitext.left.terms(), bitext.right.terms()
    whole = np.bincount(links.left, links.counts, len(terms))
    shares = links.counts / np.maximum(whole, 1e-12)[links.left]
    kept = np.flatnonzero(shares >= settings.least)
    order = kept[np.lexsort((links.right[kept], -shares[kept], links.left[kept]))]
    rows: dict[int, list[tuple[int, float]]] = {}
    for left, right, share in zip(
        links.left[order].tolist(), links.right[order].tolist(), shares[order].tolist(), strict=True
    ):
        row = rows.setdefault(left, [])
        if len(row) < settings.most and sum(one for _, one in row) < settings.cumulative:
            row.append((right, share))
    silent = query_stop_terms(ENGLISH)
    found: dict[str, TermRow] = {}
    ranked = sorted(rows, key=lambda left: (-whole[left], terms[left]))
    for left in ranked:
        named = [(targets[right], share) for right, share in rows[left]]
        said = [(name, share) for name, share in named if name not in silent]
        if not _like_itself(terms[left], said) and _storable(terms[left]):
            found[terms[left]] = (float(whole[left]), said)
        if len(found) == settings.terms:
            break
    return found


def numbered_rows(
    rows: Mapping[str, Mapping[str, TermRow]],
) -> tuple[list[str], dict[str, dict[str, tuple[float, list[tuple[int, float]]]]]]:
    """The target's terms of all languages, rising, and the rows with their numbers.

    Where there are more than a table can number, those that the fewest counts translate to go.
    """
    used: dict[str, float] = defaultdict(float)
    for of_lang in rows.values():
        for count, row in of_lang.values():
            for name, share in row:
                used[name] += share * count if _storable(name) else 0
    chosen = sorted(used, key=lambda name: (-used[name], name))[:MAX_TARGETS]
    names = sorted((name for name in chosen if _storable(name)), key=str.encode)
    numbers = {name: number for number, name in enumerate(names)}
    numbered = {
        lang: {
            term: (count, [(numbers[name], share) for name, share in row if name in numbers])
            for term, (count, row) in of_lang.items()
        }
        for lang, of_lang in rows.items()
    }
    return names, numbered


def probes_of(words: Counter[str], lang: str) -> list[tuple[str, list[str]]]:
    """Frequent words with their terms, those first that are not terms themselves."""
    known = [word for word, _ in words.most_common(2_000) if word.isalpha()]
    pairs = [(word, analyse(word, lang)) for word in known]
    changed = [pair for pair in pairs if pair[1] != [pair[0].lower()]]
    return (changed + [pair for pair in pairs if pair not in changed])[:PROBES]


def _like_itself(term: str, row: Sequence[tuple[str, float]]) -> bool:
    return bool(row) and row[0][1] >= LIKE_ITSELF and analyse(term, ENGLISH) == [row[0][0]]


def _storable(term: str) -> bool:
    return len(term.encode()) <= MAX_TERM_BYTES
