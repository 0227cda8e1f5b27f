"""What is asked, made ready: a question with its language, its documents, and what is not read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from xret.index.search.filters import Condition, Filter, Logic, parse_filter
from xret.retriever.answer_warnings import unread_warnings
from xret.retriever.encoder import Encoder
from xret.retriever.encoders.unread_letters import UnreadLetters
from xret.retriever.languages.codes import language_code, language_name
from xret.retriever.languages.identification import (
    identify_language,
    in_script,
    main_script,
)
from xret.retriever.scripts.reading import Reading, read_romanised
from xret.retriever.scripts.tables import READ_LANGUAGES
from xret.types import UNDETERMINED, LangSource, Mode, Query, check_text

__all__ = [
    "AskedQuestion",
    "asked_question",
    "question_warnings",
    "read_query",
    "unread_of",
    "wanted_documents",
]


PLAIN = 0.5
"""The confidence from which a question's language is taken as told."""
MOST_LANGUAGES = 32
"""Languages that the words of one question are read in, at most."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """query: as it is searched for. reading: of a romanised one, whose text the query has then.
    confidence: that it is in its language."""

    query: Query
    reading: Reading | None = None
    confidence: float = 1.0

    def word_langs(self, index_langs: Iterable[str]) -> tuple[str, ...]:
        """The languages, of an index's, that its words are read in besides its own: where it is
        not plain which that is, as of most questions of one word, those written in its script."""
        if self.confidence >= PLAIN:
            return ()
        langs = in_script(index_langs, main_script(self.query.text))
        return tuple(langs[:MOST_LANGUAGES])

    @property
    def by_words(self) -> Query:
        """The query with the other words that a romanised one may have meant."""
        if self.reading is None or not self.reading.others:
            return self.query
        text = " ".join([self.query.text, *self.reading.others])
        return dataclasses.replace(self.query, text=text)

    @property
    def read_as(self) -> str:
        """What a romanised question was read as, empty for others."""
        return "" if self.reading is None else self.reading.text

    def warnings(self) -> list[str]:
        """That the question was read in other letters, where it was."""
        if self.reading is None:
            return []
        lang = language_name(self.reading.lang)
        return [
            f"the question was read as {lang}: {self.reading.text} "
            "(--as-written searches for the letters as they stand)"
        ]


def asked_question(
    text: str, lang: str | None, *, identify: bool, as_written: bool = False
) -> AskedQuestion:
    """The question in the language that is given, else in the one that is identified, and in
    its language's letters where it is a romanised one.

    identify: whether a language is looked for where none is given. as_written: letters stay as
    they are. Raises QueryError for a text that cannot be asked, LanguageError for a language that
    is none.
    """
    check_text(text)
    code = None if lang is None else language_code(lang)
    if not as_written and (identify if code is None else is_read(code)):
        reading = read_romanised(text, code)
        if reading is not None:
            how: LangSource = "given" if code is not None else "identified"
            return AskedQuestion(Query("", reading.text, reading.lang, how), reading)
    if code is not None:
        return AskedQuestion(Query("", text, code, "given"))
    if not identify:
        return AskedQuestion(Query("", text, UNDETERMINED, "unknown"))
    identified, confidence = identify_language(text)
    how = "unknown" if identified == UNDETERMINED else "identified"
    return AskedQuestion(Query("", text, identified, how), confidence=confidence)


def read_query(query: Query) -> AskedQuestion:
    """A query that comes with its language or without, in its language's letters."""
    if query.lang != UNDETERMINED and not is_read(query.lang):
        return AskedQuestion(query)
    reading = read_romanised(query.text, None if query.lang == UNDETERMINED else query.lang)
    if reading is None:
        return AskedQuestion(query)
    read = dataclasses.replace(query, text=reading.text, lang=reading.lang)
    return AskedQuestion(read, reading)


def is_read(lang: str) -> bool:
    """Whether romanised questions in a language are read."""
    return lang.partition("-")[0] in READ_LANGUAGES


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
