"""A question in, ranked documents out: the encoder and the index joined."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from xret.config import find_index
from xret.errors import EncoderMismatchError, LanguageError, ModelError, QueryError, XretError
from xret.index.search.commit import Found
from xret.index.search.filters import Condition, Filter, Logic, parse_filter
from xret.index.search.reader import IndexReader
from xret.index.storage.encoder_record import (
    FINGERPRINT,
    NAME,
    recorded_adapters,
)
from xret.index.storage.stored import StoredRoute
from xret.retriever.answer import QueryInfo, SearchAnswer, SearchHit, Snippet, Timings, search_hit
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.encoders.unread_letters import UnreadLetters
from xret.retriever.indexing import OPTIONS_SETTING
from xret.retriever.languages.codes import language_code, language_name
from xret.retriever.languages.identification import identify_language, load_identifier
from xret.retriever.lexical.analysis import analysis_version
from xret.retriever.lexical.words import WORDS_SETTING, check_mode, query_words
from xret.retriever.models.location import encoder_name
from xret.retriever.opening.editions import check_edition
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.opening.later import LaterEncoder
from xret.retriever.writer import DocumentWriter
from xret.types import (
    UNDETERMINED,
    Document,
    EncoderSpec,
    Hit,
    Mode,
    Query,
    SearchParams,
    SearchRequest,
)

__all__ = [
    "QueryInfo",
    "SearchAnswer",
    "SearchHit",
    "Searcher",
    "Snippet",
    "Timings",
    "open",
]

MAX_QUERY_CHARACTERS = 8_192
MAX_K = 10_000


class Searcher:
    """An open index with the encoder that built it."""

    def __init__(self, name: str, reader: IndexReader, encoder: Encoder) -> None:
        self.name = name
        self.reader = reader
        self.encoder = encoder
        self._recorded = recorded_adapters(reader.settings)
        self._told: set[str] = set()

    @classmethod
    def open(
        cls,
        index: str | Path,
        *,
        encoder: str | None = None,
        mode: Mode | None = None,
        options: EncoderOptions | None = None,
        **named: Any,
    ) -> Searcher:
        """Open an index by name or path, with its own encoder or the one named.

        options, or the fields of EncoderOptions by name (`code_switching=True`): how to run
        the encoder; what shapes vectors is taken from the index, except for a language policy
        that is named. Where its device is a GPU, documents are scored there too.
        mode: "lexical" leaves the encoder unopened until vectors are asked for. Where the index
        has words and its own encoder cannot be used, an index that is opened without an
        encoder's name answers by words, and raises what is wrong where vectors are asked for.
        Raises IndexNotFoundError, DamagedIndexError,
        UnknownModelError, ModelError, and EncoderMismatchError where the encoder's content
        is not what built the index.
        """
        folder = find_index(index)
        if named:
            options = EncoderOptions.of(options, named)
        reader = IndexReader.open(folder, device=_scan_device(options))
        try:
            loaded = _open_encoder(reader, encoder, options, later=mode == "lexical")
        except BaseException:
            reader.close()
            raise
        return cls(folder.name, reader, loaded)

    @property
    def fault(self) -> XretError | None:
        """Why the encoder cannot be used, where only a search by words is answered."""
        return self.encoder.fault if isinstance(self.encoder, LaterEncoder) else None

    def close(self) -> None:
        self.reader.close()

    def __enter__(self) -> Searcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(
        self,
        text: str | SearchRequest,
        *,
        lang: str | None = None,
        k: int = 10,
        offset: int = 0,
        doc_langs: Sequence[str] | None = None,
        filter: str | Mapping[str, Any] | None = None,
        mode: Mode | None = None,
        exact: bool = False,
        params: SearchParams | None = None,
    ) -> list[SearchHit]:
        """The k best documents, best first; `answer` has the timings as well.

        exact: score every document, whatever the preset. The rest is as in SearchRequest, and
        one of those can be given in the place of all.
        """
        if isinstance(text, SearchRequest):
            return self.answer(text).hits
        how = params or SearchParams(exact=exact)
        return self.answer(SearchRequest(text, lang, k, offset, doc_langs, filter, mode, how)).hits

    def answer(self, request: str | SearchRequest, **named: Any) -> SearchAnswer:
        """Search and say how it went.

        request: or the question, with the other fields of a SearchRequest by their names.
        Raises QueryError and LanguageError.
        """
        if isinstance(request, str):
            named["params"] = named.get("params") or SearchParams()
            request = SearchRequest(request, **named)
        start = time.perf_counter()
        _check_k(request.k, request.offset)
        wanted = _wanted(request.doc_langs, request.filter)
        chosen = self._mode(request.mode)
        needed = self.encoder.spec.language_adapters or chosen != "dense"
        query = self._query(request.text, request.lang, request.identify or needed)
        unread = None if chosen == "lexical" else self._unread(query)
        if unread is not None and unread.wholly:
            chosen = self._by_words(unread)
        words = None if chosen == "dense" else query_words([query], chosen)
        embeddings = None if chosen == "lexical" else self.encoder.encode_queries([query])
        encoded = time.perf_counter()
        found = self.reader.answer(request, embeddings, filter=wanted, words=words)
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
            hits=self._hits(found, request.offset),
            warnings=[*self._warnings(query, unread), *self._other_routes(found)],
        )

    def rank(
        self,
        queries: Sequence[Query],
        k: int,
        *,
        doc_langs: Sequence[str] | None = None,
        params: SearchParams | None = None,
        mode: Mode | None = None,
    ) -> list[list[Hit]]:
        """Bare rankings of many queries at once, for evaluation; see `SearchRequest`."""
        for query in queries:
            _check_text(query.text)
        wanted = _wanted(doc_langs, None)
        chosen = self._mode(mode)
        embeddings = None if chosen == "lexical" else self.encoder.encode_queries(queries)
        words = query_words(queries, chosen)
        return self.reader.search(embeddings, k, params=params, filter=wanted, words=words)

    def add(self, documents: Sequence[Document]) -> int:
        """Add documents, committed when this returns; returns how many were new."""
        with self.writer() as writer:
            return writer.add(documents)

    def writer(self) -> DocumentWriter:
        """Add, replace and delete documents in one commit, made where its block ends.

        Raises IndexLockedError while another process writes.
        """
        self._need_encoder()
        return DocumentWriter.open(self.reader.folder, self.encoder)

    def _need_encoder(self) -> None:
        """Raises what is wrong with an encoder that was not opened, or could not be."""
        if isinstance(self.encoder, LaterEncoder):
            self.encoder = self.encoder.opened()

    def _mode(self, mode: Mode | None) -> Mode:
        """The mode asked for, where the index can be searched so."""
        chosen = mode or ("dense" if self.encoder.spec.dim else "lexical")
        if chosen != "dense":
            check_mode(chosen, self.reader.settings, self.name)
        if chosen != "lexical":
            self._need_encoder()
        return chosen

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
            span = found.spans[0][rank - offset - 1] or (0, len(document.text))
            adapter = _described(routes.get(document.lang))
            hits.append(search_hit(document, rank, hit.score, span=span, adapter=adapter))
        return hits

    def _unread(self, query: Query) -> UnreadLetters | None:
        """What the encoder cannot write of a query; None where nothing need be asked."""
        tell = getattr(self.encoder, "unread_query", None)
        return None if tell is None or query.text.isascii() else cast("UnreadLetters", tell(query))

    def _by_words(self, unread: UnreadLetters) -> Mode:
        """Vectors of a question of which nothing is read would say nothing."""
        if self.reader.settings.get(WORDS_SETTING) != analysis_version():
            raise QueryError(
                f"{self.encoder.spec.name} cannot read the question: its vocabulary does not write "
                f"{unread.described()}, and {self.name} has no words to search by; use another "
                "encoder, or build the index with words"
            )
        return "lexical"

    def _warnings(self, query: Query, unread: UnreadLetters | None) -> list[str]:
        warnings = []
        wholly = unread is not None and unread.wholly
        if unread is not None and unread.mostly:
            so = "it was answered by words alone" if wholly else "its vectors say little"
            warnings.append(
                f"the encoder's vocabulary does not write {unread.described()} of the query; {so}"
            )
        cuts = getattr(self.encoder, "cuts_query", None)
        if cuts is not None and not wholly and cuts(query):
            warnings.append("the query is longer than the encoder reads; its end was left out")
        return warnings

    def _other_routes(self, found: Found) -> list[str]:
        """Of the documents found, once each, languages whose texts go another way by now."""
        langs = {one.lang for one in found.documents.values()} - self._told
        self._told |= langs
        through = {lang: _adapter_now(self.encoder, lang) for lang in langs & self._recorded.keys()}
        return [
            f"documents in {language_name(lang)} were indexed through the {language_name(earlier)} "
            f"adapter, and queries in it go through the {language_name(now)} one; build the index "
            "anew to take that for both"
            for lang, now in sorted(through.items())
            for earlier in sorted(self._recorded[lang].keys() - {now})
            if now
        ]


def open(
    index: str | Path,
    *,
    encoder: str | None = None,
    mode: Mode | None = None,
    options: EncoderOptions | None = None,
    **named: Any,
) -> Searcher:
    """Open an index by name or path; see `Searcher.open`."""
    return Searcher.open(index, encoder=encoder, mode=mode, options=options, **named)


def _open_encoder(
    reader: IndexReader, encoder: str | None, options: EncoderOptions | None, *, later: bool
) -> Encoder:
    """The encoder of an index; left for later where that is asked, and where it cannot be opened
    while nobody named it and the index can be searched by words."""
    settings = reader.settings
    name = settings[NAME] if encoder is None else encoder_name(encoder)

    def load() -> Encoder:
        loaded = load_encoder(name, options=_options(settings, options))
        check_edition(settings, loaded.spec, reader.folder)
        if loaded.spec.language_adapters:
            load_identifier()
        return loaded

    spec = EncoderSpec(settings[NAME], settings[FINGERPRINT], reader.dim, ())
    if later and reader.dim:
        return LaterEncoder(spec, load)
    try:
        return load()
    except (ModelError, EncoderMismatchError) as error:
        if encoder is not None or not settings.get(WORDS_SETTING):
            raise
        return LaterEncoder(spec, load, fault=error)


def _wanted(langs: Sequence[str] | None, given: str | Mapping[str, Any] | None) -> Filter | None:
    """The languages and the filter asked for, as one filter."""
    parts: list[Filter] = []
    if langs is not None:
        parts.append(Condition("lang", "in", tuple(language_code(code) for code in langs)))
    if given is not None:
        parts.append(parse_filter(given, language=language_code))
    return Logic("AND", tuple(parts)) if len(parts) > 1 else parts[0] if parts else None


def _scan_device(options: EncoderOptions | None) -> str | None:
    """The GPU that was asked for; documents are scored there or by the CPU's own kernels."""
    device = None if options is None else options.device
    return device if device is not None and device.startswith("cuda") else None


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
    from xret.retriever.languages.router import Route

    how: Any = stored.how
    return Route(stored.lang, stored.adapter, how, stored.reason).describe()


def _adapter_now(encoder: Encoder, lang: str) -> str:
    """The adapter that texts in a language go through; empty where a strict policy has none."""
    try:
        route = encoder.route(lang)
    except LanguageError:
        return ""
    return "" if route is None else route.adapter


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
    if not isinstance(k, int) or k < 1 or offset < 0 or k + offset > MAX_K:
        raise QueryError(
            f"asked for {k} hits from position {offset}; k is at least 1, and the last hit "
            f"asked for at most {MAX_K:,}"
        )


def _ms(start: float, end: float) -> float:
    return round((end - start) * 1000, 3)
