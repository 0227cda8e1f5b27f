"""Translation word by word through a translation table: a floor for what models do better."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xret.errors import TranslationError
from xret.retriever.lexical.analysis import analyse, query_stop_terms
from xret.retriever.translation.table import Translations, TranslationTable

__all__ = ["WordByWord"]

Rows = Callable[[str], Translations | None]


class WordByWord:
    """Each term by the likeliest other; unknown ones stay. Words that only ask have none.

    What comes out are terms, such as stems, which is what a search by words needs.
    """

    def __init__(self, table: TranslationTable) -> None:
        self._table = table
        self.name = f"{table.path.parent.name}, word by word"
        self.fingerprint = f"words-{table.fingerprint}"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Raises TranslationError unless one of both is the table's target, and the other in it."""
        rows = self._rows(source, target)
        silent = query_stop_terms(source.partition("-")[0])
        return [" ".join(self._words(text, source, rows, silent)) or text for text in texts]

    def _rows(self, source: str, target: str) -> Rows:
        pivot = self._table.target
        if target.partition("-")[0] == pivot and (known := self._table.language(source)):
            return known.translations
        if source.partition("-")[0] == pivot and (known := self._table.language(target)):
            return known.backwards.get
        raise TranslationError(
            f"{self.name} does not translate from {source} to {target}; it has {pivot} with "
            f"{', '.join(self._table.languages)}"
        )

    def _words(self, text: str, source: str, rows: Rows, silent: frozenset[str]) -> list[str]:
        words = []
        for chunk in text.split():
            terms = analyse(chunk, source)
            for term in terms:
                row = rows(term)
                if row:
                    words.append(row[0][0])
                elif row is None and term not in silent:
                    words.append(chunk if len(terms) == 1 else term)
        return words
