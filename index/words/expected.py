"""Frequencies that are expectations: of words that stand in a document with some probability.

An index says in its setting `lexical` whether its frequencies count whole words or parts of them:
`1+snowball-3.0.1+psq-en-<table>` are parts, of documents whose words a translation table turned
into English ones.
"""

from __future__ import annotations

__all__ = ["UNIT", "analysis_part", "counted_parts", "translated_by", "translated_words"]

UNIT = 16
"""Parts of a word that a frequency counts where words are expected."""

_MARK = "+psq-"


def translated_words(analysis: str, target: str, table: str) -> str:
    """The setting of an index whose words a table of that fingerprint translated.

    >>> translated_words("1+snowball-3", "en", "c0ffee")
    '1+snowball-3+psq-en-c0ffee'
    """
    return f"{analysis}{_MARK}{target}-{table}"


def analysis_part(setting: str) -> str:
    """The version of the text analysis in a setting.

    >>> analysis_part("1+snowball-3+psq-en-c0ffee")
    '1+snowball-3'
    """
    return setting.partition(_MARK)[0]


def translated_by(setting: str) -> tuple[str, str] | None:
    """Target language and fingerprint of the table, None where words are the documents' own.

    >>> translated_by("1+snowball-3+psq-en-c0ffee")
    ('en', 'c0ffee')
    """
    _, mark, words = setting.partition(_MARK)
    target, _, table = words.partition("-")
    return (target, table) if mark else None


def counted_parts(setting: str) -> int:
    """Into how many parts an index's frequencies divide a word; 1 where they count words.

    >>> counted_parts("1+snowball-3"), counted_parts("1+snowball-3+psq-en-c0ffee")
    (1, 16)
    """
    return UNIT if _MARK in setting else 1
