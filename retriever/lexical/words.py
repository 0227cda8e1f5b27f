"""Searching by words: the terms of documents, and which languages share them."""

from __future__ import annotations

from collections.abc import Mapping

from xret.errors import QueryError, UnusableIndexError
from xret.index.words.expected import analysis_part
from xret.retriever.lexical.analysis import analyse, analysis_version
from xret.types import Document, Mode

__all__ = ["MODES", "WORDS_SETTING", "check_mode", "document_terms", "langs_sharing_words"]

MODES: tuple[Mode, ...] = ("dense", "lexical", "hybrid")

WORDS_SETTING = "lexical"
"""Name of the catalog's setting with the version of the analysis of its terms, or nothing."""

_FAMILIES = [("zh", "yue"), ("no", "nb", "nn"), ("sr", "hr", "bs", "sh"), ("id", "ms")]
_SCRIPTS = ("Latn", "Cyrl", "Arab", "Hant", "Hans", "Deva")


def document_terms(document: Document) -> list[str]:
    """What a document is found by: the terms of its title and text."""
    return analyse(f"{document.title} {document.text}", document.lang)


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
