"""An open index: search over every segment of one commit, and the documents behind hits."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError, DimensionMismatchError, IndexNotFoundError
from xret.index.catalog import Catalog
from xret.index.exact import segment_scores
from xret.index.segment import Segment, SegmentFile, read_segment, segment_folder
from xret.index.stored import IndexInfo, StoredRoute
from xret.types import Document, Embeddings, FloatArray, Hit

__all__ = ["Found", "IndexReader", "find_faults"]

TRIES = 3
"""Scorings that a commit may make stale before a search holds the writer back for itself."""

Masks = tuple[npt.NDArray[np.bool_] | None, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What one commit answers: rankings, best first, and the documents that they name.

    version: how many commits the index had seen. routes: which adapter the documents of
    each language went through. fetch_s: seconds spent on reading documents and routes.
    """

    version: int
    rankings: list[list[Hit]]
    documents: Mapping[str, Document]
    routes: Mapping[str, StoredRoute]
    fetch_s: float


@dataclass(frozen=True, slots=True)
class _Commit:
    """The segments of one commit, and which of their documents have not been replaced."""

    version: int
    segments: tuple[Segment, ...]
    alive: Masks


class IndexReader:
    """Searches one commit at a time; safe to share by threads.

    The catalog is read in short snapshots, by one thread at a time. Scoring holds no lock at
    all, and a writer never waits while files are opened.
    """

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self.folder = folder
        self._catalog = catalog
        self._turn = threading.RLock()
        self._opened: dict[int, tuple[list[SegmentFile], Segment]] = {}
        self.dim = int(catalog.setting("dim"))
        self._commit = self._load()

    @classmethod
    def open(cls, folder: Path) -> IndexReader:
        """Open the index in a folder, checking the size and checksum of every file.

        Raises IndexNotFoundError where there is none, DamagedIndexError naming the file
        that is missing, cut or changed.
        """
        if not folder.is_dir():
            raise IndexNotFoundError(f"no index at {folder}")
        catalog = Catalog.open(folder)
        try:
            return cls(folder, catalog)
        except BaseException:
            catalog.close()
            raise

    def close(self) -> None:
        with self._turn:
            self._catalog.close()

    @property
    def settings(self) -> dict[str, str]:
        with self._turn:
            return self._catalog.settings()

    def info(self) -> IndexInfo:
        with self._turn:
            return self._catalog.info()

    def version(self) -> int:
        """How many commits the index has seen."""
        with self._turn:
            return self._catalog.version()

    def routes(self) -> dict[str, StoredRoute]:
        """Which adapter the documents of each language went through; empty without adapters."""
        with self._turn:
            return self._catalog.routes()

    def size_bytes(self) -> int:
        """Bytes of all the index's files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def search(
        self, queries: Embeddings, k: int, *, langs: Sequence[str] | None = None
    ) -> list[list[Hit]]:
        """The k best documents of each query, best first, ties by doc_id; see `find`."""
        return self._answer(queries, k, langs=langs, offset=0, fetch=False).rankings

    def find(
        self, queries: Embeddings, k: int, *, langs: Sequence[str] | None = None, offset: int = 0
    ) -> Found:
        """The k best documents of each query after the first `offset`, with the documents.

        queries: n packed queries of the index's dimension. langs: only documents in one
        of these languages, chosen before the best are picked. One commit answers the whole
        call: its hits, texts, routes and version; a commit made meanwhile is seen by the
        next call. Raises DimensionMismatchError, DamagedIndexError where a document is not
        as it was written, and IndexLockedError while a commit does not end.
        """
        return self._answer(queries, k, langs=langs, offset=offset, fetch=True)

    def documents(self, doc_ids: Sequence[str]) -> list[Document]:
        """The documents of these ids, in that order; deleted ones are left out."""
        with self._turn, self._catalog.snapshot():
            return self._catalog.documents(doc_ids)

    def _answer(
        self, queries: Embeddings, k: int, *,
        langs: Sequence[str] | None, offset: int, fetch: bool,
    ) -> Found:  # fmt: skip
        if queries.values.shape[1] != self.dim:
            raise DimensionMismatchError(
                f"the queries have {queries.values.shape[1]} dimensions, the index {self.dim}"
            )
        for _ in range(TRIES):
            with self._turn:
                commit = self._current()
                keep = self._keep(commit, langs)
            scores = _scores(queries, commit, keep)
            with self._turn, self._catalog.snapshot():
                # Versions only rise: all that was read since `_current` is of this commit.
                if self._catalog.version() == commit.version:
                    return self._found(scores, commit, k, offset=offset, fetch=fetch)
        with self._turn, self._catalog.snapshot():
            commit = self._current()
            scores = _scores(queries, commit, self._keep(commit, langs))
            return self._found(scores, commit, k, offset=offset, fetch=fetch)

    def _found(
        self, scores: FloatArray, commit: _Commit, k: int, *, offset: int, fetch: bool
    ) -> Found:
        """Rank and fetch, in the caller's snapshot of that commit."""
        places = _places(commit.segments)
        rankings = [self._best(row, places, k + offset)[offset:] for row in scores]
        start = time.perf_counter()
        doc_ids = dict.fromkeys(hit.doc_id for hits in rankings for hit in hits) if fetch else {}
        documents = {document.doc_id: document for document in self._catalog.documents(doc_ids)}
        if lost := doc_ids.keys() - documents:
            raise DamagedIndexError(
                f"{self._catalog.path} has lost document {min(lost)!r}; restore it from a copy "
                "or build the index again"
            )
        routes = self._catalog.routes() if fetch else {}
        return Found(commit.version, rankings, documents, routes, time.perf_counter() - start)

    def _best(self, scores: FloatArray, places: npt.NDArray[np.int64], k: int) -> list[Hit]:
        """Top k of one query; all documents tied with the k-th are ordered by doc_id."""
        found = int(np.count_nonzero(scores > -np.inf))
        k = min(k, found)
        if k == 0:
            return []
        threshold = np.partition(scores, -k)[-k]
        candidates = np.flatnonzero(scores >= threshold)
        doc_ids = self._catalog.doc_ids((int(s), int(p)) for s, p in places[candidates])
        ranked = sorted(zip((-scores[candidates]).tolist(), doc_ids, strict=True))[:k]
        return [Hit(doc_id, -score) for score, doc_id in ranked]

    def _current(self) -> _Commit:
        if self._catalog.version() != self._commit.version:
            self._commit = self._load()
        return self._commit

    def _load(self) -> _Commit:
        """The last commit: its names and masks from one snapshot, then its files.

        Files are immutable and stay, so they are opened after the snapshot, and those that
        an earlier commit named with the same checksums are open already.
        """
        with self._catalog.snapshot():
            self._catalog.check_seal()
            version, named = self._catalog.version(), self._catalog.segments()
            sizes = {number: _n_documents(files) for number, files in named.items()}
            whole = self._catalog.alive() == {n: size for n, size in sizes.items() if size}
            alive: Masks = (None,) * len(named) if whole else self._masks(sizes, None)
        opened = {}
        for number, files in named.items():
            files_before, segment = self._opened.get(number, (None, None))
            if segment is None or files_before != files:
                folder = segment_folder(self.folder, number)
                segment = read_segment(folder, number, files, dim=self.dim)
            opened[number] = (files, segment)
        self._opened = opened
        return _Commit(version, tuple(segment for _, segment in opened.values()), alive)

    def _keep(self, commit: _Commit, langs: Sequence[str] | None) -> Masks:
        """Which documents of each segment to score: None for all of them."""
        if langs is None:
            return commit.alive
        return self._masks({s.segment: len(s.offsets) - 1 for s in commit.segments}, langs)

    def _masks(self, sizes: Mapping[int, int], langs: Sequence[str] | None) -> Masks:
        """sizes: documents by segment. Documents of other segments are passed over."""
        masks = {number: np.zeros(size, dtype=np.bool_) for number, size in sizes.items()}
        for segment, position in self._catalog.positions(langs):
            mask = masks.get(segment)
            if mask is not None:
                if not 0 <= position < len(mask):
                    raise DamagedIndexError(
                        f"{self._catalog.path}: segment {segment} has no position {position}"
                    )
                mask[position] = True
        return tuple(masks.values())


