"""An open index: search over every segment of one commit, and the documents behind hits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xret.deadline import Deadline
from xret.errors import (
    DamagedIndexError,
    DimensionMismatchError,
    IndexNotFoundError,
    QueryError,
    ReplacedIndexError,
)
from xret.index.coding.recoding import preset_bits
from xret.index.search.allowed import AllowedDocuments
from xret.index.search.calibrating import Calibrator
from xret.index.search.calibration import Calibration
from xret.index.search.commit import Asked, Commit, Found, Ranked, speaking
from xret.index.search.dense.single_vectors import DenseIndex
from xret.index.search.filters import Filter
from xret.index.search.languages import LanguageGroups
from xret.index.search.lexical_ranking import Words, open_bm25, rank_words
from xret.index.search.listed import ListIndex
from xret.index.search.matches import matches_of, ranked_depth, ranked_params
from xret.index.search.opening import OpenFiles
from xret.index.search.placed_hits import placed_hits
from xret.index.search.ranking import Best, Masks, best_documents
from xret.index.search.seen_queries import KeptTables
from xret.index.storage.catalog import Catalog
from xret.index.storage.documents import DocumentTable
from xret.index.storage.encoder_record import same_index
from xret.index.storage.files import folder_bytes
from xret.index.storage.stored import IndexInfo, StoredRoute
from xret.index.words.bm25 import Bm25
from xret.index.words.expected import counted_parts
from xret.types import Calibrate, Document, Embeddings, Hit, SearchParams, SearchRequest

if TYPE_CHECKING:
    from xret.index.search.scanned import DeviceIndex

__all__ = ["Found", "IndexReader", "Prepared"]

TRIES = 3
"""Scorings that a commit may make stale before a search holds the writer back for itself."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A commit with what a search of it needs; masks: see `IndexReader._allowed`. speaking: of
    the first of them the documents that have vectors. langs: of its documents, None where nothing
    is counted by language. bm25: of a larger index that this is a part of, None for its own."""

    commit: Commit
    masks: list[Masks]
    speaking: Masks
    calibration: Calibration | None
    langs: LanguageGroups | None
    bm25: Bm25 | None = None


class IndexReader:
    """Searches one commit at a time; safe to share by threads.

    The catalog is read in short snapshots, by one thread at a time. Scoring holds no lock at
    all, and a writer never waits while files are opened. Files that a later commit names no
    longer may be gone from the folder; those that are open are read to the end.
    """

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        *,
        device: str | None = None,
        in_memory: bool = False,
    ) -> None:
        self._device = device_index(device)
        self._dense = DenseIndex()
        self._lists = ListIndex()
        self.folder = folder
        self._catalog = catalog
        self._turn = threading.RLock()
        self._files = OpenFiles(folder, catalog, in_memory=in_memory)
        self._allowed = AllowedDocuments(folder)
        self._calibrator = Calibrator(catalog.documents)
        self._bm25: tuple[int, Bm25] | None = None
        self._speaking: tuple[Masks, Masks] = (), ()
        self._word_parts = counted_parts(catalog.settings().get("lexical", ""))
        self.dim = int(catalog.setting("dim"))
        self._scans = preset_bits(catalog.setting("preset")) == 8
        self._commit = self._files.commit()
        self.opened_with = catalog.settings()
        """Settings as they were when it was opened."""

    @classmethod
    def open(
        cls, folder: Path, *, device: str | None = None, in_memory: bool = False
    ) -> IndexReader:
        """Open the index in a folder, checking the size and checksum of every file.

        device: where every document is scored: None or "cpu" is the CPU's own kernels and
        candidates; "cuda" or "cuda:1" a GPU, whose best documents the CPU scores again.
        in_memory: files are read, and not mapped: nothing that happens to them then harms the
        process or its answers, and each is compared with its checksum, however large.

        Files of more than `opening.EAGER_BYTES` together are compared with their checksums after
        it is open, and a search refuses as soon as one differs. Raises IndexNotFoundError
        where there is none, DamagedIndexError naming the file that is missing, cut or
        changed, ConfigError for a device that is not there, MissingLibraryError for a GPU
        without torch.
        """
        if not folder.is_dir():
            raise IndexNotFoundError(f"no index at {folder}")
        catalog = Catalog.open(folder)
        try:
            return cls(folder, catalog, device=device, in_memory=in_memory)
        except BaseException:
            catalog.close()
            raise

    def close(self) -> None:
        self._files.close()
        self._dense.close()
        with self._turn:
            self._catalog.close()
        self._allowed.close()

    @property
    def settings(self) -> dict[str, str]:
        with self._turn:
            return self._catalog.settings()

    def info(self) -> IndexInfo:
        with self._turn:
            return self._catalog.info()

    def codec_bits(self) -> dict[int, float]:
        """Bits a dimension of each trained codec in use, by its number; a trellis has a mean."""
        with self._turn:
            commit = self._current()
        used = {segment.codec for segment in commit.segments}
        return {
            number: 8 * codec.code_bytes / codec.width
            for number, codec in commit.codecs.items()
            if number in used
        }

    def missing(self) -> list[str]:
        """Parts of the index that do not answer: none of an index in one part."""
        return []

    def version(self) -> int:
        """How many commits the index has seen."""
        with self._turn:
            return self._catalog.version()

    def languages(
        self, filter: Filter | None = None, *, deadline: Deadline | None = None
    ) -> dict[str, int]:
        """How many documents of a filter each language has, most first."""
        return self._allowed.languages(filter, deadline or Deadline())

    def doc_ids(self, filter: Filter | None, *, deadline: Deadline | None = None) -> set[str]:
        """The ids of the documents of a filter."""
        return self._allowed.ids(filter, deadline or Deadline())

    def metadata_fields(
        self, filter: Filter | None = None, *, deadline: Deadline | None = None
    ) -> Mapping[str, int]:
        """How many documents of a filter have each metadata field, most first."""
        return self._allowed.fields(filter, deadline or Deadline())

    def document_page(
        self,
        n: int,
        *,
        after: str = "",
        filter: Filter | None = None,
        deadline: Deadline | None = None,
    ) -> list[Document]:
        """The n documents whose ids follow `after` in the order of ids, of those in a filter."""
        return self._allowed.page(n, after, filter, deadline or Deadline())

    def touched(self, deadline: Deadline) -> Path | None:
        """A file of the newest commit that is not the one that was opened, or was written to
        since; None where all are as they were. Raises as `answer` does."""
        for _ in range(TRIES):
            with self._held(deadline):
                commit = self._current()
            stamps = self._files.stamps.values()
            path = next((one.path for one in stamps if not one.untouched), None)
            with self._held(deadline):
                if path is None or self._catalog.identity() == commit.identity:
                    break
        return path

    def routes(self) -> dict[str, StoredRoute]:
        """Which adapter the documents of each language went through; empty without adapters."""
        with self._turn:
            return self._catalog.routes()

    def size_bytes(self) -> int:
        """Bytes of all the index's files."""
        return folder_bytes(self.folder)

    def search(
        self,
        queries: Embeddings | None,
        k: int,
        *,
        params: SearchParams | None = None,
        filter: Filter | None = None,
        words: Words | None = None,
        calibrate: Calibrate | None = None,
        query_langs: Sequence[str] = (),
    ) -> list[list[Hit]]:
        """The k best documents of each query, best first, ties by doc_id; see `answer`."""
        how = params or SearchParams()
        request = SearchRequest("", k=k, params=how, calibrate=calibrate)
        asked = Asked(request, queries, words, filter, query_langs)
        return self._answer(asked, fetch=False).rankings

    def find(
        self,
        queries: Embeddings | None,
        k: int,
        *,
        params: SearchParams | None = None,
        filter: Filter | None = None,
        offset: int = 0,
        words: Words | None = None,
    ) -> Found:
        """The k best documents of each query after the first `offset`; see `answer`."""
        request = SearchRequest("", k=k, offset=offset, params=params or SearchParams())
        return self.answer(request, queries, filter=filter, words=words)

    def answer(
        self,
        request: SearchRequest,
        queries: Embeddings | None,
        *,
        filter: Filter | None = None,
        words: Words | None = None,
        fetch: bool = True,
        query_langs: Sequence[str] = (),
        deadline: Deadline | None = None,
        kept: KeptTables | None = None,
    ) -> Found:
        """The documents that a request is for: k of each query after the first `offset`.

        queries: n packed queries of the index's dimension. A document scores what its best
        passage does. words: of the same queries, to search by them as well, or by them alone
        where queries is None. filter: that of the request and its languages as one; only
        documents that fulfil it are ranked. query_langs: of each query; without them, as where
        the request does not say so, scores are not calibrated. One commit answers the whole
        call: its hits, texts, routes and version; the next call sees later ones. fetch: whether
        texts and routes are read. deadline: when the search is stopped, None to let
        it end. kept: of searches by the same queries before. Raises DimensionMismatchError,
        QueryError where the index has no words or no vectors to search, DamagedIndexError where a
        document or a file is not as it was written, IndexLockedError while a commit does not end,
        and DeadlineError.
        """
        until = deadline or Deadline()
        asked = Asked(request, queries, words, filter, query_langs, until, kept)
        return self._answer(asked, fetch=fetch)

    def documents(
        self, doc_ids: Sequence[str], *, deadline: Deadline | None = None
    ) -> list[Document]:
        """The documents of these ids, in that order; deleted ones are left out."""
        with self._held(deadline or Deadline()), self._catalog.snapshot():
            return self._catalog.documents.of(doc_ids)

    def _answer(self, asked: Asked, *, fetch: bool) -> Found:
        if asked.queries is not None:
            self._check_dim(asked.queries)
        for _ in range(TRIES):
            ready = self._prepared(asked)
            if ready is None:
                continue
            ranked = self._scored(ready, asked)
            with self._held(asked.deadline), self._catalog.snapshot():
                # Versions only rise: all that was read since `_current` is of this commit.
                if self._catalog.identity() == ready.commit.identity:
                    return self._found(ranked, ready, asked, fetch)
        with self._held(asked.deadline), self._catalog.snapshot():
            commit = self._current()
            masks = self._allowed.held(commit, asked, self._catalog.documents)
            ready = self._calibrated(commit, masks, asked)
            return self._found(self._scored(ready, asked), ready, asked, fetch)

    def _prepared(self, asked: Asked) -> Prepared | None:
        """All that scoring reads of the catalog; None where that is of another commit by now."""
        with self._held(asked.deadline):
            commit = self._current()
        masks = self._allowed.of(commit, asked)
        if masks is None:
            return None
        with self._held(asked.deadline):
            return self._calibrated(commit, masks, asked)

    def _language_groups(self, commit: Commit, deadline: Deadline) -> LanguageGroups:
        """The documents of a commit by language, as `prepared` gave it."""
        with self._held(deadline):
            return self._calibrator.languages(commit)

    @contextmanager
    def _snapshot(self, deadline: Deadline) -> Iterator[tuple[Commit, DocumentTable]]:
        """The newest commit and its documents, which stay so inside; no other search reads
        documents meanwhile."""
        with self._held(deadline), self._catalog.snapshot():
            yield self._current(), self._catalog.documents

    def _calibrated(self, commit: Commit, masks: list[Masks], asked: Asked) -> Prepared:
        if self._speaking[0] is not masks[0]:  # the calibrator knows masks by their identity
            self._speaking = masks[0], speaking(masks[0], commit.segments)
        by_vectors = self._speaking[1]
        calibration = self._calibration(commit, asked, by_vectors)
        langs = self._calibrator.languages(commit) if asked.request.counted else None
        return Prepared(commit, masks, by_vectors, calibration, langs)

    @contextmanager
    def _held(self, deadline: Deadline) -> Iterator[None]:
        """The catalog is this thread's inside, and its statements end with the deadline."""
        with deadline.holding(self._turn), self._catalog.until(deadline):
            yield

    def _calibration(self, commit: Commit, asked: Asked, keep: Masks) -> Calibration | None:
        """What makes the scores of languages compare; None where none is asked for or needed."""
        how = asked.request.calibrate or "off"
        words = asked.words is not None and asked.words.calibrated
        if how == "off" or not asked.query_langs or (asked.queries is None and not words):
            return None
        langs = () if asked.queries is None else asked.query_langs
        return self._calibrator.of(commit, keep, query_langs=langs, fixed=how == "fixed")

    def _check_dim(self, queries: Embeddings) -> None:
        """Raises QueryError where the index has no vectors, DimensionMismatchError for others."""
        if not self.dim:
            raise QueryError("this index has words and no vectors; search with --mode lexical")
        if queries.values.shape[1] != self.dim:
            raise DimensionMismatchError(
                f"the queries have {queries.values.shape[1]} dimensions, the index {self.dim}"
            )

    def _scored(self, ready: Prepared, asked: Asked) -> list[Ranked]:
        """The best of each query, without their names."""
        commit, masks, silent = ready.commit, ready.masks, silent_queries(asked.queries)
        words, params = asked.words, ranked_params(asked, commit.segments)
        depth = ranked_depth(asked)
        dense: list[Best | None] = []
        if asked.queries is not None:
            candidates = scan = lists = None
            single = commit.single_vectors and not self._scans
            if not params.exact and self._device is not None:
                with self._turn:
                    scan = self._device.of(commit.segments, commit.codecs, by_faiss=single)
            elif not params.exact and single:
                with self._turn:
                    candidates = self._dense.of(commit.segments)
            elif not params.exact and commit.codecs:
                with self._turn:
                    lists = self._lists.of(commit.segments, commit.codecs)
            ranked = best_documents(
                asked.queries,
                commit.segments,
                ready.speaking,
                depth,
                codecs=commit.codecs,
                params=params,
                dense=candidates,
                scan=scan,
                calibration=ready.calibration,
                deadline=asked.deadline,
                kept=asked.kept,
                lists=lists,
            )
            dense = [None if query in silent else best for query, best in enumerate(ranked)]
        if words is None:
            return [Ranked(one, None) for one in dense]
        counted, until = asked.request.counted, asked.deadline
        lexical = rank_words(
            ready.bm25 or self._bm25_of(commit),
            commit.segments,
            words,
            masks,
            depth,
            calibration=ready.calibration,
            counted=counted,
            deadline=until,
        )
        beside: Sequence[Best | None] = dense or [None] * len(lexical)
        return [Ranked(one, *other) for one, other in zip(beside, lexical, strict=True)]

    def _bm25_of(self, commit: Commit) -> Bm25:
        """The words of a commit. Raises as `open_bm25`."""
        if self._bm25 is None or self._bm25[0] != commit.version:
            bm25 = open_bm25(commit.segments, commit.alive, parts=self._word_parts)
            self._bm25 = commit.version, bm25
        return self._bm25[1]

    def _found(self, ranked: list[Ranked], ready: Prepared, asked: Asked, fetch: bool) -> Found:
        """Rank and fetch, in the caller's snapshot of that commit."""
        if self._files.check.fault is not None:
            self._files.check.raise_fault()
        offset = asked.request.offset
        page = slice(offset, offset + asked.request.k)
        if asked.request.counted:
            page = slice(0, ranked_depth(asked))
        table, segments, commit = self._catalog.documents, ready.commit.segments, ready.commit
        pages = [placed_hits(one, table, segments, asked.words)[page] for one in ranked]
        rankings = [[hit for hit, _, _ in hits] for hits in pages]
        start = time.perf_counter()
        doc_ids = dict.fromkeys(hit.doc_id for hits in rankings for hit in hits) if fetch else {}
        documents = {document.doc_id: document for document in self._catalog.documents.of(doc_ids)}
        if lost := doc_ids.keys() - documents:
            raise DamagedIndexError(
                f"{self._catalog.path} has lost document {min(lost)!r}; restore it from a copy "
                "or build the index again"
            )
        routes = self._catalog.routes() if fetch else {}
        spans = [[span for _, span, _ in hits] for hits in pages]
        raw = [[score for _, _, score in hits] for hits in pages]
        masks = ready.speaking if asked.words is None else ready.masks[0]
        matches = matches_of(ranked, masks, segments, ready.langs) if fetch else []
        took = time.perf_counter() - start
        return Found(commit.version, rankings, spans, raw, documents, routes, took, matches)

    def _current(self) -> Commit:
        if self._catalog.identity() != self._commit.identity:
            self._check_replaced()
            self._commit = self._files.commit()
            if not self._commit.single_vectors:
                self._dense.close()
        return self._commit

    def _check_replaced(self) -> None:
        """Raises ReplacedIndexError where the catalog is no later one of the index that was
        opened: files of another were copied over it, or older ones of its own."""
        version, settings = self._catalog.version(), self._catalog.settings()
        if version <= self._commit.version or not same_index(self.opened_with, settings):
            raise ReplacedIndexError(
                f"{self.folder} is another index than the one that was opened; open it again"
            )


def silent_queries(queries: Embeddings | None) -> set[int]:
    """Those of which no vector says anything."""
    if queries is None or queries.values.any(axis=1).all():
        return set()
    return {query for query, vectors in enumerate(queries) if not vectors.any()}


def device_index(device: str | None) -> DeviceIndex | None:
    """The scan that a device is asked for; None where the CPU's own kernels do the work."""
    if device is None or device == "cpu":
        return None
    from xret.index.search.scanned import DeviceIndex

    return DeviceIndex(device)
