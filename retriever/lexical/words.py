"""Searching by words: the terms of a query, and how their hits join the dense ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xret.errors import QueryError, UnusableIndexError
from xret.index.search.lexical_ranking import Words
from xret.index.words.expected import analysis_part, translated_by
from xret.retriever.fusion import fuse_within
from xret.retriever.languages.codes import language_name
from xret.retriever.lexical.analysis import analyse, analyse_query, analysis_version
from xret.types import Document, Mode, Query

__all__ = ["MODES", "WORDS_SETTING", "check_mode", "document_terms", "query_terms", "query_words"]

MODES: tuple[Mode, ...] = ("dense", "lexical", "hybrid")

WORDS_SETTING = "lexical"
"""Name of the catalog's setting with the version of the analysis of its terms, or nothing."""

_FAMILIES = [("zh", "yue"), ("no", "nb", "nn"), ("sr", "hr", "bs", "sh"), ("id", "ms")]
_SCRIPTS = ("Latn", "Cyrl", "Arab", "Hant", "Hans", "Deva")


def document_terms(document: Document) -> list[str]:
    """What a document is found by: the terms of its title and text."""
    return analyse(f"{document.title} {document.text}", document.lang)


def query_words(queries: Sequence[Query], mode: Mode, settings: Mapping[str, str]) -> Words | None:
    """What an index of these settings is asked beside the vectors; None where it is asked for
    these alone. Raises as `query_terms`."""
    if mode == "dense":
        return None
    terms = [query_terms(query, settings) for query in queries]
    if mode == "lexical":
        return Words(terms)
    if translated_by(settings.get(WORDS_SETTING, "")) is not None:
        return Words(terms, fuse_within, [()] * len(queries))
    return Words(terms, fuse_within, [langs_sharing_words(query.lang) for query in queries])


def query_terms(query: Query, settings: Mapping[str, str]) -> list[str]:
    """The terms of a query, in the language of the index's words where these are translated.

    Raises QueryError for a question that is said to be in another language than those.
    """
    translated = translated_by(settings.get(WORDS_SETTING, ""))
    if translated is None:
        return analyse_query(query.text, query.lang)
    target = translated[0]
    if query.lang_source == "given" and query.lang.partition("-")[0] != target:
        name = language_name(target)
        raise QueryError(
            f"the documents' words in this index are translated to {name}, and the question is "
            f"in {language_name(query.lang)}; ask in {name}, or search with --mode dense"
        )
    return analyse_query(query.text, target)


def langs_sharing_words(lang: str) -> tuple[str, ...]:
    """Codes of documents that share the words of a language, in any of its scripts.

    >>> langs_sharing_words("nb")[:3]
    ('no', 'nb', 'nn')
    """
    base = lang.partition("-")[0]
    family = next((family for family in _FAMILIES if base in family), (base,))
    return (*family, *(f"{one}-{script}" for one in family for script in _SCRIPTS))


def check_mode(mode: Mode, settings: Mapping[str, str], where: object) -> None:
    """Raises QueryError for a mode that does not exist or needs words that the index does not
    have, UnusableIndexError where another version of the analysis made them."""
    if mode not in MODES:
        raise QueryError(f"no search mode is called {mode!r}; use {', '.join(MODES)}")
    if mode == "dense":
        return
    found = settings.get(WORDS_SETTING, "")
    if not found:
        raise QueryError(
            f"{where} was built without words; search it with --mode dense, or build it again"
        )
    if analysis_part(found) != analysis_version():
        raise UnusableIndexError(
            f"the words of {where} were made by text analysis {analysis_part(found)}, and this is "
            f"{analysis_version()}; search it with --mode dense, or build it again"
        )