def find_faults(folder: Path) -> list[str]:
    """What is wrong with an index, one line a fault naming its file; empty for a sound one.

    Checks every file's size and checksum, the catalog's seal and pages, and every stored
    document against the hash written with it. A writer may commit meanwhile, but waits
    while SQLite checks the pages. Raises IndexNotFoundError where there is no index.
    """
    try:
        catalog = Catalog.open(folder)
    except DamagedIndexError as error:
        return [str(error)]
    try:
        faults = _segment_faults(folder, catalog)
        faults += [f"{catalog.path}: {page}" for page in catalog.damaged_pages()]
        for doc_id in catalog.damaged_documents():
            faults.append(f"{catalog.path}: document {doc_id!r} has changed")
    except DamagedIndexError as error:
        return [str(error)]
    finally:
        catalog.close()
    return faults


def _segment_faults(folder: Path, catalog: Catalog) -> list[str]:
    faults = []
    dim = int(catalog.setting("dim"))
    for segment, files in catalog.segments().items():
        try:
            read_segment(segment_folder(folder, segment), segment, files, dim=dim)
        except DamagedIndexError as error:
            faults.append(str(error))
    return faults


def _scores(queries: Embeddings, commit: _Commit, keep: Masks) -> FloatArray:
    """(queries, documents of all segments); -inf where a mask leaves one out."""
    parts = [
        segment_scores(queries, segment, keep=mask)
        for segment, mask in zip(commit.segments, keep, strict=True)
    ]
    empty = np.empty((len(queries), 0), np.float32)
    return np.concatenate([empty, *parts], axis=1)


def _n_documents(files: Sequence[SegmentFile]) -> int:
    """Documents of a segment, by the size of its offsets."""
    return sum(file.size_bytes // 8 - 1 for file in files if file.name == "offsets.i64")


def _places(segments: Sequence[Segment]) -> npt.NDArray[np.int64]:
    """(n, 2): segment and position of every document, in the order of the scores."""
    parts = [np.empty((0, 2), np.int64)]
    for segment in segments:
        n_documents = len(segment.offsets) - 1
        numbers = np.full(n_documents, segment.segment)
        parts.append(np.stack([numbers, np.arange(n_documents)], axis=1))
    return np.concatenate(parts)
