"""The one writer of an index: segments first, then one transaction that names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import filelock

from xret.errors import IndexNotFoundError, UnusableIndexError
from xret.index.coding import recoding
from xret.index.coding.general import GENERAL_SETTING, GeneralCodec
from xret.index.storage.catalog import Catalog
from xret.index.storage.encoder_record import check_same_encoder, first_record, record_encoder
from xret.index.storage.files import StoredFile, prepare_folder, remove_folder, sync_folder
from xret.index.storage.folder import claim_folder, lock_index, sweep
from xret.index.storage.segment import Span, write_segment
from xret.index.storage.stored import SegmentRecord, content_hash, place
from xret.index.words.lexical import DocumentTerms
from xret.index.writing.joining import join_small
from xret.index.writing.merging import read_codecs, read_old
from xret.index.writing.pending import CodeBuffer, PendingSegment, WrittenSegment, quantized
from xret.types import Document, Embeddings, EncoderSpec

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = ["IndexWriter"]

SEGMENT_ROWS = 1 << 18
"""Vectors in a full segment: 64 MiB of 8-bit codes at 256 dimensions."""

SEGMENT_DOCUMENTS = 1 << 18
"""Documents in a full segment, where they have no or few vectors."""

CUT_BATCH = "cut_batch"
"""Name of the catalog's setting with the row number of the first document of the batch that
the last commit cut in two; absent after a commit of everything."""


class IndexWriter:
    """Adds, replaces and deletes documents; nothing is visible before `commit`.

    Segments are cut after the document that fills them, counted from the last cut alone,
    so a build that was killed and run again writes the same segments as one that was not.
    Used as a context manager it commits on a clean exit, and leaves the last commit
    untouched on an error.
    """

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        lock: filelock.BaseFileLock,
        *,
        spec: EncoderSpec | None = None,
        general: GeneralCodec | None = None,
    ) -> None:
        self.folder = folder
        self.catalog = catalog
        self._spec = spec
        self._lock = lock
        self._device: str | None = None
        self._dim = int(catalog.setting("dim"))
        self._bits = recoding.preset_bits(catalog.setting("preset"))
        self._codec = recoding.last_codec(folder, catalog)
        known = catalog.settings().get(GENERAL_SETTING)
        self._general = general if general is not None and general.hash == known else None
        self._new_codec: tuple[int, int, list[StoredFile]] | None = None
        self._recoded: dict[int, tuple[SegmentRecord, list[StoredFile]]] = {}
        self._written: list[WrittenSegment] = []
        self._superseded: set[tuple[str, bytes]] = set()
        self._latest: dict[str, tuple[int, bytes] | None] = {}
        self._part = self._empty_part(max(catalog.segments(), default=0) + 1)
        self._batch = place(self._part.number, 0)
        cut_batch = catalog.settings().get(CUT_BATCH)
        self._cut_batch = int(cut_batch) if cut_batch else None

    @classmethod
    def open(
        cls,
        folder: Path,
        spec: EncoderSpec,
        *,
        preset: str | None = None,
        lexical: str = "",
        device: str | None = None,
        codec: Path | None = None,
    ) -> IndexWriter:
        """Lock the index in that folder for writing, creating it where there is none.

        preset: one of `recoding.PRESETS`; None takes the index's own, or of a new
        one the encoder's or the default.
        lexical: the version of the analysis that makes the terms of a new index's documents,
        empty where it has none. device: where vectors are clustered and their centroids found;
        the same bytes are written. codec: a file of the codec that came with the encoder, for a
        new index with fewer than 8 bits; another than it was created with is left alone.
        Raises IndexLockedError while another process writes,
        EncoderMismatchError when another encoder built it, UnusableIndexError when the
        folder holds something else or the index has another preset.
        """
        recoding.preset_bits(preset or spec.preset or recoding.DEFAULT_PRESET)
        claim_folder(folder)
        lock = lock_index(folder)
        try:
            general = None if codec is None else GeneralCodec.read(codec)
            writer = cls._open_locked(folder, spec, preset, lexical, lock, general)
        except BaseException:
            lock.release()
            raise
        writer._device = device
        return writer

    @classmethod
    def open_existing(cls, folder: Path) -> IndexWriter:
        """Lock an index that is there, to delete documents by id: that needs no encoder.

        Raises IndexNotFoundError, and as `open` does.
        """
        if not folder.is_dir():
            raise IndexNotFoundError(f"no index at {folder}")
        with ExitStack() as undone:
            lock = lock_index(folder)
            undone.callback(lock.release)
            catalog = Catalog.open(folder)
            undone.callback(catalog.close)
            sweep(folder, catalog)
            writer = cls(folder, catalog, lock)
            undone.pop_all()
        return writer

    @classmethod
    def _open_locked(
        cls,
        folder: Path,
        spec: EncoderSpec,
        preset: str | None,
        lexical: str,
        lock: filelock.BaseFileLock,
        general: GeneralCodec | None,
    ) -> IndexWriter:
        chosen = preset or spec.preset or recoding.DEFAULT_PRESET
        settings = {
            **first_record(spec),
            "dim": str(spec.dim),
            "preset": chosen,
            "lexical": lexical,
        }
        if general is not None and general.fits(spec.dim, recoding.preset_bits(chosen)):
            settings[GENERAL_SETTING] = general.hash
        prepare_folder(folder / "segments")
        catalog = Catalog.open_or_create(folder, settings)
        try:
            sync_folder(folder)
            found = catalog.settings()
            check_same_encoder(found, spec, folder)
            if preset is not None and found["preset"] != preset:
                raise UnusableIndexError(
                    f"{folder} has the preset {found['preset']}, not {preset}; leave the preset "
                    "away to add to it, or build a new index in another folder"
                )
            sweep(folder, catalog)
            return cls(folder, catalog, lock, spec=spec, general=general)
        except BaseException:
            catalog.close()
            raise

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

    def content(self, doc_id: str) -> bytes | None:
        """Content hash of a document as the next commit will leave it, None where it is not."""
        found = self._find(doc_id)
        return None if found is None else found[1]

    def pending_hash(self, doc_id: str) -> bytes | None:
        """Content hash of a document that was added and is not yet committed."""
        latest = self._latest.get(doc_id)
        return None if latest is None else latest[1]

    def was_superseded(self, doc_id: str, content: bytes) -> bool:
        """Whether a document of that id and content hash was added once and was replaced."""
        pending = (doc_id, content) in self._superseded
        return pending or self.catalog.was_superseded(doc_id, content)

    def in_cut_batch(self, document: Document) -> bool:
        """Whether a document was committed, as it is, without the rest of its batch.

        So asks who goes on with a broken build, before adding anything: in its last digits a
        text's vector depends on the texts that go through the model with it.
        """
        if self._cut_batch is None:
            return False
        stored = self.catalog.documents.stored(document.doc_id)
        if stored is None or stored[0] < self._cut_batch:
            return False
        return stored[1] == content_hash(document)

    @property
    def full_segments(self) -> int:
        """Segments written and waiting for their commit."""
        return len(self._written)

    def add(
        self,
        documents: Sequence[Document],
        embeddings: Embeddings | Iterable[Embeddings],
        *,
        spans: Sequence[Sequence[Span]] | None = None,
        terms: Sequence[DocumentTerms] | None = None,
    ) -> None:
        """Take documents and their vectors, in the same order; full segments go to disk.

        embeddings: of all documents, or of some texts after others, each coded before the next
        is asked for; nothing is in hand before the last.
        spans: of each document, its passages in its text, at least one; the texts of
        `embeddings` are then the passages of all documents in order. None: every document
        is one passage. terms: of each document, its words as the lexical index takes them.
        A document with the id of an earlier one takes its place at the commit.
        """
        whole = [[(0, len(document.text))] for document in documents]
        passages: Sequence[Sequence[Span]] = whole if spans is None else spans
        counts = [len(spans) for spans in passages]
        parts = (embeddings,) if isinstance(embeddings, Embeddings) else embeddings
        coded, offsets = quantized(parts, self._dim)
        if len(counts) != len(documents) or sum(counts) != len(offsets) - 1 or 0 in counts:
            raise ValueError(f"{len(offsets) - 1} texts are not the passages of these documents")
        self._batch, self._cut_batch = place(self._part.number, len(self._part.documents)), None
        first = passage = 0
        for position, document in enumerate(documents):
            ends = offsets[passage : passage + counts[position] + 1]
            passage += counts[position]
            lengths = [end - start for start, end in pairwise(ends)]
            self._take(document, passages[position], lengths, terms[position] if terms else None)
            if self._part.rows >= SEGMENT_ROWS or len(self._part.documents) >= SEGMENT_DOCUMENTS:
                self._part.coded.append(coded.rows(slice(first, ends[-1])))
                self._cut()
                first = ends[-1]
        self._part.coded.append(coded.rows(slice(first, None)))

    def delete(self, doc_ids: Iterable[str]) -> int:
        """Delete documents at the next commit; returns how many of these ids were there."""
        count = 0
        for doc_id in doc_ids:
            found = self._find(doc_id)
            if found is not None:
                self._part.removed.add(found[0])
                self._part.touched.add(doc_id)
                self._latest[doc_id] = None
                count += 1
        return count

    def commit(self) -> None:
        """Make everything so far durable and visible, in one transaction; then join segments.

        Raises IndexLockedError when a reader held the catalog for too long, OSError when
        the disk refuses; what was added stays in hand, and a later commit may succeed.
        """
        if self._part.documents:
            self._cut()
        self._commit(self._part.removed, cut_batch=None)
        self._part = self._empty_part(self._part.number)
        self._latest.clear()
        self._superseded.clear()
        self._join()

    def commit_full(self) -> None:
        """Commit the full segments only; the documents after the last cut keep waiting."""
        self._commit((), cut_batch=self._batch if self._part.documents else None)
        self._latest = {doc_id: self._latest[doc_id] for doc_id in self._part.touched}
        self._superseded = set(self._part.superseded)

    def _commit(self, removed: Iterable[int], *, cut_batch: int | None) -> None:
        """One transaction: the codec, recoded segments, written ones, then deletions."""
        numbers = sorted(removed)
        if not self._written and not numbers and not self.catalog.unfinished:
            return
        outdated = []
        with self.catalog.transaction():
            if self._new_codec is not None:
                self.catalog.write_codec(*self._new_codec)
            for segment, (record, files) in self._recoded.items():
                current = self.catalog.segments()[segment]
                outdated.append(current.folder)
                self.catalog.write_segment(replace(record, deleted=current.deleted), files)
            for one in self._written:
                self.catalog.write_segment(one.record, one.files)
                self.catalog.delete_documents(one.removed)
                self.catalog.documents.add(one.record.segment, one.documents)
                self.catalog.record_superseded(one.superseded)
            self.catalog.delete_documents(numbers)
            if cut_batch is None:
                self.catalog.forget_setting(CUT_BATCH)
            else:
                self.catalog.record_setting(CUT_BATCH, str(cut_batch), replace=True)
            if self._spec is not None:
                record_encoder(self.catalog, self._spec)
            self.catalog.count_commit()
        self._new_codec = None
        self._recoded.clear()
        self._written.clear()
        for folder in outdated:
            remove_folder(self.folder / folder)

    def _empty_part(self, number: int) -> PendingSegment:
        """Room is asked for a full segment and a long document at its end."""
        return PendingSegment(number, coded=CodeBuffer(SEGMENT_ROWS + SEGMENT_ROWS // 4))

    def _join(self) -> None:
        """Join small segments, unless documents of a batch cut in two are known by their place."""
        if CUT_BATCH not in self.catalog.settings():
            number = self._part.number
            next_number = join_small(self.folder, self.catalog, number, full_rows=SEGMENT_ROWS)
            self._part = self._empty_part(next_number)

    def _find(self, doc_id: str) -> tuple[int, bytes] | None:
        """Row number and content hash of a document, as the next commit will leave it."""
        if doc_id in self._latest:
            return self._latest[doc_id]
        return self.catalog.documents.stored(doc_id)

    def _take(
        self,
        document: Document,
        spans: Sequence[Span],
        lengths: list[int],
        terms: DocumentTerms | None,
    ) -> None:
        part, doc_id, content = self._part, document.doc_id, content_hash(document)
        earlier = self._find(doc_id)
        if earlier is not None:
            part.removed.add(earlier[0])
            if earlier[1] != content:
                part.superseded.append((doc_id, earlier[1]))
                self._superseded.add((doc_id, earlier[1]))
        self._latest[doc_id] = (place(part.number, len(part.documents)), content)
        part.touched.add(doc_id)
        part.documents.append(document)
        part.spans.append(spans)
        part.lengths += lengths
        part.terms.append(Counter(terms) if isinstance(terms, list) else terms)
        part.rows += sum(lengths)

    def _cut(self) -> None:
        """Write the current part as a segment; the part that fills the index trains a codec."""
        part = self._part
        coded, record = part.coded.whole(self._dim), part.record()
        self._choose_codec((coded, part.offsets, None))
        if self._codec is not None:
            number, codec = self._codec
            there = replace(codec, device=self._device)
            coded = recoding.recoded(coded, there, offsets=part.offsets)
            record = replace(record, codec=number)
        files = write_segment(self.folder, record, coded, part.arrays())
        self._written.append(WrittenSegment.of(part, record, files))
        self._part = self._empty_part(part.number + 1)

    def _choose_codec(self, last: recoding.CodedVectors) -> None:
        """Train a codec, or take the general one, where the index has come to that with `last`."""
        if self._bits == 8:
            return
        records = [*self.catalog.segments().values(), *(w.record for w in self._written)]
        vectors = sum(record.vectors for record in records) + len(last[0])
        passages = sum(record.passages for record in records) + len(last[1]) - 1
        if recoding.wants_codec(self._bits, vectors=vectors, passages=passages):
            if self._codec is None:
                self._train(last, vectors)
            elif self.catalog.codecs().get(self._codec[0]) == 0:
                self._train_after_general(records, last, vectors)
        elif (
            self._codec is None
            and self._general is not None
            and self._general.saves(vectors=vectors, passages=passages)
        ):
            self._train(last, 0, general=self._general.codec)

    def _train(
        self,
        last: recoding.CodedVectors,
        vectors: int,
        *,
        general: ResidualCodec | None = None,
    ) -> None:
        """Train the codec, or take a general one that was trained on no vector of the index, and
        code again what was written before it."""
        files = self.catalog.files()
        earlier = [(segment, files[segment.folder]) for segment in self.catalog.segments().values()]
        waiting = [(one.record, one.files) for one in self._written]
        codec, written, made = recoding.first_codec(
            self.folder,
            [*earlier, *waiting],
            last,
            bits=self._bits,
            dim=self._dim,
            device=self._device,
            general=general,
        )
        self._recoded = {record.segment: (record, new) for record, new in made[: len(earlier)]}
        for i, (record, new) in enumerate(made[len(earlier) :]):
            remove_folder(self.folder / self._written[i].record.folder)
            self._written[i] = replace(self._written[i], record=record, files=new)
        self._codec, self._new_codec = (1, codec), (1, vectors, written)

    def _train_after_general(
        self, records: Sequence[SegmentRecord], last: recoding.CodedVectors, vectors: int
    ) -> None:
        """Train a codec for what comes; what the general one has coded stays until a compaction."""
        number = max(self.catalog.codecs()) + 1
        codecs, named = read_codecs(self.folder, self.catalog), self.catalog.files()
        named |= {one.record.folder: one.files for one in self._written}
        sources = [
            (old.coded, old.offsets, codecs.get(old.codec))
            for record in records
            for old in [read_old(self.folder, self.catalog, record, codecs, named)]
        ]
        codec = recoding.train_on_segments(
            [*sources, last], bits=self._bits, dim=self._dim, device=self._device
        )
        files = recoding.write_codec(self.folder, number, codec)
        self._codec, self._new_codec = (number, codec), (number, vectors, files)
