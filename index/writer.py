"""The one writer of an index: segments first, then one transaction that names them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import filelock
import numpy as np
import numpy.typing as npt

from xret.errors import EncoderMismatchError, IndexLockedError, UnusableIndexError
from xret.index.catalog import NAME, Catalog
from xret.index.files import sync_folder
from xret.index.segment import SegmentFile, quantize, segment_folder, write_segment
from xret.index.stored import content_hash
from xret.types import Document, Embeddings, EncoderSpec, FloatArray

__all__ = ["IndexWriter", "check_encoder"]

SEGMENT_ROWS = 1 << 18
"""Vectors in a full segment: 64 MiB of codes at 256 dimensions."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A segment on disk that waits for its commit; superseded: see `Catalog.add_segment`."""

    segment: int
    files: list[SegmentFile]
    documents: list[Document]
    superseded: list[tuple[str, str]]


class IndexWriter:
    """Adds documents with their vectors; nothing is visible before `commit`.

    Segments are cut after the document that fills them, counted from the last cut alone,
    so a build that was killed and run again writes the same segments as one that was not.
    Used as a context manager it commits on a clean exit, and leaves the last commit
    untouched on an error.
    """

    def __init__(self, folder: Path, catalog: Catalog, lock: filelock.BaseFileLock) -> None:
        self.folder = folder
        self.catalog = catalog
        self._lock = lock
        self._documents: list[Document] = []
        self._lengths: list[int] = []
        self._codes: list[npt.NDArray[np.int8]] = []
        self._scales: list[FloatArray] = []
        self._rows = 0
        self._superseded: list[tuple[str, str]] = []
        self._pending_superseded: set[tuple[str, str]] = set()
        self._written: list[_Written] = []
        self._pending: dict[str, str] = {}

    @classmethod
    def open(cls, folder: Path, spec: EncoderSpec) -> IndexWriter:
        """Lock the index in that folder for writing, creating it where there is none.

        Raises IndexLockedError while another process writes, EncoderMismatchError when
        another encoder built it, UnusableIndexError when the folder holds something else.
        """
        if folder.is_file():
            raise UnusableIndexError(f"{folder} is a file; name a folder for the index")
        if folder.exists() and not (folder / NAME).exists() and _foreign(folder):
            raise UnusableIndexError(
                f"{folder} is not empty and holds no index; name another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / "write.lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise IndexLockedError(
                f"{folder} is being written by another process; wait for it to finish"
            ) from error
        try:
            return cls._open_locked(folder, spec, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _open_locked(
        cls, folder: Path, spec: EncoderSpec, lock: filelock.BaseFileLock
    ) -> IndexWriter:
        (folder / "segments").mkdir(exist_ok=True)
        catalog = Catalog.open_or_create(folder, _settings(spec))
        try:
            sync_folder(folder)
            check_encoder(catalog.settings(), spec, folder)
            writer = cls(folder, catalog, lock)
            writer._sweep()
        except BaseException:
            catalog.close()
            raise
        return writer

    def close(self) -> None:
        self.catalog.close()
        self._lock.release()

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.close()

    def pending_hash(self, doc_id: str) -> str | None:
        """Content hash of a document that was added and is not yet committed."""
        return self._pending.get(doc_id)

    def was_superseded(self, doc_id: str, content: str) -> bool:
        """Whether a document of that id and content hash was added once and was replaced."""
        pending = (doc_id, content) in self._pending_superseded
        return pending or self.catalog.was_superseded(doc_id, content)

    @property
    def full_segments(self) -> int:
        """Segments written and waiting for their commit."""
        return len(self._written)

    def add(self, documents: Sequence[Document], embeddings: Embeddings) -> None:
        """Take documents and their vectors, in the same order; full segments go to disk.

        A document with the id of an earlier one takes its place at the commit.
        """
        codes, scales = quantize(embeddings.values)
        first = 0
        for position, document in enumerate(documents):
            self._documents.append(document)
            self._supersede(document.doc_id, content_hash(document))
            start, end = embeddings.offsets[position : position + 2].tolist()
            self._lengths.append(end - start)
            self._rows += end - start
            if self._rows >= SEGMENT_ROWS:
                self._take(codes[first:end], scales[first:end])
                self._write_segment()
                first = end
        self._take(codes[first:], scales[first:])

    def commit(self) -> None:
        """Make everything so far durable and visible, in one transaction.

        Raises IndexLockedError when a reader held the catalog for too long, OSError when
        the disk refuses; what was added stays in hand, and a later commit may succeed.
        """
        if self._documents:
            self._write_segment()
        self.commit_full()

    def commit_full(self) -> None:
        """Commit the full segments only; the documents after the last cut keep waiting."""
        if not self._written:
            return
        with self.catalog.transaction():
            for one in self._written:
                self.catalog.add_segment(
                    one.segment, one.files, one.documents, superseded=one.superseded
                )
            self.catalog.count_commit()
        self._written.clear()
        waiting = {document.doc_id for document in self._documents}
        self._pending = {doc: hash_ for doc, hash_ in self._pending.items() if doc in waiting}
        self._pending_superseded = set(self._superseded)

    def _supersede(self, doc_id: str, content: str) -> None:
        """Note a document's content, and the content that it takes the place of."""
        stored = self.catalog.stored(doc_id)
        earlier = self._pending.get(doc_id, stored[1] if stored else None)
        if earlier is not None and earlier != content:
            self._superseded.append((doc_id, earlier))
            self._pending_superseded.add((doc_id, earlier))
        self._pending[doc_id] = content

    def _take(self, codes: npt.NDArray[np.int8], scales: FloatArray) -> None:
        self._codes.append(codes)
        self._scales.append(scales)

    def _write_segment(self) -> None:
        segment = self._next_segment()
        files = write_segment(
            segment_folder(self.folder, segment),
            np.concatenate(self._codes),
            np.concatenate(self._scales),
            np.cumsum([0, *self._lengths], dtype=np.int64),
        )
        self._written.append(_Written(segment, files, self._documents, self._superseded))
        self._documents, self._superseded, self._lengths, self._rows = [], [], [], 0
        self._codes, self._scales = [], []

    def _next_segment(self) -> int:
        if self._written:
            return self._written[-1].segment + 1
        return max(self.catalog.segments(), default=0) + 1

    def _sweep(self) -> None:
        """Remove segments that no commit names: a crash left them."""
        named = {segment_folder(self.folder, segment).name for segment in self.catalog.segments()}
        for folder in (self.folder / "segments").iterdir():
            if folder.name not in named:
                shutil.rmtree(folder)


def check_encoder(settings: dict[str, str], spec: EncoderSpec, folder: Path) -> None:
    """Raises EncoderMismatchError unless the index was built by exactly this encoder."""
    if settings["encoder_fingerprint"] != spec.fingerprint:
        raise EncoderMismatchError(
            f"{folder} was built by encoder {settings['encoder']} "
            f"({settings['encoder_fingerprint'][:12]}), not by {spec.name} "
            f"({spec.fingerprint[:12]}); use that encoder, or build a new index with this one"
        )


def _settings(spec: EncoderSpec) -> dict[str, str]:
    return {
        "encoder": spec.name,
        "encoder_fingerprint": spec.fingerprint,
        "dim": str(spec.dim),
    }


def _foreign(folder: Path) -> bool:
    """Whether a folder holds anything but what an interrupted first commit leaves."""
    own = {"write.lock", "segments", "rejects.jsonl", "rejects.jsonl.part", f"{NAME}-journal"}
    return any(path.name not in own for path in folder.iterdir())
