"""The embedded encoder: static multilingual word vectors, scored by late interaction.

A word's vector is the sum of its pieces' rows, and the length of that sum is the word's
weight; in queries it is sharpened by a power and by a trained emphasis. A text's vector p is
the weighted mean of its words, scaled to unit length; each word u of a document becomes
normalize(a u + b p), each word of a query the same times its share of the query's weight. So
plain MaxSim (Khattab and Zaharia 2020) scores words and whole texts at once, and a score lies
in [-1, 1].
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash
from safetensors.numpy import load_file

from xret.errors import ModelError
from xret.retriever.encoder import PlacedVectors
from xret.retriever.encoders.text_model import document_text
from xret.retriever.encoders.unread_letters import LetterReader, UnreadLetters
from xret.retriever.encoders.word_places import placed_words
from xret.retriever.encoders.wordpieces import WordPieces, split_words
from xret.retriever.passages import PassageSplitter
from xret.types import Document, Embeddings, EncoderSpec, FloatArray, IntArray, Query

__all__ = ["StaticConfig", "StaticEncoder", "WordTable"]

FORMAT = 1
CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE = "config.json", "model.safetensors", "tokenizer.json"
_SMALLEST = np.float32(1e-12)
_CHARACTERS_PER_TOKEN = 64
OVERLAP = 32
"""Pieces that a passage repeats of the one before it, at most."""
_LARGEST_EMPHASIS = 4.0


@dataclass(frozen=True, slots=True)
class StaticConfig:
    """`config.json` of a model folder.

    *_token and *_text: how much of the word's own and of the text's direction a vector has.
    query_power: a query word's share is its length to this power, times exp(emphasis), over
    the query's sum of these.
    max_tokens: pieces of a text that are read; the rest is cut off at a word's end.
    """

    name: str
    dim: int
    vocabulary_size: int
    languages: tuple[str, ...]
    query_token: float = 1.0
    query_text: float = 0.5
    document_token: float = 1.0
    document_text: float = 0.5
    query_power: float = 1.0
    max_tokens: int = 512

    @classmethod
    def read(cls, path: Path) -> StaticConfig:
        """Raises ModelError naming the file and the field that is missing or of another type."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{path} cannot be read as JSON: {error}") from error
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
            raise ModelError(f"{path} is no xret-static configuration of format {FORMAT}")
        try:
            config = cls(**{**fields, "languages": tuple(fields["languages"])})
        except (KeyError, TypeError) as error:
            raise ModelError(f"{path} has missing, unknown or ill-typed fields: {error}") from error
        sizes = (config.dim, config.vocabulary_size, config.max_tokens)
        if not all(isinstance(size, int) and size > 0 for size in sizes) or config.dim % 2:
            raise ModelError(f"{path}: dim (even), vocabulary_size, max_tokens must be positive")
        return config


