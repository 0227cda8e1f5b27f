"""An open index: search over every segment of one commit, and the documents behind hits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError, DimensionMismatchError, IndexNotFoundError
from xret.index.catalog import Catalog, IndexInfo, StoredRoute
from xret.index.exact import segment_scores
from xret.index.segment import Segment, read_segment, segment_folder
from xret.types import Document, Embeddings, FloatArray, Hit

__all__ = ["IndexReader", "find_faults"]


@dataclass(frozen=True, slots=True)
class _Commit:
    """The segments of one commit, and which of their documents have not been deleted."""

    version: int
    segments: tuple[Segment, ...]
    alive: tuple[npt.NDArray[np.bool_] | None, ...]


class IndexReader:
    """Reads one commit at a time without locking the writer out; safe to share by threads."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self.folder = folder
        self._catalog = catalog
        self._turn = threading.RLock()
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
        return cls(folder, Catalog.open(folder))

    def close(self) -> None:
        self._catalog.close()

    @property
    def settings(self) -> dict[str, str]:
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
        """The k best documents of each query, best first, ties by doc_id.

        queries: n packed queries of the index's dimension. langs: only documents in one
        of these languages, chosen before the best are picked. One commit answers the
        whole call; a commit made meanwhile is seen by the next call.
        """
        if queries.values.shape[1] != self.dim:
            raise DimensionMismatchError(
                f"the queries have {queries.values.shape[1]} dimensions, the index {self.dim}"
            )
        with self._turn:
            while True:
                hits = self._search(self._current(), queries, k, langs)
                if hits is not None:
                    return hits

    def documents(self, doc_ids: Sequence[str]) -> list[Document]:
        """The documents of these ids, in that order; deleted ones are left out."""
        with self._turn:
            return self._catalog.documents(doc_ids)

    def _search(
        self, commit: _Commit, queries: Embeddings, k: int, langs: Sequence[str] | None
    ) -> list[list[Hit]] | None:
        """The hits, or None when a writer committed in the middle and they may be stale."""
        keep = commit.alive if langs is None else self._mask(commit.segments, langs)
        parts = [
            segment_scores(queries, segment, keep=mask)
            for segment, mask in zip(commit.segments, keep, strict=True)
        ]
        places = _places(commit.segments)
        scores = np.concatenate([np.empty((len(queries), 0), np.float32), *parts], axis=1)
        with self._catalog.snapshot():
            if self._catalog.version() != commit.version:
                return None
            return [self._best(row, places, k) for row in scores]

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
        with self._catalog.snapshot():
            version, named = self._catalog.version(), self._catalog.segments()
            alive = self._catalog.alive()
            segments = tuple(
                read_segment(segment_folder(self.folder, number), number, files, dim=self.dim)
                for number, files in named.items()
            )
            whole = all(alive.get(s.segment, 0) == len(s.offsets) - 1 for s in segments)
            masks = (None,) * len(segments) if whole else self._mask(segments, None)
            return _Commit(version, segments, masks)

    def _mask(
        self, segments: Sequence[Segment], langs: Sequence[str] | None
    ) -> tuple[npt.NDArray[np.bool_], ...]:
        masks = {s.segment: np.zeros(len(s.offsets) - 1, dtype=np.bool_) for s in segments}
        for segment, position in self._catalog.positions(langs):
            if segment in masks:
                masks[segment][position] = True
        return tuple(masks[s.segment] for s in segments)


def find_faults(folder: Path) -> list[str]:
    """What is wrong with an index, one line a fault naming its file; empty for a sound one.

    Checks every file's size and checksum, the catalog's pages, and every stored document
    against the hash written with it. Raises IndexNotFoundError where there is no index.
    """
    try:
        catalog = Catalog.open(folder)
        faults = _segment_faults(folder, catalog)
        faults += [f"{catalog.path}: {page}" for page in catalog.damaged_pages()]
        for doc_id in catalog.damaged_documents():
            faults.append(f"{catalog.path}: document {doc_id!r} has changed")
        catalog.close()
    except DamagedIndexError as error:
        return [str(error)]
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


def _places(segments: Sequence[Segment]) -> npt.NDArray[np.int64]:
    """(n, 2): segment and position of every document, in the order of the scores."""
    parts = [np.empty((0, 2), np.int64)]
    for segment in segments:
        n_documents = len(segment.offsets) - 1
        numbers = np.full(n_documents, segment.segment)
        parts.append(np.stack([numbers, np.arange(n_documents)], axis=1))
    return np.concatenate(parts)
