"""What all transformer encoders share: texts prepared, routed, batched, put back in order.

A `TextModel` turns a batch into vectors; here is decided which texts make a batch, which
adapter each goes through, and what becomes of the vectors afterwards. Neither torch nor
onnxruntime is imported by this module.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from xret.errors import ModelError
from xret.retriever.encoder import EncoderOptions, PlacedVectors
from xret.retriever.encoders.batches import run_batches, token_batches
from xret.retriever.encoders.text_model import (
    TEMPLATE,
    Features,
    Task,
    TextModel,
    Through,
    document_text,
    readable,
    without_surrogates,
)
from xret.retriever.encoders.unread_letters import LetterReader, UnreadLetters
from xret.retriever.passages import MIN_TOKENS, PassageSplitter
from xret.types import Document, Embeddings, EncoderSpec, FloatArray, IntArray, Query

if TYPE_CHECKING:
    from xret.retriever.languages.code_switching import LanguageSpan
    from xret.retriever.languages.router import LanguageRouter, Route
    from xret.retriever.modules import LanguageModules

__all__ = ["TransformerEncoder"]

CHARACTERS_PER_TOKEN = 64
"""Longest that tokens are on average in any text worth reading, with a wide margin."""

QUERY_TOKENS = 512
"""Longest query of any model that is known here."""

OVERLAP = 32
"""Tokens that a passage repeats of the one before it, at most."""

_CHUNK = 256
_SMALLEST = np.float32(1e-12)


class TransformerEncoder:
    """An encoder over text models: one for documents, one for queries; often the same.

    Both are given as functions, called once at the first text of their kind, so that a
    search never loads what only indexing needs; that for queries is told their adapters, and
    whether one of them needs several. router: None where texts of all languages
    are read alike. modules: adapters that are switched for a whole group of texts, None
    where the model itself takes an adapter for each text, or none at all. keep_first: whether
    a document's first vector is that of a mark, which pooling leaves alone.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        options: EncoderOptions,
        *,
        documents: Callable[[], TextModel],
        queries: Callable[[Sequence[str] | None, bool], TextModel],
        router: LanguageRouter | None = None,
        modules: LanguageModules | None = None,
        keep_first: bool = True,
    ) -> None:
        self.spec = spec
        self.options = options
        self.truncated = 0
        self.last_cut: list[int] = []
        self.router = router
        self._load_documents = documents
        self._load_queries = queries
        self._modules = modules
        self._keep_first = keep_first
        self._letters: LetterReader | None = None
        self._switching, self._tokenizing = threading.Lock(), threading.Lock()

    @cached_property
    def document_model(self) -> TextModel:
        return self._load_documents()

    def route(self, lang: str) -> Route | None:
        """The adapter of a language, None for an encoder without adapters.

        Raises LanguageError under the strict policy for a language that has none.
        """
        return None if self.router is None else self.router.route(lang)

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        """Each query through the adapter of its own language, or of those mixed in it."""
        adapters = self._adapters([query.lang for query in queries])
        mixed = self._mixed(queries)
        model = self._load_queries(adapters, bool(mixed))
        return self._encode(model, [query.text for query in queries], adapters, "query", mixed)

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        """Each document through the adapter of its own language, whatever its neighbours'."""
        self.last_cut = []
        adapters = self._adapters([document.lang for document in documents])
        texts = [document_text(document) for document in documents]
        return self._encode(self.document_model, texts, adapters, "document")

    def placed_query(self, query: Query) -> PlacedVectors | None:
        """The vectors of a query and where they stand in it; None where it has one."""
        model = self._load_queries(self._adapters([query.lang]), bool(self._mixed([query])))
        spans = self._spans(model, query.text, "query")
        if spans is None:
            return None
        return self._placed(query.text, self.encode_queries([query])[0], spans)

    def placed_document(self, document: Document) -> PlacedVectors | None:
        """The same of a document, its title before its text, before its vectors are pooled."""
        text, adapters = document_text(document), self._adapters([document.lang])
        spans = self._spans(self.document_model, text, "document")
        if spans is None:
            return None
        vectors = self._encode(self.document_model, [text], adapters, "document", to_index=False)
        return self._placed(text, vectors[0], spans)

    def _spans(self, model: TextModel, text: str, task: Task) -> list[tuple[int, int]] | None:
        with self._tokenizing:
            return model.spans(self._readable(model, text)[0], task)

    def _placed(
        self, text: str, vectors: FloatArray, spans: Sequence[tuple[int, int]]
    ) -> PlacedVectors:
        if len(vectors) == 1 and not vectors.any():  # a text that is not read
            return PlacedVectors(text, vectors, [[]])
        if len(spans) != len(vectors):
            raise ModelError(
                f"{self.spec.name} gives {len(vectors)} vectors of a text in which it tells "
                f"{len(spans)} places; its scores cannot be explained"
            )
        return PlacedVectors(text, vectors, [[span] if span[0] < span[1] else [] for span in spans])

    def passages(self, document: Document) -> list[tuple[int, int]]:
        """Spans of the text that are read whole, each with the title before it."""
        whole, model = [(0, len(document.text))], self.document_model
        title = TEMPLATE.format(title=document.title, text="") if document.title else ""
        if 2 * len(title + document.text) <= model.max_tokens or model.tokens is None:
            return whole
        with self._tokenizing:
            before = readable(title, limit=model.max_tokens * CHARACTERS_PER_TOKEN)[0]
            marks = int(model.features([before], "document").lengths[0])
            # Tokens beside the title's end may be others than those of each part alone.
            budget = max(model.max_tokens - marks - 2, model.max_tokens // 2, MIN_TOKENS)
            text = without_surrogates(document.text)
            splitter = PassageSplitter(
                model.tokens, max_tokens=budget, overlap=min(OVERLAP, budget // 8)
            )
            return [(passage.start, passage.end) for passage in splitter.split(text)] or whole

    def cuts_query(self, query: Query) -> bool:
        """Whether tokens of a query are left out."""
        adapters = self._adapters([query.lang])
        model = self._load_queries(adapters, bool(self._mixed([query])))
        text, cut = self._readable(model, query.text)
        with self._tokenizing:
            return cut or bool(model.features([text], "query").cut[0])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before any cut, without marks; words where it has no tokenizer."""
        tokens = self.document_model.tokens
        if tokens is None:
            return [len(text.split()) for text in texts]
        with self._tokenizing:
            read = map(without_surrogates, texts)
            return [len(tokens.encode(text, add_special_tokens=False).ids) for text in read]

    def unread_query(self, query: Query) -> UnreadLetters:
        """Letters of a query that the vocabulary cannot write, where they may be most of it."""
        model = self._load_queries(self._adapters([query.lang]), bool(self._mixed([query])))
        return self._unread(model, [query.text])[0]

    def unread_documents(self, documents: Sequence[Document]) -> list[UnreadLetters]:
        """The same of each document's text."""
        texts = [document.text for document in documents]
        return self._unread(self.document_model, texts)

    def _unread(self, model: TextModel, texts: Sequence[str]) -> list[UnreadLetters]:
        with self._tokenizing:
            if self._letters is None and model.tokens is not None:
                self._letters = LetterReader(model.tokens)
            if self._letters is None:
                return [UnreadLetters()] * len(texts)
            return [self._letters.unread(without_surrogates(text)) for text in texts]

    def _readable(self, model: TextModel, text: str) -> tuple[str, bool]:
        limit = max(model.max_tokens, QUERY_TOKENS) * CHARACTERS_PER_TOKEN
        return readable(text, limit=limit)

    def _mixed(self, queries: Sequence[Query]) -> dict[int, list[LanguageSpan]]:
        """The parts of the queries that are in more than one language, by position."""
        if not self.options.code_switching or self.router is None or self._modules is not None:
            return {}
        from xret.retriever.languages.code_switching import language_spans

        unsaid = [i for i, query in enumerate(queries) if query.lang_source != "given"]
        found = {i: language_spans(queries[i].text) for i in unsaid}
        return {i: spans for i, spans in found.items() if len(spans) > 1}

    def _adapters(self, langs: Sequence[str]) -> list[str] | None:
        if self.router is None:
            return None
        return [self.router.route(lang).adapter for lang in langs]

    def _encode(
        self,
        model: TextModel,
        texts: Sequence[str],
        adapters: list[str] | None,
        task: Task,
        mixed: Mapping[int, list[LanguageSpan]] = MappingProxyType({}),
        *,
        to_index: bool = True,
    ) -> Embeddings:
        """Vectors of all texts, in their order.

        to_index: whether documents' are pooled, and counted where they are cut.
        """
        clean = [self._readable(model, text) for text in texts]
        found: dict[int, FloatArray] = {}
        if self._modules is None or adapters is None:
            self._run(model, clean, adapters, task, range(len(texts)), found, mixed, to_index)
        else:
            with self._switching:  # another thread must not switch between select and forward
                for adapter in sorted(set(adapters)):
                    group = [i for i, other in enumerate(adapters) if other == adapter]
                    self._modules.select(adapter)
                    self._run(model, clean, None, task, group, found, mixed, to_index)
        factor = (self.options.pool_factor or 1) if task == "document" and to_index else 1
        for i, unread in enumerate(self._unread(model, [text for text, _ in clean])):
            if unread.silent:
                found[i] = np.zeros((1, self.spec.dim), np.float32)
        rows = [
            self._finish(
                found[i], factor, unit=model.unit, adapter=adapters[i] if adapters else None
            )
            for i in range(len(texts))
        ]
        offsets = np.cumsum([0, *(len(vectors) for vectors in rows)]).astype(np.int64)
        return Embeddings(
            np.concatenate([np.empty((0, self.spec.dim), np.float32), *rows]), offsets
        )

    def _run(
        self,
        model: TextModel,
        texts: Sequence[tuple[str, bool]],
        adapters: list[str] | None,
        task: Task,
        which: Sequence[int],
        found: dict[int, FloatArray],
        mixed: Mapping[int, list[LanguageSpan]],
        to_index: bool,
    ) -> None:
        """Raw vectors of the texts at these positions, put into `found`.

        Sorted by characters first, so that what is tokenised together is of like length and
        memory is bounded; then by tokens, exactly.
        """
        order = sorted(which, key=lambda i: -len(texts[i][0]))
        size = max(_CHUNK, model.batch_tokens // 64)
        for start in range(0, len(order), size):
            chunk = order[start : start + size]
            with self._tokenizing:  # tokenizers refuse to be set up by two threads at once
                features = model.features([texts[i][0] for i in chunk], task)
            if task == "document" and to_index:
                cut = np.array([texts[i][1] for i in chunk]) | features.cut
                self.truncated += int(cut.sum())
                self.last_cut += [i for i, was_cut in zip(chunk, cut, strict=True) if was_cut]

            through: list[Through] | None = None
            if adapters is not None:
                through = [adapters[i] for i in chunk]
                for row, i in enumerate(chunk):
                    if i in mixed:
                        through[row] = self._by_token(texts[i][0], features, row, mixed[i])

            def forward(
                rows: IntArray,
                features: Features = features,
                through: list[Through] | None = through,
            ) -> list[FloatArray]:
                chosen = None if through is None else [through[row] for row in rows]
                return model.vectors(features, rows, chosen, task)

            batches = token_batches(features.lengths, model.batch_tokens)
            for rows, vectors in run_batches(batches, forward):
                for row, values in zip(rows.tolist(), vectors, strict=True):
                    found[chunk[row]] = values

    def _by_token(
        self, text: str, features: Features, row: int, spans: Sequence[LanguageSpan]
    ) -> Through:
        """The adapter of each token of one text."""
        from xret.retriever.languages.code_switching import token_langs

        if features.offsets is None or self.router is None:
            raise ModelError(f"{self.spec.name} does not tell where its tokens are in a text")
        langs = token_langs(text, features.offsets[row], spans)
        return [self.router.route(lang).adapter for lang in langs]

    def _finish(
        self, vectors: FloatArray, factor: float, *, unit: bool, adapter: str | None
    ) -> FloatArray:
        """One text's vectors as the index takes them: shortened, pooled, of unit length; a text
        of which nothing is read has one that is zero."""
        if not vectors.any():
            return np.zeros((1, self.spec.dim), np.float32)
        if not np.isfinite(vectors).all():
            raise ModelError(
                f"{self.spec.name} gives numbers that are not finite; its weights are damaged, "
                "or the precision is too low for it (use fp32)"
            )
        # Matryoshka vectors are meant to be cut and scaled to unit length again (Kusupati 2022).
        made = vectors[:, : self.spec.dim]
        if unit or self.spec.dim < vectors.shape[1]:
            made = _unit(made)
        if self._modules is not None and adapter is not None:
            made = self._modules.transform(made, adapter)
        if factor > 1:
            from xret.retriever.encoders.pooling import pool_tokens

            made = pool_tokens(made, factor, keep_first=self._keep_first)
        empty = ~made.any(axis=1)
        if empty.any():
            made = made.copy()
            made[empty, -1] = 1.0
        return np.ascontiguousarray(made, dtype=np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    made: FloatArray = vectors / np.maximum(lengths, _SMALLEST)[:, None]
    return made
