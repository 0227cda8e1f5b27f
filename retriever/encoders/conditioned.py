"""An encoder whose texts are read with the meanings that shared words have in their language."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import xxhash

from xret.errors import ModelError
from xret.retriever.encoder import Encoder, EncoderOptions, PlacedVectors, PlacingEncoder
from xret.retriever.encoders.text_model import document_text
from xret.retriever.languages.shared_words import (
    ConditionedText,
    SharedWords,
    shipped_shared_words,
)
from xret.types import Document, Embeddings, EncoderSpec, Query

__all__ = ["ConditionedEncoder"]

_SURE_WORDS = 4
"""Words of a question from which on its language may be one that was identified: of fewer, a
shared word is as likely English."""


class ConditionedEncoder:
    """Another encoder, whose texts go through `SharedWords.conditioned` first.

    Documents and questions of an index are read alike, so its fingerprint is the encoder's and
    the table's. Everything else that the encoder can do it does, on the texts as they are.
    """

    def __init__(self, encoder: Encoder, words: SharedWords, options: EncoderOptions) -> None:
        self._encoder = encoder
        self._words = words
        self.options = options
        fingerprint = f"{encoder.spec.fingerprint} {words.fingerprint}"
        self.spec: EncoderSpec = dataclasses.replace(
            encoder.spec, fingerprint=xxhash.xxh3_128(fingerprint.encode()).hexdigest()
        )

    @classmethod
    def of(cls, encoder: Encoder, options: EncoderOptions) -> ConditionedEncoder:
        """With the shipped table, whose fingerprint the options name.

        Raises ModelError where they name another one.
        """
        words = shipped_shared_words()
        if options.shared_words != words.fingerprint:
            raise ModelError(
                f"the table of shared words is {words.fingerprint} in this installation, and "
                f"{options.shared_words} was asked for; build the index anew"
            )
        own: EncoderOptions = getattr(encoder, "options", None) or options
        return cls(encoder, words, dataclasses.replace(own, shared_words=words.fingerprint))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # of a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self._encoder, name)

    @property
    def truncated(self) -> int:
        return self._encoder.truncated

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        return self._encoder.encode_queries([self._query(query) for query in queries])

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        return self._encoder.encode_documents([self._document(document) for document in documents])

    def passages(self, document: Document) -> list[tuple[int, int]]:
        return self._encoder.passages(document)

    def cuts_query(self, query: Query) -> bool:
        return self._encoder.cuts_query(self._query(query))

    def route(self, lang: str) -> Any:
        return self._encoder.route(lang)

    def placed_query(self, query: Query) -> PlacedVectors | None:
        """As the encoder's; places are those of the words that the meanings stand for."""
        if not isinstance(self._encoder, PlacingEncoder):
            return None
        read = self._query(query)
        placed = self._encoder.placed_query(read)
        if placed is None or read is query:
            return placed
        return _as_it_was(placed, self._words.conditioned(query.text, query.lang), query.text)

    def placed_document(self, document: Document) -> PlacedVectors | None:
        """The same of a document."""
        if not isinstance(self._encoder, PlacingEncoder):
            return None
        read = self._document(document)
        placed = self._encoder.placed_document(read)
        if placed is None or read is document:
            return placed
        text = document_text(document)
        return _as_it_was(placed, self._words.conditioned(text, document.lang), text)

    def _query(self, query: Query) -> Query:
        if query.lang_source != "given" and len(query.text.split()) < _SURE_WORDS:
            return query
        read = self._words.conditioned(query.text, query.lang)
        return dataclasses.replace(query, text=read.text) if read.changes else query

    def _document(self, document: Document) -> Document:
        text = self._words.conditioned(document.text, document.lang)
        title = self._words.conditioned(document.title, document.lang)
        if not text.changes and not title.changes:
            return document
        return dataclasses.replace(document, text=text.text, title=title.text)


def _as_it_was(placed: PlacedVectors, read: ConditionedText, text: str) -> PlacedVectors:
    """The vectors at their places in the text before; unchanged where the encoder read another."""
    before = placed.text.find(read.text)
    if before < 0:
        return placed
    after = before + len(read.text)
    longer = len(text) - len(read.text)

    def place(span: tuple[int, int]) -> tuple[int, int]:
        start, end = span
        if end <= before:
            return span
        if start >= after:
            return start + longer, end + longer
        first, last = read.place(start - before, end - before)
        return first + before, last + before

    whole = placed.text[:before] + text + placed.text[after:]
    return PlacedVectors(whole, placed.vectors, [[*map(place, spans)] for spans in placed.places])
