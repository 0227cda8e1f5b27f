"""Probabilistic structured queries, indexed: documents as the words that would ask for them.

A term of a document counts as each term of the target language that it translates to, as often
as that is likely (Darwish and Oard 2003, with the sum taken when a document is indexed, as Yang
et al. 2024 do). What no table knows - names, numbers - stays as the target's analysis reads it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from xret.index.words.expected import UNIT
from xret.retriever.lexical.analysis import analyse
from xret.retriever.translation.table import Translations, TranslationTable
from xret.types import Document

__all__ = ["ExpectedTerms"]

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
                terms = tuple(self._translated(chunk, document.lang))
                if len(chunk) <= MAX_CHUNK:
                    if len(memo) >= MEMO_CHUNKS:
                        memo.clear()
                    memo[chunk] = terms
            for term, share in terms:
                counts[term] += share
        rounded = {term: round(count * UNIT) for term, count in counts.items()}
        return {term: count for term, count in rounded.items() if count}

    def _translated(self, chunk: str, lang: str) -> list[tuple[str, float]]:
        """The target's terms for a text without white space, with their probabilities."""
        target = self.table.target
        known = None if lang.partition("-")[0] == target else self.table.language(lang)
        if known is None:
            return [(term, 1.0) for term in analyse(chunk, target)]
        terms = analyse(chunk, lang)
        translated: list[tuple[str, float]] = []
        for term in terms:
            row = None if term.isdigit() else known.translations(term)
            if row is None:
                kept = analyse(chunk if len(terms) == 1 else term, target)
                translated += [(name, 1.0) for name in kept]
            else:
                translated += row
        return translated
