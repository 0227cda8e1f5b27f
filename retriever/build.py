"""Building an index: documents in, languages found, vectors made, segments committed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xret.errors import ConfigError, DuplicateIdError
from xret.index.sharded.codec import adopt_codec
from xret.index.storage.stored import content_hash
from xret.index.writing.writer import IndexWriter
from xret.retriever.encoder import Encoder
from xret.retriever.indexing import DocumentIndexer, check_document, next_batch
from xret.retriever.models.general_codec import general_codec
from xret.retriever.translation.indexed import record_table, words_version
from xret.types import Document, Progress, Work

__all__ = ["BuildSummary", "Duplicates", "IndexBuild"]

BATCH = 256
MAX_DEFERRED = 8 * BATCH
"""Documents kept in memory until the corpus ends; those beyond are indexed at once."""

Duplicates = Literal["error", "skip", "replace"]
"""What to do with an id that is already there with other content.

An identical repeat is never an error and never indexed again. Under "replace" the last
version in the corpus is the one that stays.
"""


@dataclass(slots=True)
class BuildSummary:
    """What a build did. Counts are of documents; times are wall-clock seconds.

    passages and vectors: of the documents added. truncated: texts cut to the encoder's
    length, by one that cannot split them. replaced: documents, counted in `added` too, that
    took the place of an earlier one. A version that a later one in the same corpus
    overtakes unindexed is counted nowhere. unread: by language, passages of mostly letters that
    the encoder's vocabulary cannot write.
    """

    added: int = 0
    unchanged: int = 0
    skipped: int = 0
    replaced: int = 0
    truncated: int = 0
    passages: int = 0
    vectors: int = 0
    seconds: float = 0.0
    languages: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)


class IndexBuild:
    """Adds documents to the index in a folder, creating it where there is none.

    `run` yields Progress and commits a segment at a time: killed at any moment and run
    again over the same documents it goes on after the last commit, and ends with the same
    index as an unbroken run: a batch that the commit cut in two is encoded whole again.
    A second run over the same documents changes nothing. Memory is bounded by one segment.
    `stop` ends a run early after committing what was read. on_truncated: is given each text
    whose end the encoder left out. psq: a translation table, by name or path: of a new index,
    the words are those that the documents' own translate to. codec_of: of a new index, the index
    whose codec its vectors are coded by, from the first on. device: where vectors are clustered and
    coded, as in `IndexWriter.open`.
    """

    def __init__(
        self,
        documents: Iterable[Document],
        folder: Path,
        encoder: Encoder,
        *,
        duplicates: Duplicates = "error",
        preset: str | None = None,
        lexical: bool = True,
        psq: str | None = None,
        codec_of: Path | None = None,
        on_truncated: Callable[[Document], None] | None = None,
        device: str | None = None,
    ) -> None:
        self.folder = folder
        self.summary = BuildSummary()
        self._documents = documents
        self._encoder = encoder
        self._duplicates = duplicates
        self._preset = preset
        self._lexical = lexical
        if psq is not None and not lexical:
            raise ConfigError("--psq makes words to search by; leave --no-lexical out")
        self._psq = psq
        self._codec_of = codec_of
        self._on_truncated = on_truncated
        self._device = device
        self._deferred: dict[str, Document] = {}
        self.stopped = False

    def stop(self) -> None:
        """Ask the run to commit and end after the batch in hand."""
        self.stopped = True

    def run(self, *, total: int | None = None) -> Work[BuildSummary]:
        """Build; one Progress a batch, counted in documents read. Sent True, it stops.

        Raises DuplicateIdError on an id met again with other content (unless told to skip
        or replace); what was committed before stays.
        """
        start = time.perf_counter()
        done = 0
        documents = iter(self._documents)
        cut_before = self._encoder.truncated
        version = words_version(self._psq) if self._lexical else ""
        if self._codec_of is not None:
            with closing(self._opened(version)) as created:  # without a commit
                adopt_codec(self.folder, created.catalog, self._codec_of)
        with self._opened(version) as writer:
            if self._psq is not None:
                record_table(writer.catalog, version, self._psq)
            before = writer.catalog.documents.last()
            self._indexer = DocumentIndexer(writer, self._encoder, on_truncated=self._on_truncated)
            while not self.stopped and (batch := next_batch(documents, BATCH)):
                self._add(writer, self._unseen(writer, batch, before))
                if len(self._deferred) > MAX_DEFERRED:
                    self._add_deferred(writer)
                done += len(batch)
                self.summary.seconds = time.perf_counter() - start
                if (yield Progress("index", done, total, "documents", stoppable=True)):
                    self.stop()
            self._add_deferred(writer)
            self.summary.unread = self._indexer.unread
        self.summary.seconds = time.perf_counter() - start
        self.summary.truncated = self._encoder.truncated - cut_before
        return self.summary

    def _opened(self, version: str) -> IndexWriter:
        return IndexWriter.open(
            self.folder,
            self._encoder.spec,
            preset=self._preset,
            lexical=version,
            device=self._device,
            codec=general_codec(self._encoder.spec),
        )

    def _unseen(self, writer: IndexWriter, batch: list[Document], before: int) -> list[Document]:
        """The documents of a batch that must be encoded now, in order.

        Among them are those that a commit cut off from the rest of the batch.
        """
        new: dict[str, Document] = {}
        for document in batch:
            check_document(document)
            doc_id, content = document.doc_id, content_hash(document)
            if doc_id in new:
                earlier: tuple[bytes, bool] | None = (content_hash(new[doc_id]), True)
            elif doc_id in self._deferred:
                earlier = (content_hash(self._deferred[doc_id]), True)
            else:
                earlier = _earlier(writer, doc_id, before)
            if earlier is None:
                new[doc_id] = document
            elif earlier[0] == content:
                self.summary.unchanged += 1
                if writer.in_cut_batch(document):
                    new.setdefault(doc_id, document)
            elif self._duplicates == "skip":
                self.summary.skipped += 1
            elif self._duplicates == "replace":
                new[doc_id] = document
            else:
                raise DuplicateIdError(_duplicate_message(document, earlier[1]))
        if self._duplicates == "replace":
            return self._changed(writer, list(new.values()))
        return list(new.values())

    def _changed(self, writer: IndexWriter, last: list[Document]) -> list[Document]:
        """Those of a batch's last versions that differ from what the index has.

        A version that was replaced once before waits for the end of the corpus: where the
        same corpus is run again its successor follows, and neither is indexed anew.
        """
        changed = []
        for document in last:
            doc_id, content = document.doc_id, content_hash(document)
            self._deferred.pop(doc_id, None)
            earlier = _earlier(writer, doc_id, 0)
            if writer.in_cut_batch(document):
                changed.append(document)
            elif earlier is not None and earlier[0] == content:
                self.summary.unchanged += 1
            elif earlier is not None and writer.was_superseded(doc_id, content):
                self._deferred[doc_id] = document
            else:
                self.summary.replaced += earlier is not None
                changed.append(document)
        if all(map(writer.in_cut_batch, changed)):  # the batch was one of those that waited
            self._deferred.update((document.doc_id, document) for document in changed)
            return []
        return changed

    def _add_deferred(self, writer: IndexWriter) -> None:
        """Index the documents that went back to an earlier version, and to no later one."""
        documents = list(self._deferred.values())
        self._deferred.clear()
        self.summary.replaced += sum(not writer.in_cut_batch(one) for one in documents)
        waiting = iter(documents)
        while batch := next_batch(waiting, BATCH):
            self._add(writer, batch)

    def _add(self, writer: IndexWriter, documents: list[Document]) -> None:
        present = {one.doc_id for one in documents if writer.in_cut_batch(one)}
        if len(present) < len(documents):
            added = self._indexer.add(documents, present=present)
            self.summary.added += len(added.documents)
            self.summary.passages += added.passages
            self.summary.vectors += added.vectors
            self.summary.languages.update(document.lang for document in added.documents)
        if writer.full_segments:
            writer.commit_full()


def _earlier(writer: IndexWriter, doc_id: str, before: int) -> tuple[bytes, bool] | None:
    """(content hash, whether this run added it) of a document already there."""
    pending = writer.pending_hash(doc_id)
    if pending is not None:
        return pending, True
    stored = writer.catalog.documents.stored(doc_id)
    return (stored[1], stored[0] > before) if stored else None


def _duplicate_message(document: Document, this_run: bool) -> str:
    where = "appears twice in the corpus" if this_run else "is in the index with other content"
    return (
        f"document id {document.doc_id!r} {where}; "
        "give every document its own id, or pass --duplicates skip or --duplicates replace"
    )
