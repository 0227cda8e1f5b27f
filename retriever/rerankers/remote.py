"""Rerankers behind an address, of the shapes that Cohere, Jina and TEI answer in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xxhash

from xret.errors import RerankError
from xret.retriever.rerankers.endpoint import Endpoint
from xret.retriever.rerankers.pair_texts import passage_text
from xret.types import Document, FloatArray, Query

__all__ = ["RemoteReranker", "Shape"]

Shape = Literal["cohere", "tei"]
"""cohere: `documents` in and `results` of index and relevance_score out, as Jina's too. tei:
`texts` in and a list of index and score out."""


class RemoteReranker:
    """All passages in one request; the whole ranking stays where the reply is not as agreed."""

    weight = 0.9

    def __init__(self, endpoint: Endpoint, shape: Shape) -> None:
        self.endpoint = endpoint
        self.shape: Shape = shape
        self.name = endpoint.model or endpoint.shown
        said = f"{shape}\0{endpoint.host}\0{endpoint.port}\0{endpoint.path}\0{endpoint.model}"
        self.fingerprint = xxhash.xxh3_128_hexdigest(said.encode())

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        """A score for every passage, or RerankError: there is no part of a reply."""
        texts = [passage_text(passage) for passage in passages]
        if self.shape == "tei":
            body: dict[str, Any] = {"query": query.text, "texts": texts, "raw_scores": True}
            rows, key = self.endpoint.ask(body, until=until), "score"
        else:
            body = {"query": query.text, "documents": texts, "top_n": len(texts)}
            if self.endpoint.model:
                body["model"] = self.endpoint.model
            reply = self.endpoint.ask(body, until=until)
            rows, key = reply.get("results") if isinstance(reply, dict) else None, "relevance_score"
        return self._read(rows, key, len(texts))

    def _read(self, rows: Any, key: str, n: int) -> FloatArray:
        """(n,) scores. Raises RerankError unless each passage has one, and no other has."""
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise RerankError(f"{self.name} answered something that is no list of scores")
        scores = np.full(n, np.nan, np.float32)
        for row in rows:
            index, score = row.get("index"), row.get(key)
            if type(index) is not int or not 0 <= index < n:
                raise RerankError(f"{self.name} answered for a document that it was not given")
            if type(score) not in (int, float):
                raise RerankError(f"{self.name} answered a score that is no number")
            if not math.isnan(scores[index]):
                raise RerankError(f"{self.name} answered twice for one document")
            scores[index] = score
        if len(rows) < n:
            raise RerankError(f"{self.name} answered for {len(rows)} of {n} documents")
        return scores
