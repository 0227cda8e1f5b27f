"""What an index's words are asked, and how what they find joins what the vectors find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from xret.errors import ModelError, UnusableIndexError
from xret.index.search.lexical_ranking import Words
from xret.index.words.bm25 import QueryTerms
from xret.index.words.expected import translated_by
from xret.retriever.fusion import Fusion, fuse_within
from xret.retriever.lexical.analysis import analyse_query
from xret.retriever.lexical.words import WORDS_SETTING, langs_sharing_words
from xret.retriever.translation.indexed import TABLE_SETTING, same_table
from xret.retriever.translation.named import SHIPPED_TABLE
from xret.retriever.translation.psq import expected_query
from xret.retriever.translation.table import TranslationTable
from xret.types import UNDETERMINED, Mode, Query

__all__ = ["are_translated", "query_terms", "query_words"]


@dataclass(frozen=True, slots=True)
class _Table:
    """The table of an index's words: its name, its target language, and its content's hash."""

    name: str
    target: str
    fingerprint: str

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> _Table | None:
        """None where an index of these settings has its words as they are."""
        translated = translated_by(settings.get(WORDS_SETTING, ""))
        return translated and cls(settings.get(TABLE_SETTING, SHIPPED_TABLE), *translated)


def are_translated(settings: Mapping[str, str]) -> bool:
    """Whether an index of these settings has its words in one language, by a table."""
    return _Table.of(settings) is not None


def query_words(
    queries: Sequence[Query],
    mode: Mode,
    settings: Mapping[str, str],
    *,
    share: float,
    unsure: Sequence[str] = (),
) -> Words | None:
    """What an index of these settings is asked beside the vectors; None where it is asked for
    these alone.

    share: of translated words in a list that they and the vectors make, in [0, 1]; the rest is
    the vectors'. Both count by how far a score is above the mean of its list, in deviations.
    unsure: languages that the queries may be in besides their own. Raises as `query_terms`.
    """
    if mode == "dense":
        return None
    terms = [query_terms(query, settings, unsure) for query in queries]
    table = _Table.of(settings)
    if mode == "lexical":
        return Words(terms, calibrated=table is not None)
    if table is None:
        own = [_sharing_words([query.lang, *unsure]) for query in queries]
        return Words(terms, fuse_within, own)
    fusion = Fusion("z-score", weights=(1 - share, share))
    langs = [_spoken_for(query, table) for query in queries]
    return Words(terms, partial(fuse_within, fusion=fusion), langs, calibrated=True)


def query_terms(
    query: Query, settings: Mapping[str, str], unsure: Sequence[str] = ()
) -> QueryTerms:
    """The terms of a query, in the language of the index's words where these are translated.

    unsure: languages that it may be in besides its own: a term counts as much as in the language
    that asks for it most.

    Raises UnusableIndexError where a question must be translated by a table that is not there
    any more, or is another.
    """
    if unsure:
        merged: dict[str, float] = {}
        for lang in dict.fromkeys([query.lang, *unsure]):
            terms = query_terms(replace(query, lang=lang), settings)
            counts = terms if isinstance(terms, Mapping) else Counter(terms)
            for term, n in counts.items():
                merged[term] = max(n, merged.get(term, 0.0))
        return merged
    table = _Table.of(settings)
    if table is None:
        return analyse_query(query.text, query.lang)
    if query.lang.partition("-")[0] in (table.target, UNDETERMINED):
        return analyse_query(query.text, table.target)
    try:
        return expected_query(query.text, query.lang, _opened(table))
    except ModelError as error:
        raise UnusableIndexError(f"the question cannot be translated: {error}") from error


def _sharing_words(langs: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for lang in langs for code in langs_sharing_words(lang)))


def _spoken_for(query: Query, table: _Table) -> tuple[str, ...]:
    """Languages whose documents the words can find; those of others keep the vectors' places.
    None, for any, where the table that would say it is not there any more."""
    try:
        return _covered(table, query.lang.partition("-")[0])
    except UnusableIndexError:
        return ()


@lru_cache(maxsize=256)
def _covered(table: _Table, lang: str) -> tuple[str, ...]:
    bases = (*_opened(table).languages, table.target, lang)
    return _sharing_words(bases)


@lru_cache(maxsize=8)
def _opened(table: _Table) -> TranslationTable:
    """Raises UnusableIndexError where it is not there any more, or is another."""
    return same_table(table.name, table.fingerprint, "the index")
