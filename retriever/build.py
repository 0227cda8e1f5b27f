"""Building an index: documents in, languages found, vectors made, segments committed."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

from xret.errors import CorpusError, DuplicateIdError
from xret.index.stored import StoredRoute, content_hash
from xret.index.writer import IndexWriter
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.identify import identify_language
from xret.types import UNDETERMINED, Document, Progress

__all__ = ["OPTIONS_SETTING", "BuildSummary", "Duplicates", "IndexBuild"]

BATCH = 256
MAX_DEFERRED = 8 * BATCH
"""Documents kept in memory until the corpus ends; those beyond are indexed at once."""

OPTIONS_SETTING = "encoder_options"
"""Name of the catalog's setting with the options, as JSON, that the encoder was opened with."""

Duplicates = Literal["error", "skip", "replace"]
"""What to do with an id that is already there with other content.

An identical repeat is never an error and never indexed again. Under "replace" the last
version in the corpus is the one that stays.
"""


@dataclass(slots=True)
class BuildSummary:
    """What a build did. Counts are of documents; times are wall-clock seconds.

    replaced: documents, counted in `added` too, that took the place of an earlier one. A
    version that a later one in the same corpus overtakes unindexed is counted nowhere.
    """

    added: int = 0
    unchanged: int = 0
    skipped: int = 0
    replaced: int = 0
    truncated: int = 0
    vectors: int = 0
    seconds: float = 0.0
    languages: Counter[str] = field(default_factory=Counter)


class IndexBuild:
    """Adds documents to the index in a folder, creating it where there is none.

    `run` yields Progress and commits a segment at a time: killed at any moment and run
    again over the same documents it goes on after the last commit, and ends with the same
    index as an unbroken run. A second run over the same documents changes nothing. Memory
    is bounded by one segment. `stop` ends a run early after committing what was read.
    """

    def __init__(
        self, documents: Iterable[Document], folder: Path, encoder: Encoder, *,
        duplicates: Duplicates = "error",
    ) -> None:  # fmt: skip
        self.folder = folder
        self.summary = BuildSummary()
        self._documents = documents
        self._encoder = encoder
        self._duplicates = duplicates
        self._routed: set[str] = set()
        self._deferred: dict[str, Document] = {}
        self.stopped = False

    def stop(self) -> None:
        """Ask the run to commit and end after the batch in hand."""
        self.stopped = True

    def run(self, *, total: int | None = None) -> Iterator[Progress]:
        """Build; one Progress a batch, counted in documents read.

        Raises DuplicateIdError on an id met again with other content (unless told to skip
        or replace); what was committed before stays.
        """
        start = time.perf_counter()
        done = 0
        documents = iter(self._documents)
        cut_before = self._encoder.truncated
        with IndexWriter.open(self.folder, self._encoder.spec) as writer:
            before = writer.catalog.last_document()
            self._record_encoder(writer)
            while not self.stopped and (batch := list(islice(documents, BATCH))):
                self._add(writer, self._unseen(writer, batch, before))
                if len(self._deferred) > MAX_DEFERRED:
                    self._add_deferred(writer)
                done += len(batch)
                self.summary.seconds = time.perf_counter() - start
                yield Progress("index", done, total, "documents")
            self._add_deferred(writer)
        self.summary.seconds = time.perf_counter() - start
        self.summary.truncated = self._encoder.truncated - cut_before

    def _unseen(self, writer: IndexWriter, batch: list[Document], before: int) -> list[Document]:
        """The documents of a batch that must be encoded now, in order."""
        new: dict[str, Document] = {}
        for document in batch:
            _check(document)
            doc_id, content = document.doc_id, content_hash(document)
            if doc_id in new:
                earlier: tuple[str, bool] | None = (content_hash(new[doc_id]), True)
            elif doc_id in self._deferred:
                earlier = (content_hash(self._deferred[doc_id]), True)
            else:
                earlier = _earlier(writer, doc_id, before)
            if earlier is None:
                new[doc_id] = document
            elif earlier[0] == content:
                self.summary.unchanged += 1
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
            if earlier is not None and earlier[0] == content:
                self.summary.unchanged += 1
            elif earlier is not None and writer.was_superseded(doc_id, content):
                self._deferred[doc_id] = document
            else:
                self.summary.replaced += earlier is not None
                changed.append(document)
        return changed

    def _add_deferred(self, writer: IndexWriter) -> None:
        """Index the documents that went back to an earlier version, and to no later one."""
        documents = list(self._deferred.values())
        self._deferred.clear()
        self.summary.replaced += len(documents)
        for first in range(0, len(documents), BATCH):
            self._add(writer, documents[first : first + BATCH])

    def _add(self, writer: IndexWriter, documents: list[Document]) -> None:
        self._encode(writer, documents)
        if writer.full_segments:
            writer.commit_full()

    def _record_encoder(self, writer: IndexWriter) -> None:
        """How to open the encoder again, where its name alone does not say it."""
        options = getattr(self._encoder, "options", None)
        if isinstance(options, EncoderOptions) and (recorded := options.recorded()):
            with writer.catalog.transaction():
                writer.catalog.record_setting(OPTIONS_SETTING, json.dumps(recorded, sort_keys=True))

    def _record_routes(self, writer: IndexWriter, langs: set[str]) -> None:
        """Write down every adapter in use before the vectors made through it are committed."""
        if not self._encoder.spec.language_adapters:
            return
        found = {lang: self._encoder.route(lang) for lang in sorted(langs - self._routed)}
        self._routed |= langs
        routes = [
            StoredRoute(lang, route.adapter, route.how, route.reason)
            for lang, route in found.items()
            if route is not None
        ]
        if routes:
            with writer.catalog.transaction():
                writer.catalog.record_routes(routes)

    def _encode(self, writer: IndexWriter, documents: list[Document]) -> None:
        if not documents:
            return
        labelled = [with_language(document) for document in documents]
        embeddings = self._encoder.encode_documents(labelled)
        self._record_routes(writer, {document.lang for document in labelled})
        writer.add(labelled, embeddings)
        self.summary.added += len(labelled)
        self.summary.vectors += len(embeddings.values)
        self.summary.languages.update(document.lang for document in labelled)


def with_language(document: Document) -> Document:
    """The document itself where its language was given, else with the one identified."""
    if document.lang != UNDETERMINED:
        return document
    lang, confidence = identify_language(f"{document.title} {document.text}")
    source: Literal["identified", "unknown"] = "unknown" if lang == UNDETERMINED else "identified"
    return dataclasses.replace(
        document, lang=lang, lang_source=source, lang_confidence=round(confidence, 4)
    )


def _check(document: Document) -> None:
    """What no reader of corpus files lets through, but a program can pass."""
    if not document.doc_id:
        raise CorpusError("a document has an empty id; give every document its own")
    try:
        f"{document.doc_id}{document.title}{document.text}".encode()
    except UnicodeEncodeError:
        raise CorpusError(
            f"document {document.doc_id!a} holds a lone surrogate and is not valid Unicode text"
        ) from None


def _earlier(writer: IndexWriter, doc_id: str, before: int) -> tuple[str, bool] | None:
    """(content hash, whether this run added it) of a document already there."""
    pending = writer.pending_hash(doc_id)
    if pending is not None:
        return pending, True
    stored = writer.catalog.stored(doc_id)
    return (stored[1], stored[0] > before) if stored else None


def _duplicate_message(document: Document, this_run: bool) -> str:
    where = "appears twice in the corpus" if this_run else "is in the index with other content"
    return (
        f"document id {document.doc_id!r} {where}; "
        "give every document its own id, or pass --duplicates skip or --duplicates replace"
    )
