"""What is asked, made ready: a question with its language, its documents, and what is not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from xret.index.search.filters import Condition, Filter, Logic, parse_filter
from xret.retriever.answer_warnings import unread_warnings
from xret.retriever.encoder import Encoder
from xret.retriever.encoders.unread_letters import UnreadLetters
from xret.retriever.languages.codes import language_code
from xret.retriever.languages.identification import identify_language
from xret.types import UNDETERMINED, Mode, Query, check_text

__all__ = ["question_in", "question_warnings", "unread_of", "wanted_documents"]


def question_in(text: str, lang: str | None, *, identify: bool) -> Query:
    """The question in the language that is given, else in the one that is identified.

    Raises QueryError for a text that cannot be asked, LanguageError for a language that is none.
    """
    check_text(text)
    if lang is not None:
        return Query("", text, language_code(lang), "given")
    identified = identify_language(text)[0] if identify else UNDETERMINED
    return Query("", text, identified, "unknown" if identified == UNDETERMINED else "identified")


def wanted_documents(
    langs: Sequence[str] | None, given: str | Mapping[str, Any] | None
) -> Filter | None:
    """The languages and the filter asked for, as one filter."""
    parts: list[Filter] = []
    if langs is not None:
        parts.append(Condition("lang", "in", tuple(language_code(code) for code in langs)))
    if given is not None:
        parts.append(parse_filter(given, language=language_code))
    return Logic("AND", tuple(parts)) if len(parts) > 1 else parts[0] if parts else None


def unread_of(encoder: Encoder, query: Query) -> UnreadLetters | None:
    """What the encoder cannot write of a query; None where it does not tell."""
    tell = getattr(encoder, "unread_query", None)
    return None if tell is None else cast("UnreadLetters", tell(query))


def question_warnings(
    encoder: Encoder, query: Query, unread: UnreadLetters | None, mode: Mode
) -> list[str]:
    """That letters of the query are not read, and that its end is not. mode: how it is answered."""
    warnings: list[str] = []
    if unread is not None and unread.mostly:
        warnings += unread_warnings(unread, mode)
    cuts = getattr(encoder, "cuts_query", None)
    if cuts is not None and not (unread is not None and unread.wholly) and cuts(query):
        warnings.append("the query is longer than the encoder reads; its end was left out")
    return warnings
