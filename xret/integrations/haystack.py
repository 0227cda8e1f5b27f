"""Haystack: a retriever and a ranker, as components of a pipeline."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from xret.errors import ConfigError
from xret.integrations.library import needed_library
from xret.integrations.texts import OpenReranker, found_texts, opened_index
from xret.retriever.rerankers.reranker import Reranker
from xret.retriever.searcher import Searcher

with needed_library("haystack-ai", extra="haystack"):
    from haystack import Document, component, default_from_dict, default_to_dict

__all__ = ["XretReranker", "XretRetriever"]


@component
class XretRetriever:
    """Documents of an index, in any language, for questions in any other.

    index: its name or path, or an open one (a pipeline with an open one cannot be written to a
    file). filters are Haystack's own. search: other fields of a SearchRequest, by their names.
    """

    def __init__(
        self,
        index: Searcher | str | Path,
        *,
        top_k: int = 10,
        filters: dict[str, Any] | None = None,
        passages: bool = False,
        search: dict[str, Any] | None = None,
    ) -> None:
        self.index = index
        self.top_k = top_k
        self.filters = filters
        self.passages = passages
        self.search = dict(search or {})
        self._searcher: Searcher | None = None

    def warm_up(self) -> None:
        """Open the index; `run` does so where nobody has."""
        self._opened()

    def to_dict(self) -> dict[str, Any]:
        if isinstance(self.index, Searcher):
            raise ConfigError("a retriever of an open index cannot be written; name the index")
        named: dict[str, Any] = default_to_dict(
            self,
            index=str(self.index),
            top_k=self.top_k,
            filters=self.filters,
            passages=self.passages,
            search=self.search,
        )
        return named

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> XretRetriever:
        made: XretRetriever = default_from_dict(cls, data)
        return made

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, Any]:
        wanted = filters or self.filters
        options = {**self.search, **({"filter": wanted} if wanted else {})}
        k = top_k or self.top_k
        texts = found_texts(self._opened(), query, k, options, passages=self.passages)
        documents = [
            Document(id=one.doc_id, content=one.text, meta=one.metadata, score=one.score)
            for one in texts
        ]
        return {"documents": documents}

    def _opened(self) -> Searcher:
        if self._searcher is None:
            self._searcher = opened_index(self.index)
        return self._searcher


@component
class XretReranker:
    """Keeps the top_k documents that answer a question best, best first, scored from 0 to 1.

    reranker: a name, folder or address as `--rerank` takes it, or an open one.
    """

    def __init__(
        self, reranker: Reranker | str = "xret-modular", *, top_k: int | None = None
    ) -> None:
        self.reranker = OpenReranker(reranker)
        self.top_k = top_k

    def to_dict(self) -> dict[str, Any]:
        named: dict[str, Any] = default_to_dict(self, reranker=self.reranker.name, top_k=self.top_k)
        return named

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> XretReranker:
        made: XretReranker = default_from_dict(cls, data)
        return made

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, Any]:
        texts = [one.content or "" for one in documents]
        best = self.reranker.best(query, texts, top_k or self.top_k)
        return {"documents": [dataclasses.replace(documents[n], score=score) for n, score in best]}
