"""The translation table of an index: recorded when it is built, found again to add to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xret.errors import ConfigError, ModelError, UnusableIndexError
from xret.index.storage.catalog import Catalog
from xret.index.words.expected import translated_by, translated_words
from xret.retriever.lexical.analysis import analysis_version
from xret.retriever.lexical.words import WORDS_SETTING
from xret.retriever.translation.named import SHIPPED_TABLE, open_table
from xret.retriever.translation.psq import ExpectedTerms
from xret.retriever.translation.table import TranslationTable

__all__ = ["TABLE_SETTING", "index_terms", "record_table", "same_table", "words_version"]

TABLE_SETTING = "translation_table"
"""Name of the catalog's setting with the name or the path of the table."""


def words_version(table: str | None) -> str:
    """What a new index records of its words: of the text analysis, and of a table by which they
    are translated. Raises ModelError for a table that cannot be used."""
    if table is None:
        return analysis_version()
    opened = open_table(table)
    return translated_words(analysis_version(), opened.target, opened.fingerprint)


def record_table(catalog: Catalog, version: str, table: str) -> None:
    """Write down where the table of a new index is.

    Raises ConfigError where the index is there and has other words.
    """
    words = catalog.settings().get(WORDS_SETTING, "")
    if words != version:
        known = "translated by another table" if translated_by(words) else "not translated"
        raise ConfigError(
            f"the index is there, and its words are {known}; leave --psq away to add to it, or "
            "build a new one in another folder"
        )
    place = table if table == SHIPPED_TABLE else str(Path(table).resolve())
    with catalog.transaction():
        catalog.record_setting(TABLE_SETTING, place, replace=True)


def index_terms(settings: Mapping[str, str], where: Path) -> ExpectedTerms | None:
    """What makes the terms of documents added to an index; None where they are their own.

    Raises UnusableIndexError where the table is not there any more, or is another.
    """
    translated = translated_by(settings.get(WORDS_SETTING, ""))
    if translated is None:
        return None
    name = settings.get(TABLE_SETTING, SHIPPED_TABLE)
    return ExpectedTerms(same_table(name, translated[1], where))


def same_table(name: str, fingerprint: str, where: object) -> TranslationTable:
    """The table of that name, whose content is what made the words of an index.

    Raises UnusableIndexError where it is not there any more, or is another.
    """
    try:
        table = open_table(name)
    except ModelError as error:
        raise UnusableIndexError(f"the words of {where} cannot be translated: {error}") from error
    if table.fingerprint != fingerprint:
        raise UnusableIndexError(
            f"the words of {where} were translated by a table with the fingerprint "
            f"{fingerprint}, and {name} has {table.fingerprint}; put the former one back, or "
            "build a new index"
        )
    return table
