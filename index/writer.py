"""The one writer of an index: segments first, then one transaction that names them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import filelock
import numpy as np
import numpy.typing as npt

from xret.errors import EncoderMismatchError, IndexLockedError, UnusableIndexError
from xret.index.catalog import NAME, Catalog, content_hash
from xret.index.files import sync_folder
from xret.index.segment import SegmentFile, quantize, segment_folder, write_segment
from xret.types import Document, Embeddings, EncoderSpec, FloatArray

__all__ = ["IndexWriter", "check_encoder"]

SEGMENT_ROWS = 1 << 18
"""Vectors in a full segment: 64 MiB of codes at 256 dimensions."""


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
        self._written: list[tuple[int, list[SegmentFile], list[Document]]] = []
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
        if (folder / NAME).exists() and (folder / NAME).stat().st_size:
            catalog = Catalog.open(folder)
            check_encoder(catalog.settings(), spec, folder)
        else:
            catalog = Catalog.create(folder, _settings(spec))
            sync_folder(folder)
        writer = cls(folder, catalog, lock)
        writer._sweep()
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
            self._pending[document.doc_id] = content_hash(document)
            start, end = embeddings.offsets[position : position + 2].tolist()
            self._lengths.append(end - start)
            self._rows += end - start
            if self._rows >= SEGMENT_ROWS:
                self._take(codes[first:end], scales[first:end])
                self._write_segment()
                first = end
        self._take(codes[first:], scales[first:])

    def commit(self) -> None:
        """Make everything so far durable and visible, in one transaction."""
        if self._documents:
            self._write_segment()
        self.commit_full()

    def commit_full(self) -> None:
        """Commit the full segments only; the documents after the last cut keep waiting."""
        if not self._written:
            return
        with self.catalog.transaction():
            for segment, files, documents in self._written:
                self.catalog.add_segment(segment, files, documents)
            self.catalog.count_commit()
        for _, _, documents in self._written:
            for document in documents:
                self._pending.pop(document.doc_id, None)
        self._written.clear()

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
        self._written.append((segment, files, self._documents))
        self._documents, self._lengths, self._rows = [], [], 0
        self._codes, self._scales = [], []

    def _next_segment(self) -> int:
        if self._written:
            return self._written[-1][0] + 1
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
    return any(
        path.name not in {"write.lock", "segments", "rejects.jsonl"} for path in folder.iterdir()
    )
