"""A question and texts that are in no index: how well each text answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xret.deadline import Deadline
from xret.errors import RerankError
from xret.retriever.question import asked_question
from xret.retriever.rerankers.candidates import best_part, has_letters
from xret.retriever.rerankers.remote import RemoteReranker
from xret.retriever.rerankers.reranker import Reranker
from xret.retriever.rerankers.second_encoder import SecondEncoder
from xret.retriever.text_vectors import identified
from xret.types import Document, FloatArray, Query

__all__ = ["PairScores", "score_pairs"]

CHUNK = 64
"""Texts that are scored between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class PairScores:
    """Of the first m texts. scores: (m,) float32, the reranker's own; relevance: (m,), the same
    order as numbers from 0 to 1. query: with its language; langs: (m,) of the texts."""

    query: Query
    langs: list[str]
    scores: FloatArray
    relevance: FloatArray

    def order(self) -> list[int]:
        """Positions of the texts, best first; equal ones as they came."""
        return sorted(range(len(self.scores)), key=lambda n: (-float(self.scores[n]), n))


def score_pairs(
    reranker: Reranker,
    query: str,
    texts: Sequence[str],
    *,
    query_lang: str | None = None,
    langs: Sequence[str | None] | None = None,
    deadline: Deadline | None = None,
) -> PairScores:
    """Score each text for a question, as `xret search --rerank` scores the documents of an index.

    langs: of the texts, BCP 47, as far as they are known; each other text's is identified, so
    that it goes through its own adapter. Of a text 8,192 characters are read. deadline: fewer
    scores than texts come back where it passes before. A text without letters scores as the
    worst of the others. Raises QueryError, LanguageError, RerankError.
    """
    asked = asked_question(query, query_lang, identify=True).query
    named = langs if langs is not None else [None] * len(texts)
    passages = [
        best_part(Document(str(n), text, identified(text, lang)), None)
        for n, (text, lang) in enumerate(zip(texts, named, strict=True))
    ]
    readable = [passage for passage in passages if has_letters(passage)]
    scored = _scored(reranker, asked, readable, deadline or Deadline())
    if len(scored) < len(readable):  # out of time: up to the first that was not scored
        passages = passages[: int(readable[len(scored)].doc_id)]
    given = iter(scored.tolist())
    lowest = float(scored.min()) if len(scored) else 0.0
    scores = np.array(
        [next(given) if has_letters(passage) else lowest for passage in passages], np.float32
    )
    relevance = _relevance(reranker, asked, scores)
    return PairScores(asked, [passage.lang for passage in passages], scores, relevance)


def _scored(
    reranker: Reranker, query: Query, passages: Sequence[Document], deadline: Deadline
) -> FloatArray:
    """Those of the first passages. Vectors are of each passage alone, so that the work can be
    stopped between some and the next; other rerankers may compare all with each other."""
    step = CHUNK if isinstance(reranker, SecondEncoder) else max(len(passages), 1)
    scores = np.empty(0, np.float32)
    for start in range(0, len(passages), step):
        if deadline.passed:
            break
        chunk = passages[start : start + step]
        found = reranker.scores(query, chunk, until=deadline.until)
        if len(found) > len(chunk) or not np.isfinite(found).all():
            raise RerankError(f"{reranker.name} gave scores that are no numbers, or too many")
        scores = np.concatenate([scores, found])
        if len(found) < len(chunk):
            break
    return scores


def _relevance(reranker: Reranker, query: Query, scores: FloatArray) -> FloatArray:
    """Scores between 0 and 1, in the same order.

    Of vectors, the mean over the question's of the cosine with the nearest of the text; of
    Cohere's shape they are so already; of all others, logits, the logistic function of them.
    """
    if isinstance(reranker, SecondEncoder):
        vectors = len(reranker.encoder.encode_queries([query]).values)
        return np.clip(scores / max(vectors, 1), 0.0, 1.0)
    if isinstance(reranker, RemoteReranker) and reranker.shape == "cohere":
        return np.clip(scores, 0.0, 1.0)
    logits = np.clip(scores.astype(np.float64), -80.0, 80.0)
    return (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)
