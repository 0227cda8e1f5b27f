"""How far a reranker's graph in int8 is from its weights in float32, on real questions."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.errors import RerankError
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.rerankers.loading import load_reranker
from xret.types import Document, FloatArray, Progress, Query, Work, finished

__all__ = ["LEAST_CORRELATION", "ScoreDrift", "score_drift", "score_drift_steps"]

LEAST_CORRELATION = 0.99
"""Of the graph's scores with torch's, below which it is warned of."""

LIMIT_S = 30.0
_Doubles = npt.NDArray[np.float64]
_OTHERS = 3
"""Passages beside one that answers."""


@dataclass(frozen=True, slots=True)
class ScoreDrift:
    """Scores of pairs of the demo corpus by the graph and by torch.

    correlation: Pearson's, over all pairs. largest: difference from torch, in standard
    deviations of its scores. same_first: share of the questions whose best passage is the same.
    """

    n_questions: int
    n_pairs: int
    correlation: float
    largest: float
    same_first: float


def score_drift_steps(model: str, *, limit_s: float = LIMIT_S) -> Work[ScoreDrift]:
    """Score some questions with four passages each by both, as many as there is time for.

    model: a name or a folder with a graph. One of the passages answers; questions and passages
    are drawn at random, the same at every call; a question that is too long for the model is
    left out. Raises as `load_reranker` does, and RerankError where all are.
    """
    ways = [load_reranker(f"{model}#{backend}") for backend in ("torch", "onnx")]
    pairs = _drawn()
    found: list[list[FloatArray]] = [[], []]
    start, refused = time.perf_counter(), RerankError("there are none")
    for number, (query, passages) in enumerate(pairs, 1):
        try:
            both = [reranker.scores(query, passages) for reranker in ways]
        except RerankError as error:
            refused = error
        else:
            for scores, new in zip(found, both, strict=True):
                scores.append(new)
        yield Progress("int8", number, len(pairs), "questions")
        if time.perf_counter() - start > limit_s:
            break
    if not found[0]:
        raise RerankError(f"none of {len(pairs)} questions could be read: {refused}")
    wanted, got = (np.stack(scores).astype(np.float64) for scores in found)
    spread = float(wanted.std())
    return ScoreDrift(
        n_questions=len(wanted),
        n_pairs=wanted.size,
        correlation=round(_correlation(wanted, got), 5),
        largest=round(float(np.abs(got - wanted).max()) / spread, 4) if spread else 0.0,
        same_first=float((wanted.argmax(1) == got.argmax(1)).mean()),
    )


score_drift = finished(score_drift_steps)
"""The same, run to its end: returns the result alone."""


def _drawn() -> list[tuple[Query, list[Document]]]:
    """The demo corpus's questions with a passage that answers and others, in a drawn order."""
    corpus, rng = open_corpus("demo"), np.random.default_rng(0)
    documents = {one.doc_id: one for one in corpus.documents(on_reject=lambda _: None)}
    ids, qrels = sorted(documents), corpus.qrels()
    queries = [query for query in corpus.queries() if qrels.get(query.query_id)]
    pairs = []
    for query in (queries[n] for n in rng.permutation(len(queries))):
        grades = qrels[query.query_id]
        answer = next((doc_id for doc_id in sorted(grades) if grades[doc_id] > 0), None)
        if answer in documents:
            others = [ids[n] for n in rng.permutation(len(ids)) if ids[n] not in grades]
            pairs.append((query, [documents[one] for one in (answer, *others[:_OTHERS])]))
    return pairs


def _correlation(one: _Doubles, other: _Doubles) -> float:
    """Pearson's; 1.0 where neither says anything."""
    centred = [(values - values.mean()).ravel() for values in (one, other)]
    lengths = [float(np.linalg.norm(values)) for values in centred]
    if not all(lengths):
        return float(lengths[0] == lengths[1])
    return float(centred[0] @ centred[1]) / (lengths[0] * lengths[1])
