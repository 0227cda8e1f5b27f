"""LangChain: a retriever, a document compressor that reranks, and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from xret.integrations.library import needed_library
from xret.integrations.texts import OpenReranker, found_texts, opened_index
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.retriever.text_vectors import encode_texts

with needed_library("langchain-core", extra="langchain"):
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from pydantic import ConfigDict, Field

__all__ = ["XretEmbeddings", "XretReranker", "XretRetriever"]


class XretRetriever(BaseRetriever):
    """Documents of an index, in any language, for questions in any other.

    index: its name or path, or an open one. k: how many documents; `invoke(query, k=3)` may say
    otherwise. passages: whether a text is the best passage alone. search: other fields of a
    SearchRequest by their names (`doc_langs`, `filter`, `mode`, `rerank`, ...).

        XretRetriever(index="my-index", k=5, search={"doc_langs": ["sw"]}).invoke("spring rain")
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, ignored_types=(cached_property,))

    index: Any
    k: int = Field(default=10, ge=1)
    passages: bool = False
    search: dict[str, Any] = Field(default_factory=dict)

    @cached_property
    def searcher(self) -> Searcher:
        return opened_index(self.index)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002
        **named: Any,
    ) -> list[Document]:
        k = named.pop("k", self.k)
        options = {**self.search, **named}
        texts = found_texts(self.searcher, query, k, options, passages=self.passages)
        return [
            Document(
                id=one.doc_id,
                page_content=one.text,
                metadata={**one.metadata, "id": one.doc_id, "score": one.score},
            )
            for one in texts
        ]


class XretReranker(BaseDocumentCompressor):
    """Keeps the top_n documents that answer a question best, best first.

    reranker: a name, folder or address as `--rerank` takes it, or an open one. Each document
    gets `relevance_score` in its metadata.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, ignored_types=(cached_property,))

    reranker: Any = "xret-modular"
    top_n: int | None = Field(default=None, ge=1)

    @cached_property
    def opened(self) -> OpenReranker:
        return OpenReranker(self.reranker)

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Any = None,  # noqa: ARG002
    ) -> Sequence[Document]:
        best = self.opened.best(query, [one.page_content for one in documents], self.top_n)
        return [
            documents[n].model_copy(
                update={"metadata": {**documents[n].metadata, "relevance_score": score}}
            )
            for n, score in best
        ]


class XretEmbeddings(Embeddings):
    """One vector a text, of a bi-encoder or of a late-interaction model's single vector.

    model: a name or folder, or an open encoder. dim: keep the first numbers of each vector.
    """

    def __init__(self, model: str | Encoder = "xret-modular", *, dim: int | None = None) -> None:
        options = EncoderOptions(single_vector=True)
        self.encoder = load_encoder(model, options=options) if isinstance(model, str) else model
        self.dim = dim

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = encode_texts(
            self.encoder, texts, dim=self.dim
        ).vectors.tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        made = encode_texts(self.encoder, [text], task="query", dim=self.dim)
        vector: list[float] = made.vectors[0].tolist()
        return vector
