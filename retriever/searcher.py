"""A question in, ranked documents out: the encoder and the index joined."""

from __future__ import annotations

import copy
import dataclasses
import time
import uuid
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from xret.config import find_index
from xret.deadline import Deadline
from xret.errors import ConfigError, ShardError, UnusableIndexError, XretError
from xret.index.search.bounded import BoundedReader
from xret.index.search.commit import Found
from xret.index.search.filters import Filter
from xret.index.search.lexical_ranking import Words
from xret.index.search.reader import IndexReader
from xret.index.sharded.opening import is_sharded, open_reader
from xret.index.storage.encoder_record import recorded_adapters
from xret.retriever.answer import (
    QueryInfo,
    SearchAnswer,
    SearchHit,
    Snippet,
    Timings,
    Total,
    search_hits,
)
from xret.retriever.answer_page import answer_page, asked_fields, hit_groups
from xret.retriever.answer_warnings import (
    changed_routes,
    missing_shards,
    mode_of_unread,
    nothing_found,
    unknown_fields,
)
from xret.retriever.encoded_queries import EncodedQueries
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.encoders.unread_letters import UnreadLetters
from xret.retriever.explaining import (
    MAX_EXPLAINED,
    ExplainedDocument,
    document_explained,
    hits_explained,
)
from xret.retriever.index_encoder import open_index_encoder, scan_device
from xret.retriever.lexical.words import check_mode
from xret.retriever.opening.later import LaterEncoder
from xret.retriever.question import (
    AskedQuestion,
    asked_question,
    question_warnings,
    read_query,
    unread_of,
    wanted_documents,
)
from xret.retriever.rerankers.opened import OpenRerankers
from xret.retriever.rerankers.search import rerank_page, rerank_rankings, widened_request
from xret.retriever.rerankers.stage import RerankStage
from xret.retriever.stage_scores import StagedQuestion, with_stages
from xret.retriever.translation.query_words import are_translated, query_words
from xret.retriever.writer import DocumentWriter
from xret.types import (
    CALIBRATE,
    Calibrate,
    Document,
    Hit,
    Mode,
    Query,
    SearchParams,
    SearchRequest,
    check_page,
    check_text,
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


class Searcher:
    """An open index with the encoder that built it."""

    def __init__(self, name: str, reader: IndexReader, encoder: Encoder) -> None:
        self.name = name
        self.reader = reader
        self.encoder = encoder
        self.rerankers = OpenRerankers()
        self._recorded = recorded_adapters(reader.settings)
        self._told: set[str] = set()
        self._langs: tuple[int, list[str]] | None = None

    @classmethod
    def open(
        cls,
        index: str | Path,
        *,
        encoder: str | None = None,
        mode: Mode | None = None,
        options: EncoderOptions | None = None,
        in_memory: bool = False,
        partial: bool | None = None,
        **named: Any,
    ) -> Searcher:
        """Open an index by name or path, with its own encoder or the one named.

        options, or the fields of EncoderOptions by name (`code_switching=True`): how to run
        the encoder; what shapes vectors is taken from the index, except for a language policy
        that is named. Where its device is a GPU, documents are scored there too.
        mode: "lexical" leaves the encoder unopened until vectors are asked for. Where the index
        has words and its own encoder cannot be used, an index that is opened without an
        encoder's name answers by words, and raises what is wrong where vectors are asked for.
        in_memory: as in `IndexReader.open`; partial: as in `open_reader`, of an index in several
        parts.
        Raises IndexNotFoundError, DamagedIndexError,
        UnknownModelError, ModelError, and EncoderMismatchError where the encoder's content
        is not what built the index.
        """
        folder = find_index(index)
        if named:
            options = EncoderOptions.of(options, named)
        device = scan_device(options)
        reader = open_reader(folder, device=device, in_memory=in_memory, partial=partial)
        try:
            loaded = open_index_encoder(reader, encoder, options, later=mode == "lexical")
        except BaseException:
            reader.close()
            raise
        return cls(folder.name, reader, loaded)

    @property
    def fault(self) -> XretError | None:
        """Why the encoder cannot be used, where only a search by words is answered."""
        return self.encoder.fault if isinstance(self.encoder, LaterEncoder) else None

    def within(self, bound: Filter) -> Searcher:
        """The same index as if it had only the documents of a filter; close this one alone."""
        view = copy.copy(self)
        view.reader = BoundedReader(self.reader, bound)
        return view

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
        rerank: str | None = None,
        explain: bool = False,
        calibrate: Calibrate | None = None,
    ) -> list[SearchHit]:
        """The k best documents, best first; `answer` has the timings as well.

        exact: score every document, whatever the preset. The rest is as in SearchRequest, and
        one of those can be given in the place of all.
        """
        if isinstance(text, SearchRequest):
            return self.answer(text).hits
        how = params or SearchParams(exact=exact)
        request = SearchRequest(
            text,
            lang,
            k,
            offset,
            doc_langs,
            filter,
            mode,
            how,
            rerank=rerank,
            explain=explain,
            calibrate=calibrate,
        )
        return self.answer(request).hits

    def answer(
        self,
        request: str | SearchRequest,
        *,
        deadline: Deadline | None = None,
        **named: Any,
    ) -> SearchAnswer:
        """Search and say how it went.

        request: or the question, with the other fields of a SearchRequest by their names.
        deadline: when it is stopped, in the place of the request's `timeout_ms`; a reranker
        that has not read all by then is told of in the warnings.
        Raises QueryError, LanguageError, and DeadlineError.
        """
        if isinstance(request, str):
            named["params"] = named.get("params") or SearchParams()
            request = SearchRequest(request, **named)
        start = time.perf_counter()
        until = deadline or _deadline(request)
        check_page(request.k, request.offset)
        wanted = wanted_documents(request.doc_langs, request.filter)
        stage = self._stage(request.rerank)
        question, chosen, unread = self._read(
            request.text,
            request.lang,
            request.mode,
            identify=request.identify or stage is not None,
            as_written=request.as_written,
        )
        query = question.query
        until.check()
        unsure = () if chosen == "dense" else question.word_langs(self._languages())
        words, unasked = self._words([question.by_words], chosen, request.mode, unsure)
        embeddings = None if chosen == "lexical" else self.encoder.encode_queries([query])
        encoded = time.perf_counter()
        request = dataclasses.replace(request, calibrate=request.calibrate or CALIBRATE)
        asked = request if stage is None else widened_request(request, stage)
        found = self.reader.answer(
            asked,
            embeddings,
            filter=wanted,
            words=words,
            query_langs=[query.lang],
            deadline=until,
        )
        fetched = time.perf_counter()
        searched = fetched - found.fetch_s
        reranked = None
        if stage is not None:
            found, reranked = rerank_page(found, query, request, stage, began=start, deadline=until)
        ended = time.perf_counter()
        page = answer_page(found, request)
        hits = search_hits(
            page.found,
            page.ranks,
            request,
            adapters=self.encoder.spec.language_adapters,
            stages=reranked.stages if reranked is not None else None,
        )
        lacks: list[str] = []
        explained = ended
        if request.explain:
            asking = StagedQuestion(
                query, embeddings, words, request.calibrate or CALIBRATE, wanted
            )
            hits = with_stages(hits, asking.fused(self.reader, [hit.id for hit in hits], until))
        if request.explain or request.highlight:
            hits, lacks = self._explained(query, chosen, hits, found, request, until)
            explained = time.perf_counter()
        moments = (start, encoded, searched, fetched, ended, explained)
        return SearchAnswer(
            request_id=uuid.uuid4().hex,
            index=self.name,
            index_version=found.version,
            model=self.encoder.spec.name,
            query=self._info(question, request.text, unsure),
            took_ms=_ms(start, moments[-1]),
            timings=Timings(*(_ms(one, other) for one, other in pairwise(moments))),
            total=Total(found.matches[0].documents),
            hits=[] if request.group_by else hits,
            facets=page.facets,
            groups=hit_groups(hits, found.matches[0]) if request.group_by else [],
            warnings=[
                *(missing_shards(found.missing) if found.missing else ()),
                *question.warnings(),
                *question_warnings(self.encoder, query, unread, chosen),
                *unasked,
                *self._other_routes(found),
                *self._without_hits(query, chosen, found),
                *(reranked.warnings if reranked is not None else ()),
                *lacks,
                *self._unknown_fields(asked_fields(request, wanted), found),
            ],
        )

    def explain(
        self,
        doc_id: str,
        text: str,
        *,
        lang: str | None = None,
        mode: Mode | None = None,
        rerank: str | None = None,
        deadline: Deadline | None = None,
        as_written: bool = False,
    ) -> ExplainedDocument:
        """Why one document scores what it does for a question: which words carry how much of it,
        and what each stage of a search makes of it.

        mode, rerank, as_written: as in SearchRequest. Raises UnknownDocumentError for an id that
        is not there, and QueryError where the encoder makes one vector of a text, whose score
        has no parts.
        """
        until, stage = deadline or Deadline(), self._stage(rerank)
        question, chosen, unread = self._read(
            text, lang, mode, identify=True, as_written=as_written
        )
        query, info = question.query, self._info(question, text)
        explained = document_explained(
            self.reader,
            self.encoder,
            query,
            chosen,
            doc_id,
            index=self.name,
            info=info,
            deadline=until,
        )
        explained.warnings.extend(question.warnings())
        explained.warnings.extend(question_warnings(self.encoder, query, unread, chosen))
        unsure = () if chosen == "dense" else question.word_langs(self._languages())
        words, _ = self._words([question.by_words], chosen, mode, unsure)
        embeddings = None if chosen == "lexical" else self.encoder.encode_queries([query])
        asking = StagedQuestion(query, embeddings, words, CALIBRATE)
        stages, told = asking.stages(self.reader, doc_id, stage, until)
        explained.warnings.extend(told)
        return dataclasses.replace(explained, stages=stages)

    def encoded(self, queries: Sequence[Query], *, mode: Mode | None = None) -> EncodedQueries:
        """Queries made ready for `rank`, which else makes them so each time that it is asked.

        Romanised ones are read in the letters of their languages, as `answer` does.
        """
        for query in queries:
            check_text(query.text)
        chosen = self._mode(mode)
        questions = [read_query(query) for query in queries]
        read = tuple(question.query for question in questions)
        embeddings = None if chosen == "lexical" else self.encoder.encode_queries(read)
        words, _ = self._words([question.by_words for question in questions], chosen, mode)
        return EncodedQueries(read, chosen, embeddings, words)

    def rank(
        self,
        queries: Sequence[Query] | EncodedQueries,
        k: int,
        *,
        doc_langs: Sequence[str] | None = None,
        params: SearchParams | None = None,
        mode: Mode | None = None,
        rerank: str | RerankStage | None = None,
        calibrate: Calibrate | None = None,
    ) -> list[list[Hit]]:
        """Bare rankings of many queries at once, for evaluation; see `SearchRequest`.

        queries: or what `encoded` made of them, whose mode it is then.
        """
        asked = queries
        if not isinstance(asked, EncodedQueries):
            asked = self.encoded(asked, mode=mode)
        wanted = wanted_documents(doc_langs, None)
        stage = rerank if isinstance(rerank, RerankStage) else self._stage(rerank)
        request = SearchRequest(
            "",
            k=k if stage is None else max(k, stage.depth),
            params=params or SearchParams(),
            calibrate=calibrate or CALIBRATE,
        )
        found = self.reader.answer(
            request,
            asked.embeddings,
            filter=wanted,
            words=asked.words,
            fetch=False,
            query_langs=[query.lang for query in asked.queries],
            kept=asked.kept,
        )
        if found.missing:
            raise ShardError(missing_shards(found.missing)[0])
        if stage is None:
            return found.rankings
        return rerank_rankings(found, asked.queries, k, stage, reader=self.reader)

    def _stage(self, asked: str | None) -> RerankStage | None:
        return None if asked is None else self.rerankers.stage(asked, self.reader.settings)

    def add(self, documents: Sequence[Document]) -> int:
        """Add documents, committed when this returns; returns how many were new."""
        with self.writer() as writer:
            return writer.add(documents)

    def writer(self) -> DocumentWriter:
        """Add, replace and delete documents in one commit, made where its block ends.

        Raises IndexLockedError while another process writes, ConfigError for an index in several
        parts, which are written to one by one.
        """
        if is_sharded(self.reader.folder):
            raise ConfigError(
                f"{self.name} is an index in several parts; write to the parts, each by itself"
            )
        self._need_encoder()
        return DocumentWriter.open(self.reader.folder, self.encoder)

    def _need_encoder(self) -> None:
        """Raises what is wrong with an encoder that was not opened, or could not be."""
        if isinstance(self.encoder, LaterEncoder):
            self.encoder = self.encoder.opened()

    def _mode(self, mode: Mode | None) -> Mode:
        """The mode asked for, where the index can be searched so."""
        chosen = mode or self.usual_mode
        if chosen != "dense":
            check_mode(chosen, self.reader.settings, self.name)
        if chosen != "lexical":
            self._need_encoder()
        return chosen

    @property
    def usual_mode(self) -> Mode:
        """By vectors, and by the words too where these find documents in other languages."""
        if not self.encoder.spec.dim:
            return "lexical"
        return "hybrid" if are_translated(self.reader.settings) else "dense"

    def _words(
        self,
        queries: Sequence[Query],
        chosen: Mode,
        asked: Mode | None,
        unsure: Sequence[str] = (),
    ) -> tuple[Words | None, list[str]]:
        """What the index's words are asked; or nothing, and why, where nobody asked for them."""
        share = self.encoder.spec.words_share
        try:
            settings = self.reader.settings
            return query_words(queries, chosen, settings, share=share, unsure=unsure), []
        except UnusableIndexError as error:
            if asked is not None or chosen == "lexical":
                raise
            return None, [f"answered by vectors alone: {error}"]

    def _read(
        self,
        text: str,
        lang: str | None,
        mode: Mode | None,
        *,
        identify: bool,
        as_written: bool = False,
    ) -> tuple[AskedQuestion, Mode, UnreadLetters | None]:
        """A question with its language, the mode that can answer it, and what is not read of it."""
        chosen = self._mode(mode)
        needed = self.encoder.spec.language_adapters or chosen != "dense"
        question = asked_question(text, lang, identify=identify or needed, as_written=as_written)
        query = question.query
        unread = None if chosen == "lexical" else unread_of(self.encoder, query)
        if unread is not None and unread.wholly:
            chosen = mode_of_unread(self.reader.settings, mode)
        return question, chosen, unread

    def _languages(self) -> Sequence[str]:
        """Languages of the index's documents, read once a commit."""
        version = self.reader.version()
        if self._langs is None or self._langs[0] != version:
            self._langs = version, [*self.reader.languages()]
        return self._langs[1]

    def _without_hits(self, query: Query, mode: Mode, found: Found) -> list[str]:
        empty = mode == "lexical" and query.lang_source != "given" and not found.rankings[0]
        return [nothing_found(query.lang)] if empty else []

    def _info(
        self, question: AskedQuestion, text: str, word_langs: Sequence[str] = ()
    ) -> QueryInfo:
        query = question.query
        adapter = self._through(query.lang)
        read_as = question.read_as
        return QueryInfo(text, query.lang, query.lang_source, adapter, read_as, word_langs)

    def _explained(
        self,
        query: Query,
        mode: Mode,
        hits: Sequence[SearchHit],
        found: Found,
        request: SearchRequest,
        deadline: Deadline,
    ) -> tuple[list[SearchHit], list[str]]:
        """Hits with their words marked, and explanations where those are asked for; of groups the
        best ranked."""
        best = hits[:MAX_EXPLAINED] if request.group_by else hits
        explained, lacks = hits_explained(
            self.reader, self.encoder, query, mode, best, found.documents, deadline=deadline
        )
        if len(best) < len(hits):
            lacks = [*lacks, f"only the {MAX_EXPLAINED} best hits have their words marked"]
        if not request.explain:
            explained = [dataclasses.replace(hit, explanations=[]) for hit in explained]
        return [*explained, *hits[len(best) :]], lacks

    def _unknown_fields(self, names: Sequence[str], found: Found) -> list[str]:
        """Of metadata asked for, what no document has; the index is read only where no hit has
        it either."""
        seen = {name for document in found.documents.values() for name in document.meta}
        if seen.issuperset(names):
            return []
        return unknown_fields(names, self.reader.metadata_fields())

    def _through(self, lang: str) -> str:
        route = self.encoder.route(lang) if self.encoder.spec.language_adapters else None
        return "" if route is None else route.describe()

    def _other_routes(self, found: Found) -> list[str]:
        """Of the documents found, once each, languages whose texts go another way by now."""
        langs = {one.lang for one in found.documents.values()} - self._told
        self._told |= langs
        changed = langs & self._recorded.keys()
        return changed_routes(self.encoder, self._recorded, changed) if changed else []


open = Searcher.open
"""An index by name or path; what `xret.open` is."""


def _deadline(request: SearchRequest) -> Deadline:
    return Deadline() if request.timeout_ms is None else Deadline(request.timeout_ms / 1000)


def _ms(start: float, end: float) -> float:
    return round((end - start) * 1000, 3)
