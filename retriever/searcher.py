"""A question in, ranked documents out: the encoder and the index joined."""

from __future__ import annotations

import dataclasses
import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xret.config import find_index
from xret.errors import QueryError
from xret.index.reader import Found, IndexReader
from xret.index.stored import StoredRoute
from xret.index.writer import check_encoder
from xret.retriever.build import OPTIONS_SETTING, IndexBuild
from xret.retriever.encoder import Encoder, EncoderOptions, load_encoder
from xret.retriever.identify import identify_language, load_identifier
from xret.retriever.languages import direction, language_code
from xret.types import UNDETERMINED, Document, Hit, LangSource, Query

__all__ = ["QueryInfo", "SearchAnswer", "SearchHit", "Searcher", "Snippet", "Timings", "open"]

MAX_QUERY_CHARACTERS = 8_192
MAX_K = 10_000
SNIPPET_CHARACTERS = 240


@dataclass(frozen=True, slots=True)
class Snippet:
    """Plain text of a document; spans are [start, end, weight] in code points, half open."""

    text: str
    spans: list[tuple[int, int, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result. `lang_source` says how the language is known; higher scores are better.

    adapter: "Galician through the Portuguese adapter", empty where a text's language has its
    own adapter or the encoder has none.
    """

    id: str
    rank: int
    score: float
    lang: str
    lang_source: LangSource
    lang_confidence: float
    dir: str
    title: str
    url: str | None
    snippets: list[Snippet]
    fields: dict[str, Any]
    adapter: str = ""

    @property
    def doc_id(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class QueryInfo:
    text: str
    lang: str
    lang_source: LangSource
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Timings:
    encode_ms: float
    search_ms: float
    fetch_ms: float


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What the HTTP endpoint sends and `xret search --json` prints."""

    request_id: str
    index: str
    index_version: int
    model: str
    query: QueryInfo
    took_ms: float
    timings: Timings
    hits: list[SearchHit]
    warnings: list[str]


class Searcher:
    """An open index with the encoder that built it."""

    def __init__(self, name: str, reader: IndexReader, encoder: Encoder) -> None:
        self.name = name
        self.reader = reader
        self.encoder = encoder

    @classmethod
    def open(
        cls, index: str | Path, *, encoder: str | None = None, options: EncoderOptions | None = None
    ) -> Searcher:  # fmt: skip
        """Open an index by name or path, with its own encoder or the one named.

        options: how to run the encoder; what shapes vectors is taken from the index, except
        for a language policy that is named. Raises IndexNotFoundError, DamagedIndexError,
        UnknownModelError, ModelError, and EncoderMismatchError where the encoder's content
        is not what built the index.
        """
        folder = find_index(index)
        reader = IndexReader.open(folder)
        try:
            settings = reader.settings
            wanted = _options(settings, options)
            loaded = load_encoder(encoder or settings["encoder"], options=wanted)
            check_encoder(settings, loaded.spec, folder)
            if loaded.spec.language_adapters:
                load_identifier()
        except BaseException:
            reader.close()
            raise
        return cls(folder.name, reader, loaded)

    def close(self) -> None:
        self.reader.close()

    def search(
        self,
        text: str,
        *,
        lang: str | None = None,
        k: int = 10,
        doc_langs: Sequence[str] | None = None,
    ) -> list[SearchHit]:
        """The k best documents, best first; `answer` has the timings as well."""
        return self.answer(text, lang=lang, k=k, doc_langs=doc_langs).hits

    def answer(
        self,
        text: str,
        *,
        lang: str | None = None,
        k: int = 10,
        offset: int = 0,
        doc_langs: Sequence[str] | None = None,
        identify: bool = True,
    ) -> SearchAnswer:
        """Search and say how it went.

        lang: the query's language, identified when None (unless `identify` is off and the
        encoder does not route by language). doc_langs: only documents in these languages.
        offset: how many of the best to leave out. Raises QueryError and LanguageError.
        """
        start = time.perf_counter()
        _check_k(k, offset)
        langs = None if doc_langs is None else [language_code(code) for code in doc_langs]
        query = self._query(text, lang, identify or self.encoder.spec.language_adapters)
        embeddings = self.encoder.encode_queries([query])
        encoded = time.perf_counter()
        found = self.reader.find(embeddings, k, langs=langs, offset=offset)
        fetched = time.perf_counter()
        searched = fetched - found.fetch_s
        return SearchAnswer(
            request_id=uuid.uuid4().hex,
            index=self.name,
            index_version=found.version,
            model=self.encoder.spec.name,
            query=QueryInfo(query.text, query.lang, query.lang_source, self._through(query.lang)),
            took_ms=_ms(start, fetched),
            timings=Timings(_ms(start, encoded), _ms(encoded, searched), _ms(searched, fetched)),
            hits=self._hits(found, offset),
            warnings=[],
        )

    def rank(
        self, queries: Sequence[Query], k: int, *, langs: Sequence[str] | None = None
    ) -> list[list[Hit]]:
        """Bare rankings of many queries at once, for evaluation."""
        for query in queries:
            _check_text(query.text)
        return self.reader.search(self.encoder.encode_queries(queries), k, langs=langs)

    def add(self, documents: Sequence[Document]) -> int:
        """Add documents, committed when this returns; returns how many were new."""
        build = IndexBuild(documents, self.reader.folder, self.encoder)
        for _ in build.run():
            pass
        return build.summary.added

    def _query(self, text: str, lang: str | None, identify: bool) -> Query:
        _check_text(text)
        if lang is not None:
            return Query("", text, language_code(lang), "given")
        found = identify_language(text)[0] if identify else UNDETERMINED
        return Query("", text, found, "unknown" if found == UNDETERMINED else "identified")

    def _through(self, lang: str) -> str:
        route = self.encoder.route(lang) if self.encoder.spec.language_adapters else None
        return "" if route is None else route.describe()

    def _hits(self, found: Found, offset: int) -> list[SearchHit]:
        routes = found.routes if self.encoder.spec.language_adapters else {}
        hits = []
        for rank, hit in enumerate(found.rankings[0], offset + 1):
            document = found.documents[hit.doc_id]
            adapter = _described(routes.get(document.lang))
            hits.append(_hit(document, rank, hit.score, adapter=adapter))
        return hits


def open(
    index: str | Path, *, encoder: str | None = None, options: EncoderOptions | None = None
) -> Searcher:  # fmt: skip
    """Open an index by name or path; see `Searcher.open`."""
    return Searcher.open(index, encoder=encoder, options=options)


def _options(settings: Mapping[str, str], given: EncoderOptions | None) -> EncoderOptions:
    """The options that the index was built with; how to run and a named policy are the user's."""
    recorded = json.loads(settings.get(OPTIONS_SETTING, "{}"))
    wanted = (given or EncoderOptions()).with_recorded(recorded)
    if given is not None and given.lang_policy != EncoderOptions().lang_policy:
        wanted = dataclasses.replace(wanted, lang_policy=given.lang_policy)
    return wanted


def _described(stored: StoredRoute | None) -> str:
    """The route that a document took when it was indexed, for people."""
    if stored is None or stored.how == "own":
        return ""
    from xret.retriever.router import Route

    how: Any = stored.how
    return Route(stored.lang, stored.adapter, how, stored.reason).describe()


def _hit(document: Document, rank: int, score: float, *, adapter: str) -> SearchHit:
    return SearchHit(
        id=document.doc_id,
        rank=rank,
        score=round(score, 6),
        lang=document.lang,
        lang_source=document.lang_source,
        lang_confidence=document.lang_confidence,
        dir=direction(document.lang),
        title=document.title,
        url=document.url,
        snippets=[Snippet(_opening(document.text))],
        fields={**document.meta, **({"date": document.date} if document.date else {})},
        adapter=adapter,
    )


def _opening(text: str) -> str:
    """The beginning of a text, cut at a space where there is one near."""
    flat = re.sub(r"\s+", " ", text).strip()
    if len(flat) <= SNIPPET_CHARACTERS:
        return flat
    cut = flat.rfind(" ", SNIPPET_CHARACTERS * 3 // 4, SNIPPET_CHARACTERS)
    return flat[: cut if cut > 0 else SNIPPET_CHARACTERS] + "…"


def _check_text(text: str) -> None:
    if len(text) > MAX_QUERY_CHARACTERS:
        raise QueryError(
            f"the query has {len(text):,} characters; at most {MAX_QUERY_CHARACTERS:,} are taken"
        )
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise QueryError("the query is empty; write a few words of what you are looking for")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise QueryError("the query holds a lone surrogate and is not valid Unicode text")


def _check_k(k: int, offset: int) -> None:
    if k < 1 or offset < 0 or k + offset > MAX_K:
        raise QueryError(
            f"asked for {k} hits from position {offset}; k is at least 1, and the last hit "
            f"asked for at most {MAX_K:,}"
        )


def _ms(start: float, end: float) -> float:
    return round((end - start) * 1000, 3)
