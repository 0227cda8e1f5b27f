"""LlamaIndex: a retriever, and a node postprocessor that reranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xret.integrations.library import needed_library
from xret.integrations.texts import OpenReranker, found_texts, opened_index
from xret.retriever.rerankers.reranker import Reranker
from xret.retriever.searcher import Searcher

with needed_library("llama-index-core", extra="llama-index"):
    from llama_index.core.bridge.pydantic import Field, PrivateAttr
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode

__all__ = ["XretReranker", "XretRetriever"]

READ = frozenset({"title", "lang", "url", "date"})
"""Metadata that a language model reads with a text."""


class XretRetriever(BaseRetriever):
    """Nodes of an index, in any language, for questions in any other.

    index: its name or path, or an open one. similarity_top_k: how many. passages: whether a
    node is the best passage alone, and not the document. search: other fields of a
    SearchRequest, by their names.

        XretRetriever("my-index", similarity_top_k=5).retrieve("spring rain")
    """

    def __init__(
        self,
        index: Searcher | str | Path,
        *,
        similarity_top_k: int = 10,
        passages: bool = False,
        search: dict[str, Any] | None = None,
        **named: Any,
    ) -> None:
        super().__init__(**named)
        self.searcher = opened_index(index)
        self.similarity_top_k = similarity_top_k
        self.passages = passages
        self.search = dict(search or {})

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        texts = found_texts(
            self.searcher,
            query_bundle.query_str,
            self.similarity_top_k,
            self.search,
            passages=self.passages,
        )
        nodes = []
        for one in texts:
            unread = [name for name in one.metadata if name not in READ]
            node = TextNode(
                id_=one.doc_id,
                text=one.text,
                metadata=one.metadata,
                excluded_llm_metadata_keys=unread,
                excluded_embed_metadata_keys=unread,
            )
            nodes.append(NodeWithScore(node=node, score=one.score))
        return nodes


class XretReranker(BaseNodePostprocessor):
    """Keeps the top_n nodes that answer a question best, best first, with scores from 0 to 1.

    reranker: a name, folder or address as `--rerank` takes it, or an open one.
    """

    top_n: int | None = Field(default=None, ge=1)
    _reranker: OpenReranker = PrivateAttr()

    def __init__(self, reranker: Reranker | str = "xret-modular", **named: Any) -> None:
        super().__init__(**named)
        self._reranker = OpenReranker(reranker)

    @classmethod
    def class_name(cls) -> str:
        return "XretReranker"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("a reranker needs the question; pass query_str or query_bundle")
        texts = [one.node.get_content(metadata_mode=MetadataMode.NONE) for one in nodes]
        best = self._reranker.best(query_bundle.query_str, texts, self.top_n)
        return [NodeWithScore(node=nodes[n].node, score=score) for n, score in best]