class WordTable:
    """Rows of 4-bit numbers, turned into float32 only where they are asked for.

    codes: (v, d/2) uint8, two values a byte, the low half first; levels: (16,) float32;
    columns: (d,) float32; scales: (v,) float16. Row r is scales[r] * columns * levels[codes].
    emphasis: (v,) float16, the logarithm of a piece's extra weight in queries.
    """

    def __init__(
        self,
        codes: npt.NDArray[np.uint8],
        levels: FloatArray,
        columns: FloatArray,
        scales: npt.NDArray[np.float16],
        emphasis: npt.NDArray[np.float16],
    ) -> None:
        self.emphasis = emphasis
        self.codes = codes
        self.columns = columns
        self.scales = scales
        byte = np.arange(256)
        pairs = np.stack([levels[byte & 15], levels[byte >> 4]], axis=1).astype(np.float32)
        # Both values of a byte are fetched as one 8-byte element.
        self._pairs = pairs.reshape(-1).view(np.float64)

    @classmethod
    def load(cls, path: Path, *, rows: int, dim: int) -> WordTable:
        """Raises ModelError when a tensor is missing or has another shape or type."""
        expected = {
            "codes": ((rows, dim // 2), np.uint8),
            "levels": ((16,), np.float32),
            "columns": ((dim,), np.float32),
            "scales": ((rows,), np.float16),
            "emphasis": ((rows,), np.float16),
        }
        try:
            tensors = load_file(path)
        except Exception as error:  # safetensors raises its own and OSError
            raise ModelError(f"{path} cannot be read as safetensors: {error}") from error
        for name, (shape, kind) in expected.items():
            tensor = tensors.get(name)
            if tensor is None or tensor.shape != shape or tensor.dtype != kind:
                found = "nothing" if tensor is None else f"{tensor.dtype} {tensor.shape}"
                wanted = f"{np.dtype(kind)} {shape}"
                raise ModelError(f"{path}: tensor {name!r} should be {wanted}, found {found}")
        return cls(**tensors)

    def rows(self, ids: IntArray) -> FloatArray:
        """(n,) row numbers to (n, d) float32."""
        values = self._pairs[self.codes[ids]].view(np.float32)
        values *= self.columns
        values *= self.scales[ids].astype(np.float32)[:, None]
        return values


@dataclass(frozen=True, slots=True)
class _Words:
    """Distinct words of some texts: n words, t of them over m texts.

    directions: (n, d) of unit length; lengths, emphasis: (n,); which: (t,) into them; counts: (t,);
    offsets: (m + 1,); texts: (m, d), the weighted means at unit length.
    """

    directions: FloatArray
    lengths: FloatArray
    emphasis: FloatArray
    which: IntArray
    counts: FloatArray
    offsets: IntArray
    texts: FloatArray


class StaticEncoder:
    """Words of a text to vectors, by table: no network, no batch effects, no GPU.

    A text without a known word gets one vector that is zero: an index finds no such document,
    and nothing by such a question.
    """

    def __init__(
        self, config: StaticConfig, table: WordTable, pieces: WordPieces, spec: EncoderSpec
    ) -> None:
        self.config = config
        self.spec = spec
        self.truncated = 0
        self.last_cut: list[int] = []
        self._table = table
        self._pieces = pieces
        self._letters = LetterReader(pieces)
        self._turn = threading.Lock()  # numbers of words are given out and forgotten inside

    @classmethod
    def load(cls, folder: Path, *, name: str | None = None) -> StaticEncoder:
        """Open a model folder: config.json, model.safetensors, tokenizer.json.

        name: by which an index finds the encoder again, the configuration's where None.
        Raises ModelError naming what is missing or does not fit together.
        """
        missing = [
            name
            for name in (CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE)
            if not (folder / name).is_file()
        ]
        if missing:
            raise ModelError(f"{folder} is no xret-static model: no {', '.join(missing)} there")
        config = StaticConfig.read(folder / CONFIG_FILE)
        pieces = WordPieces.load(folder / TOKENIZER_FILE)
        if pieces.vocabulary_size != config.vocabulary_size:
            raise ModelError(
                f"{folder}: the tokenizer has {pieces.vocabulary_size} pieces, the configuration"
                f" says {config.vocabulary_size}; the files are of different models"
            )
        table = WordTable.load(folder / WEIGHTS_FILE, rows=config.vocabulary_size, dim=config.dim)
        spec = EncoderSpec(
            name=name or config.name,
            fingerprint=_fingerprint(folder),
            dim=config.dim,
            languages=config.languages,
            words_share=0.5,
        )
        return cls(config, table, pieces, spec)

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        """Each query's words; the lengths of its vectors sum to 1."""
        config = self.config
        with self._turn:
            words = self._words([self._cut(query.text)[0] for query in queries])
        weights = words.lengths ** np.float32(config.query_power)
        weights *= np.exp(np.clip(words.emphasis, -_LARGEST_EMPHASIS, _LARGEST_EMPHASIS))
        shares = weights[words.which] * words.counts
        sums = np.add.reduceat(shares, words.offsets[:-1]) if len(queries) else shares
        shares /= np.repeat(np.maximum(sums, _SMALLEST), np.diff(words.offsets))
        values = _mixed(words, config.query_token, config.query_text)
        values *= shares[:, None]
        return Embeddings(values, words.offsets)

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        """Each document's distinct words at unit length; the title is read as a first line."""
        numbers = []
        with self._turn:
            self.last_cut = []
            for position, document in enumerate(documents):
                kept, was_cut = self._cut(document_text(document))
                if was_cut:
                    self.truncated += 1
                    self.last_cut.append(position)
                numbers.append(kept)
            words = self._words(numbers)
        return Embeddings(
            _mixed(words, self.config.document_token, self.config.document_text), words.offsets
        )

    def placed_query(self, query: Query) -> PlacedVectors:
        """The vectors of a query's distinct words, and where each word is in it."""
        return self._placed(query.text, self.encode_queries([query])[0])

    def placed_document(self, document: Document) -> PlacedVectors:
        """The same of a document, its title before its text."""
        text = document_text(document)
        with self._turn:
            words = self._words([self._cut(text)[0]])
        vectors = _mixed(words, self.config.document_token, self.config.document_text)
        return self._placed(text, vectors)

    def _placed(self, text: str, vectors: FloatArray) -> PlacedVectors:
        places: dict[int, list[tuple[int, int]]] = {}
        with self._turn:
            numbers = self._cut(text)[0]
            spans = [
                span
                for word in placed_words(text[: self.config.max_tokens * _CHARACTERS_PER_TOKEN])
                for span in self._pieces.placed(word.word, word.places)
            ]
            for number, span in zip(numbers, spans, strict=False):  # the rest is not read
                places.setdefault(number, []).append(span)
        return PlacedVectors(text, vectors, list(places.values()) or [[]])

    def passages(self, document: Document) -> list[tuple[int, int]]:
        """Spans of the text that are read whole, each with the title before it."""
        limit = self.config.max_tokens
        with self._turn:
            title = self._pieces.count([document.title])[0] if document.title else 0
            budget = max(limit - title, limit // 2)
            if len(document.text) <= budget or self._pieces.count([document.text])[0] <= budget:
                return [(0, len(document.text))]
            splitter = PassageSplitter(self._pieces, max_tokens=budget, overlap=OVERLAP)
            return [(passage.start, passage.end) for passage in splitter.split(document.text)]

    def cuts_query(self, query: Query) -> bool:
        """Whether words of a query are left out."""
        with self._turn:
            return self._cut(query.text)[1]

    def unread_query(self, query: Query) -> UnreadLetters:
        """What the vocabulary cannot write of a query."""
        with self._turn:
            return self._letters.unread(query.text)

    def unread_documents(self, documents: Sequence[Document]) -> list[UnreadLetters]:
        """The same of each document's text."""
        with self._turn:
            return [self._letters.unread(document.text) for document in documents]

    def route(self, lang: str) -> None:
        """None: one table of words serves every language."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Pieces of each text before any cut; beyond `config.max_tokens` they are not read."""
        with self._turn:
            return self._pieces.count(texts)

    def _cut(self, text: str) -> tuple[list[int], bool]:
        """Numbers of the words that are read, and whether something was left out."""
        limit = self.config.max_tokens
        read = text[: limit * _CHARACTERS_PER_TOKEN]  # a book is not split to read its first page
        numbers = self._pieces.number(split_words(read))
        if len(numbers) * 40 <= limit:  # a word has at most 40 characters, so as many pieces
            return numbers, len(read) < len(text)
        used = 0
        for position, number in enumerate(numbers):
            used += len(self._pieces.pieces[number])
            if used > limit:
                return numbers[:position], True
        return numbers, len(read) < len(text)

    def _words(self, texts: list[list[int]]) -> _Words:
        """Sum pieces to words and words to texts, each text in its own order."""
        counted = [Counter(numbers) or {-1: 1} for numbers in texts]
        sizes = [len(counts) for counts in counted]
        offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        which = np.fromiter(chain.from_iterable(counted), np.int64, int(offsets[-1]))
        counts = np.fromiter(
            chain.from_iterable(counts.values() for counts in counted), np.float32, len(which)
        )
        distinct, which = np.unique(which, return_inverse=True)
        vectors, emphasis = self._word_vectors(distinct)
        lengths = np.maximum(_lengths(vectors), _SMALLEST)
        # One product a text: reduceat over rows takes ten times as long.
        sums = np.empty((len(texts), self.config.dim), np.float32)
        for text, (start, end) in enumerate(pairwise(offsets.tolist())):
            np.dot(counts[start:end], vectors[which[start:end]], out=sums[text])
        sums /= np.maximum(_lengths(sums), _SMALLEST)[:, None]
        vectors /= lengths[:, None]
        self._pieces.forget()
        return _Words(vectors, lengths, emphasis, which, counts, offsets, sums)

    def _word_vectors(self, numbers: IntArray) -> tuple[FloatArray, FloatArray]:
        """(n, d) sums and (n,) mean emphasis of the words' pieces; number -1 is no word."""
        if not len(numbers):
            return np.zeros((0, self.config.dim), np.float32), np.zeros(0, np.float32)
        pieces = [self._pieces.pieces[n] if n >= 0 else (0,) for n in numbers.tolist()]
        sizes = np.array([len(unit) for unit in pieces])
        starts = np.cumsum(sizes) - sizes
        ids = np.fromiter(chain.from_iterable(pieces), np.int64)
        vectors = self._table.rows(ids[starts])
        for position in range(1, int(sizes.max())):
            longer = np.flatnonzero(sizes > position)
            vectors[longer] += self._table.rows(ids[starts[longer] + position])
        emphasis = np.add.reduceat(self._table.emphasis[ids].astype(np.float32), starts)
        emphasis /= sizes.astype(np.float32)
        if numbers[0] < 0:
            vectors[0] = 0
        return vectors, emphasis


def _mixed(words: _Words, token: float, text: float) -> FloatArray:
    """(t, d): token * word + text * its text's vector, at unit length."""
    values = words.directions[words.which]
    values *= np.float32(token)
    values += np.repeat(words.texts * np.float32(text), np.diff(words.offsets), axis=0)
    values /= np.maximum(_lengths(values), _SMALLEST)[:, None]
    return values


def _lengths(vectors: FloatArray) -> FloatArray:
    """Euclidean length of each row."""
    lengths: FloatArray = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return lengths


def _fingerprint(folder: Path) -> str:
    """Hash of the three files: together they determine every vector."""
    digest = xxhash.xxh3_128()
    for name in (CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE):
        digest.update(name.encode())
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
