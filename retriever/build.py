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
from xret.index.catalog import StoredRoute, content_hash
from xret.index.writer import IndexWriter
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.identify import identify_language
from xret.types import UNDETERMINED, Document, Progress

__all__ = ["OPTIONS_SETTING", "BuildSummary", "Duplicates", "IndexBuild"]

BATCH = 256

OPTIONS_SETTING = "encoder_options"
"""Name of the catalog's setting with the options, as JSON, that the encoder was opened with."""

Duplicates = Literal["error", "skip", "replace"]
"""What to do with an id that is already there with other content."""


@dataclass(slots=True)
class BuildSummary:
    """What a build did. Counts are of documents; times are wall-clock seconds."""

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
    index as an unbroken run. Memory is bounded by one segment. `stop` ends a run early
    after committing what was read.
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
        self.stopped = False

    def stop(self) -> None:
        """Ask the run to commit and end after the batch in hand."""
        self.stopped = True

    def run(self, *, total: int | None = None) -> Iterator[Progress]:
        """Build; one Progress a batch, counted in documents read.

        Raises DuplicateIdError on an id met twice (unless told to skip or replace); what
        was committed before stays.
        """
        start = time.perf_counter()
        done = 0
        documents = iter(self._documents)
        with IndexWriter.open(self.folder, self._encoder.spec) as writer:
            before = writer.catalog.last_document()
            self._record_encoder(writer)
            while not self.stopped and (batch := list(islice(documents, BATCH))):
                new = self._unseen(writer, batch, before)
                self._encode(writer, new)
                if writer.full_segments:
                    writer.commit_full()
                done += len(batch)
                self.summary.seconds = time.perf_counter() - start
                yield Progress("index", done, total, "documents")
        self.summary.seconds = time.perf_counter() - start
        self.summary.truncated = self._encoder.truncated

    def _unseen(self, writer: IndexWriter, batch: list[Document], before: int) -> list[Document]:
        """The documents of a batch that must be encoded, in order."""
        new: dict[str, Document] = {}
        for document in batch:
            _check(document)
            if document.doc_id in new:
                earlier: tuple[str, bool] | None = (content_hash(new[document.doc_id]), True)
            else:
                earlier = _earlier(writer, document.doc_id, before)
            if earlier is None:
                new[document.doc_id] = document
                continue
            hash_, this_run = earlier
            if hash_ == content_hash(document) and not (this_run and self._duplicates == "error"):
                self.summary.unchanged += 1
            elif self._duplicates == "skip":
                self.summary.skipped += 1
            elif self._duplicates == "replace":
                new[document.doc_id] = document
                self.summary.replaced += 1
            else:
                raise DuplicateIdError(_duplicate_message(document, this_run))
        return list(new.values())

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
