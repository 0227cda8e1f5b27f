"""Encoders for tests: real ones, that need no weights."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import xxhash

from xret.types import Document, Embeddings, EncoderSpec, FloatArray, Query

__all__ = ["HashingEncoder", "MeanEncoder"]

# Scripts written without spaces: every character is a word.
_WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"
    r"|[^\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+"
)


class HashingEncoder:
    """One unit vector of 32 dimensions a word, from a hash of the word and nothing else.

    Equal words (case, normal form and surrounding punctuation aside) have equal vectors,
    different words nearly orthogonal ones: a document ranks by the words it shares with
    the query, in any script, on any machine. It has no `load`: there is nothing to load.
    """

    def __init__(self) -> None:
        self.truncated = 0
        self._spec = EncoderSpec(
            name="hashing", fingerprint="hashing-1", dim=32, languages=("en", "fr", "sw")
        )

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        return _encode([query.text for query in queries])

    def route(self, lang: str) -> None:
        """It has no adapters."""

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        return _encode([f"{document.title} {document.text}" for document in documents])


class MeanEncoder(HashingEncoder):
    """One vector a text: the mean of its words', at unit length. Questions are marked as such."""

    def __init__(self) -> None:
        super().__init__()
        self._spec = dataclasses.replace(self._spec, name="mean", fingerprint="mean-1")

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        return _means(
            super().encode_queries([Query("", f"query: {query.text}") for query in queries])
        )

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        return _means(super().encode_documents(documents))


def _means(made: Embeddings) -> Embeddings:
    means = np.stack([rows.mean(axis=0) for rows in made])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return Embeddings(means, np.arange(len(made) + 1, dtype=np.int64))


def _encode(texts: Sequence[str]) -> Embeddings:
    vectors = [np.stack([_vector(word) for word in _words(text)]) for text in texts]
    offsets = np.cumsum([0, *(len(rows) for rows in vectors)]).astype(np.int64)
    return Embeddings(np.concatenate([np.empty((0, 32), np.float32), *vectors]), offsets)


def _words(text: str) -> list[str]:
    """At least one word, even of a text without any."""
    found = _WORD.findall(unicodedata.normalize("NFC", text).casefold())
    bare = [re.sub(r"^[^\w]+|[^\w]+$", "", word) for word in found]
    return [word for word in bare if word] or [text]


def _vector(word: str) -> FloatArray:
    seed = xxhash.xxh3_64_intdigest(word.encode("utf-8", "replace"))
    vector = np.random.default_rng(seed).standard_normal(32).astype(np.float32)
    unit: FloatArray = vector / np.linalg.norm(vector)
    return unit
