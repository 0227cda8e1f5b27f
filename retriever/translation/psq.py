"""Probabilistic structured queries, indexed: documents as the words that would ask for them.

A term of a document counts as each term of the target language that it translates to, as often
as that is likely (Darwish and Oard 2003, with the sum taken when a document is indexed, as Yang
et al. 2024 do). What no table knows - names, numbers - stays as the target's analysis reads it.

A question in another language than the target's goes the same way, so that each language of a
table finds each other one, its own too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from xret.index.words.expected import UNIT
from xret.retriever.lexical.analysis import analyse, query_stop_terms
from xret.retriever.translation.table import Translations, TranslationTable
from xret.types import Document

__all__ = ["ExpectedTerms", "expected_query"]

MEMO_CHUNKS = 1 << 15
"""Pieces of text whose translations a language keeps at hand."""
MAX_CHUNK = 64


class ExpectedTerms:
    """Documents in any language of a table as terms of its target. One thread at a time."""

    def __init__(self, table: TranslationTable) -> None:
        self.table = table
        self._memo: dict[str, dict[str, Translations]] = defaultdict(dict)

    def of(self, document: Document) -> Mapping[str, int]:
        """How often each term of the target is expected in a document, in parts of 1 / UNIT.

        Raises ModelError for a table whose terms are not those of today's analysis.
        """
        counts: dict[str, float] = defaultdict(float)
        memo = self._memo[document.lang]
        for chunk in f"{document.title} {document.text}".split():
            terms = memo.get(chunk)
            if terms is None:
                terms = tuple(_translated(self.table, chunk, document.lang))
                if len(chunk) <= MAX_CHUNK:
                    if len(memo) >= MEMO_CHUNKS:
                        memo.clear()
                    memo[chunk] = terms
            for term, share in terms:
                counts[term] += share
        rounded = {term: round(count * UNIT) for term, count in counts.items()}
        return {term: count for term, count in rounded.items() if count}


def expected_query(text: str, lang: str, table: TranslationTable) -> Mapping[str, float]:
    """Terms of a table's target for a question, each as often as it is expected.

    Words that ask nothing are left out on both sides, unless there are no others.
    Raises ModelError for a table whose terms are not those of today's analysis.
    """
    stop = query_stop_terms(lang.partition("-")[0].lower())
    empty = query_stop_terms(table.target)
    asked: dict[str, float] = defaultdict(float)
    every: dict[str, float] = defaultdict(float)
    for chunk in text.split():
        asks = not stop or not stop.issuperset(analyse(chunk, lang))
        for term, share in _translated(table, chunk, lang):
            every[term] += share
            if asks and term not in empty:
                asked[term] += share
    return asked or every


def _translated(table: TranslationTable, chunk: str, lang: str) -> list[tuple[str, float]]:
    """The target's terms for a text without white space, with their probabilities."""
    target = table.target
    known = None if lang.partition("-")[0] == target else table.language(lang)
    terms = analyse(chunk, lang)
    if known is None:
        # Names as the target writes them, and words as those who ask in the language do.
        return [(term, 1.0) for term in dict.fromkeys([*analyse(chunk, target), *terms])]
    translated: list[tuple[str, float]] = []
    for term in terms:
        row = None if term.isdigit() else known.translations(term)
        if row is None:
            kept = analyse(chunk if len(terms) == 1 else term, target)
            translated += [(name, 1.0) for name in kept]
        else:
            translated += row
    return translated
