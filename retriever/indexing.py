"""Documents into the writer of an index: languages found, passages cut, vectors made."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import compress
from typing import Literal

import numpy as np

from xret.errors import CorpusError, UnusableIndexError
from xret.index.storage.segment import Span
from xret.index.storage.stored import StoredRoute
from xret.index.words.expected import analysis_part
from xret.index.words.lexical import DocumentTerms
from xret.index.writing.writer import IndexWriter
from xret.retriever.encoder import Encoder, EncoderOptions, passages_of
from xret.retriever.languages.identification import identify_language
from xret.retriever.lexical.analysis import analysis_version
from xret.retriever.lexical.words import WORDS_SETTING, document_terms
from xret.retriever.translation.indexed import index_terms
from xret.types import UNDETERMINED, Document, Embeddings

__all__ = [
    "OPTIONS_SETTING",
    "DocumentIndexer",
    "check_document",
    "next_batch",
    "passage_parts",
    "passages",
    "with_language",
]

OPTIONS_SETTING = "encoder_options"
"""Name of the catalog's setting with the options, as JSON, that the encoder was opened with."""

BATCH_CHARACTERS = 1 << 20
"""A batch of documents ends with the one that brings its texts to so many characters."""

ENCODED_CHARACTERS = 1 << 17
"""Passages with so many characters are encoded at once: a vector takes a hundred times the
bytes of its word, until it is coded."""


def next_batch(documents: Iterator[Document], n: int) -> list[Document]:
    """The next documents: at most n, and fewer where their texts are long; none at the end."""
    batch: list[Document] = []
    size = 0
    while len(batch) < n and size < BATCH_CHARACTERS:
        document = next(documents, None)
        if document is None:
            break
        batch.append(document)
        size += len(document.text) if isinstance(document.text, str) else 0
    return batch


class DocumentIndexer:
    """Encodes documents and hands them to a writer, which commits when it is told to.

    Documents get terms for lexical search where the index was created with them. Raises
    UnusableIndexError where another version of the text analysis made those, or the table that
    translated them is another by now. on_truncated: is
    given each passage, as a document, whose end the encoder left out. unread: by language, how
    many passages are mostly letters that the encoder's vocabulary cannot write.
    """

    def __init__(
        self,
        writer: IndexWriter,
        encoder: Encoder,
        *,
        on_truncated: Callable[[Document], None] | None = None,
    ) -> None:
        self._writer = writer
        self._encoder = encoder
        self._on_truncated = on_truncated
        settings = writer.catalog.settings()
        self._lexical = settings.get(WORDS_SETTING, "")
        if analysis_part(self._lexical) not in ("", analysis_version()):
            raise UnusableIndexError(
                f"the words of {writer.folder} were made by text analysis "
                f"{analysis_part(self._lexical)}, and this is {analysis_version()}; build a new "
                "index"
            )
        self._expected = index_terms(settings, writer.folder)
        self.unread: Counter[str] = Counter()
        self._routed: set[str] = set()
        self._record_encoder()

    def add(self, documents: Sequence[Document], *, present: Set[str] = frozenset()) -> Added:
        """Add documents in order.

        present: ids of those that are in the index already. They are encoded, so that the
        others are in the batch that they belong to, and neither added nor returned.
        """
        labelled = [with_language(document) for document in documents]
        spans = [passages_of(self._encoder, document) for document in labelled]
        self._record_routes({document.lang for document in labelled})
        counted = _Counted(self._encoded(labelled, spans, present))
        if present:
            absent = [document.doc_id not in present for document in labelled]
            labelled, spans = list(compress(labelled, absent)), list(compress(spans, absent))
        terms = [self._terms(document) for document in labelled] if self._lexical else None
        self._writer.add(labelled, counted, spans=spans, terms=terms)
        return Added(labelled, counted.passages, counted.vectors)

    def _encoded(
        self,
        documents: Sequence[Document],
        spans: Sequence[Sequence[Span]],
        present: Set[str],
    ) -> Iterator[Embeddings]:
        """The vectors of the passages of these documents but those that are present, a part
        at a time; the parts are the same whatever is present."""
        for parts in passage_parts(passages(documents, spans)):
            embeddings = self._encoder.encode_documents(parts)
            absent = [part.doc_id not in present for part in parts]
            if self._on_truncated is not None:
                for position in sorted(getattr(self._encoder, "last_cut", ())):
                    if absent[position]:
                        self._on_truncated(parts[position])
            self._count_unread(list(compress(parts, absent)))
            yield embeddings if all(absent) else embeddings.kept(np.array(absent))

    def _terms(self, document: Document) -> DocumentTerms:
        """The document's own, or those that its words translate to."""
        return document_terms(document) if self._expected is None else self._expected.of(document)

    def _count_unread(self, parts: Sequence[Document]) -> None:
        tell = getattr(self._encoder, "unread_documents", None)
        if tell is not None:
            letters = zip(parts, tell(parts), strict=True)
            self.unread.update(part.lang for part, unread in letters if unread.mostly)

    def _record_encoder(self) -> None:
        """How to open the encoder again, where its name alone does not say it."""
        options = getattr(self._encoder, "options", None)
        if isinstance(options, EncoderOptions) and (recorded := options.recorded()):
            catalog = self._writer.catalog
            with catalog.transaction():
                catalog.record_setting(OPTIONS_SETTING, json.dumps(recorded, sort_keys=True))

    def _record_routes(self, langs: set[str]) -> None:
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
            with self._writer.catalog.transaction():
                self._writer.catalog.record_routes(routes)


