"""What is known of a collection before it is read, and the parts that it is read in."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from xret.errors import CorpusError, LanguageError
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import BadRecord, Record
from xret.retriever.languages.codes import language_code
from xret.types import Document, Progress, Query

__all__ = [
    "ANSWERED",
    "Choice",
    "Collection",
    "Corpus",
    "FetchedFile",
    "Part",
    "Source",
    "chosen_langs",
    "paired_parts",
]

ALL = "all"

ANSWERED = " answered"
"""Stands in the judgements of a query that has answers, and no document judged: an id that no
document has."""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file of a collection in the cache. `checksum` is `algorithm:hex`, verified."""

    path: Path
    source: str
    bytes: int
    checksum: str


class Source(Protocol):
    """Files that a part is read from; what lies in the cache costs no request.

    `watch` brings them there and reports on it, `fetch` does too and checks all of them.
    """

    def watch(self) -> Iterator[Progress]: ...

    def fetch(self) -> Sequence[FetchedFile]: ...


class Corpus(Protocol):
    """What is indexed and evaluated: documents, queries and judgements under one name.

    `name` is that of its own index, None where the corpus is a path. `licence` is shown before
    it is used, "" where nobody said one. `notes` says, once the queries were read, what was left
    out of them and why.
    """

    name: str | None
    licence: str

    def documents(
        self, *, on_reject: Callable[[BadRecord], None], lang: str | None = None
    ) -> Iterator[Document]: ...

    def count_records(self) -> int | None: ...

    def queries(self) -> list[Query]: ...

    def qrels(self) -> Qrels: ...

    def notes(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """The languages and the split of a collection to open, in the collection's own codes."""

    doc_langs: tuple[str, ...]
    query_langs: tuple[str, ...]
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One document set with the queries and judgements over it.

    `documents` yields records in one of the known shapes; `doc_lang` is for those that name
    no language. `queries` may hold topics nobody judged: they are dropped, and said. `name` is
    put before ids where they are unique only within the part (`Collection.own_ids`);
    `answers` by query id, where texts that hold one are what is looked for, and nothing is judged.
    `query_suffix` comes after those of queries, where one topic is asked in several languages.
    """

    name: str
    doc_lang: str
    sources: tuple[Source, ...]
    documents: Callable[[], Iterator[Record | BadRecord]]
    queries: Callable[[Callable[[BadRecord], None]], Iterable[Query]] = lambda _: ()
    qrels: Callable[[], Qrels] = dict
    answers: Callable[[], Mapping[str, Sequence[str]]] = dict
    query_suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A test collection: where its parts come from and how they are to be read.

    doc_langs, query_langs: in the collection's own spelling; no query language means that the
    queries are in the language of their documents. documents: how many by language.
    default_doc_langs, default_query_langs: opened where the user names none; () asks for one.
    revision: the commit that is read, None where it is pinned on first use and recorded.
    size: what is downloaded, as published; "" where nobody says.
    own_ids: which ids ("documents", "queries") are unique only within one part.
    """

    name: str
    title: str
    doc_langs: tuple[str, ...]
    query_langs: tuple[str, ...] = ()
    default_doc_langs: tuple[str, ...] = ()
    default_query_langs: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("test",)
    documents: Mapping[str, int] = field(default_factory=dict)
    licence: str
    source: str
    revision: str | None = None
    checksums: str = ""
    size: str = ""
    citation: str = ""
    template: str = "title and text"
    query_template: str = "text"
    grades: str = "0 not relevant, 1 relevant"
    judged: str = "every query has judgements"
    how: str = ""
    own_ids: frozenset[str] = frozenset()
    parts: Callable[[Choice], Sequence[Part]] | None = None
    folder: Path | None = None

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of its documents in BCP 47."""
        return tuple(dict.fromkeys(language_code(lang) for lang in self.doc_langs))

    def count(self, doc_langs: Sequence[str] = ()) -> int | None:
        """How many documents those languages have, all of them by default; None if unknown."""
        langs = doc_langs or self.doc_langs
        if any(lang not in self.documents for lang in langs):
            return None
        return sum(self.documents[lang] for lang in langs)

    def choose(
        self, doc_langs: Sequence[str], query_langs: Sequence[str], *, split: str | None = None
    ) -> Choice:
        """A user's choice in the collection's codes.

        Where the queries are in the language of their documents, theirs chooses the documents.
        Raises CorpusError for a language or split that it has not, and where one must be named.
        """
        asked = query_langs or self.default_query_langs
        queries = self._query_langs(asked)
        doc_langs = doc_langs or self.default_doc_langs or (() if self.query_langs else asked)
        docs = chosen_langs(doc_langs, self.doc_langs, of=self.name)
        if not docs:
            raise CorpusError(
                f"{self.name} has documents in {len(self.doc_langs)} languages; choose with "
                f"{'--doc-lang' if self.query_langs else '--lang'}: "
                f"{_listed(self.doc_langs)} (or {ALL})"
            )
        if split is not None and split not in self.splits:
            raise CorpusError(
                f"{self.name} has no split called {split!r}; it has {', '.join(self.splits)}"
            )
        return Choice(docs, queries, split or self.splits[0])

    def _query_langs(self, asked: Sequence[str]) -> tuple[str, ...]:
        try:
            return chosen_langs(asked, self.query_langs or self.doc_langs, of=self.name)
        except CorpusError:
            chosen_langs(asked, (*self.query_langs, *self.doc_langs), of=self.name)
            raise CorpusError(
                f"{self.name} has documents in {', '.join(asked)} and no queries; its queries are "
                f"in: {_listed(self.query_langs)}. Choose documents with --doc-lang"
            ) from None


def paired_parts(choice: Choice, part: Callable[[str, str, str], Part]) -> list[Part]:
    """A part for each document language asked in each query language.

    part: makes one of a document language, a query language and the suffix of the queries' ids,
    which names their language where the same topics are asked in several.
    """
    several = len(choice.query_langs) > 1
    return [
        part(doc, query, f":{query}" if several else "")
        for doc in choice.doc_langs
        for query in choice.query_langs
    ]


def chosen_langs(given: Sequence[str], known: Sequence[str], *, of: str) -> tuple[str, ...]:
    """Languages as a collection spells them, in its order, for whatever a user wrote.

    A collection's own code means that code alone (`arz_Arab`); any other spelling means
    whatever is the same language (`zh` is `zho`, `en` is `eng_Latn`); `all` means all.
    Raises CorpusError with the nearest codes for a language that the collection has not.

    >>> chosen_langs(["zh", "fas"], ("fas", "rus", "zho"), of="hc4")
    ('fas', 'zho')
    """
    wanted: set[str] = set()
    for spelling in given:
        if spelling == ALL:
            return tuple(known)
        same = {spelling} if spelling in known else _same_language(spelling, known)
        if not same:
            close = difflib.get_close_matches(spelling, known, n=3, cutoff=0.5)
            nearest = f" Did you mean {', '.join(close)}?" if close else ""
            raise CorpusError(f"{of} has no {spelling!r}. It has: {_listed(known)}.{nearest}")
        wanted |= same
    return tuple(code for code in known if code in wanted)


def _listed(codes: Sequence[str]) -> str:
    """Languages as `xret corpus list` names them; the collection's own codes are taken too."""
    return " ".join(dict.fromkeys(map(language_code, codes)))


def _same_language(spelling: str, known: Sequence[str]) -> set[str]:
    try:
        asked = language_code(spelling)
    except LanguageError:
        return set()
    return {code for code in known if language_code(code) == asked}