@dataclass(frozen=True, slots=True)
class Added:
    """documents: with their languages; how many passages and vectors they have."""

    documents: list[Document]
    passages: int
    vectors: int


class _Counted:
    """Embeddings, counted as they pass."""

    def __init__(self, parts: Iterable[Embeddings]) -> None:
        self._parts = parts
        self.passages = self.vectors = 0

    def __iter__(self) -> Iterator[Embeddings]:
        for embeddings in self._parts:
            self.passages += len(embeddings)
            self.vectors += len(embeddings.values)
            yield embeddings


def passage_parts(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Passages in groups that are encoded at once."""
    part: list[Document] = []
    size = 0
    for document in documents:
        part.append(document)
        size += len(document.title) + len(document.text)
        if size >= ENCODED_CHARACTERS:
            yield part
            part, size = [], 0
    if part:
        yield part


def passages(documents: Sequence[Document], spans: Sequence[Sequence[Span]]) -> Iterator[Document]:
    """Every passage of every document, as a document with the whole one's title."""
    for document, of_document in zip(documents, spans, strict=True):
        if len(of_document) == 1:
            yield document
        else:
            for start, end in of_document:
                yield dataclasses.replace(document, text=document.text[start:end])


def with_language(document: Document) -> Document:
    """The document itself where its language was given, else with the one identified."""
    if document.lang != UNDETERMINED:
        return document
    lang, confidence = identify_language(f"{document.title} {document.text}")
    source: Literal["identified", "unknown"] = "unknown" if lang == UNDETERMINED else "identified"
    return dataclasses.replace(
        document, lang=lang, lang_source=source, lang_confidence=round(confidence, 4)
    )


def check_document(document: Document) -> None:
    """What no reader of corpus files lets through, but a program can pass."""
    if not document.doc_id:
        raise CorpusError("a document has an empty id; give every document its own")
    texts = (document.doc_id, document.title, document.text, document.lang)
    marks = (document.url, document.date)
    if not all(isinstance(one, str) for one in (*texts, *(m for m in marks if m is not None))):
        raise CorpusError(
            f"document {document.doc_id!r} has a field of another type; id, text, title, url, date "
            "and language are text"
        )
    if "\n" in document.doc_id or "\r" in document.doc_id:
        raise CorpusError(
            f"the id {document.doc_id!a} has a line break, which no run file or address can hold; "
            "give the document another"
        )
    if not all(isinstance(name, str) for name in document.meta):
        raise CorpusError(f"document {document.doc_id!r} has metadata whose name is no text")
    try:
        json.dumps(dict(document.meta), default=str, allow_nan=False)
    except ValueError as error:
        raise CorpusError(
            f"document {document.doc_id!r} has metadata that is no JSON ({error}); leave numbers "
            "that are not finite away"
        ) from None
    try:
        f"{document.doc_id}{document.title}{document.text}{document.url}{document.date}".encode()
    except UnicodeEncodeError:
        raise CorpusError(
            f"document {document.doc_id!a} holds a lone surrogate and is not valid Unicode text"
        ) from None
