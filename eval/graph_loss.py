"""What an exported graph in int8 loses on real questions, against torch in float32."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xret.eval.measures import measure_queries
from xret.eval.significance import bootstrap_intervals
from xret.index.scoring.maxsim import maxsim_scores
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.encoders.int8_folder import Int8Folder
from xret.retriever.encoders.onnx_session import find_graphs
from xret.retriever.models.layout import model_kind
from xret.retriever.models.location import model_location
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Embeddings, Hit, Progress, Query, Work, finished

__all__ = ["LARGEST_LOSS", "MEASURE", "GraphLoss", "graph_loss", "graph_loss_steps"]

MEASURE = "nDCG@10"
LARGEST_LOSS = 0.3
"""Points of the measure that a loss may have before it is warned of."""

LIMIT_S = 30.0
_TORCH_SHARE = 0.4  # of the time for documents; the graph takes about as long, then the questions
_BLOCK = 40


@dataclass(frozen=True, slots=True)
class GraphLoss:
    """nDCG@10 in points over questions of the demo corpus, scored exactly.

    float32: torch for all texts; questions: the graph for questions alone, as the backend
    "auto" does; graph: the graph for all texts. low, high: 95 % interval of what the last
    loses. kernels: whether our own int8 kernels can run the model too.
    """

    documents: int
    n_questions: int
    float32: float
    questions: float
    graph: float
    low: float
    high: float
    kernels: bool

    @property
    def loss(self) -> float:
        """Points that the graph loses; below 0 where it gains."""
        return self.float32 - self.graph


def graph_loss_steps(model: str, *, limit_s: float = LIMIT_S) -> Work[GraphLoss | None]:
    """Encode part of the demo corpus by torch and by a model's graph, and compare the rankings.

    model: a name or a folder with a graph. limit_s: about how long it may take; the documents
    are drawn at random, the same at every call, and are as many as there is time for. Returns
    None where the graph has none of the demo corpus's languages. Raises as `load_encoder` does.
    """
    ways = [
        load_encoder(model, options=EncoderOptions(backend=backend, precision="fp32"))
        for backend in ("torch", "onnx")
    ]
    folder, corpus = model_location(model), open_corpus("demo")
    served = _served(ways[0], folder, {query.lang for query in corpus.queries()})
    documents = [d for d in corpus.documents(on_reject=lambda _: None) if d.lang in served]
    drawn = [documents[i] for i in np.random.default_rng(0).permutation(len(documents))]
    blocks = yield from _encoded(ways, drawn, limit_s)
    drawn = drawn[: sum(len(block) for block in blocks[0])]
    judged = _judged(corpus.qrels(), drawn)
    asked = [q for q in corpus.queries() if q.lang in served and q.query_id in judged]
    if not asked:
        return None
    questions = [encoder.encode_queries(asked) for encoder in ways]
    qrels = {query.query_id: judged[query.query_id] for query in asked}
    values = [
        _values(qrels, asked, questions[way], drawn, blocks[side])
        for way, side in ((0, 0), (1, 0), (1, 1))
    ]
    low, high = bootstrap_intervals((values[0] - values[2])[:, None])[0].tolist()
    float32, mixed, graph = (round(float(each.mean()), 2) for each in values)
    return GraphLoss(
        documents=len(drawn),
        n_questions=len(asked),
        float32=float32,
        questions=mixed,
        graph=graph,
        low=round(low, 2),
        high=round(high, 2),
        kernels=not Int8Folder(folder).lacks(model_kind(folder)),
    )


graph_loss = finished(graph_loss_steps)
"""The same, run to its end: returns the result alone."""


def _served(encoder: Encoder, folder: Path, langs: Iterable[str]) -> set[str]:
    """The languages that the graph has an adapter for, or reads without any."""
    graphs = find_graphs(folder)
    routes = {lang: encoder.route(lang) for lang in langs}
    return {lang for lang, route in routes.items() if route is None or route.adapter in graphs}


def _encoded(
    ways: Sequence[Encoder], documents: Sequence[Document], limit_s: float
) -> Work[list[list[Embeddings]]]:
    """By way blocks of the documents, from the first on: as many as there is time for."""
    blocks: list[list[Embeddings]] = [[] for _ in ways]
    start, stop = time.perf_counter(), len(documents)
    for way, encoder in enumerate(ways):
        for first in range(0, stop, _BLOCK):
            block = documents[first : min(first + _BLOCK, stop)]
            blocks[way].append(encoder.encode_documents(block))
            yield Progress("int8", way * stop + first + len(block), len(ways) * stop, "texts")
            if not way and time.perf_counter() - start > _TORCH_SHARE * limit_s:
                stop = first + len(block)
                break
    return blocks


def _judged(qrels: Qrels, documents: Sequence[Document]) -> Qrels:
    """Judgements of these documents alone, of questions that one of them answers."""
    known = {document.doc_id for document in documents}
    kept = {q: {d: grade for d, grade in of.items() if d in known} for q, of in qrels.items()}
    return {query_id: grades for query_id, grades in kept.items() if any(grades.values())}


def _values(
    qrels: Qrels,
    queries: Sequence[Query],
    questions: Embeddings,
    documents: Sequence[Document],
    blocks: Sequence[Embeddings],
) -> npt.NDArray[np.float64]:
    """(q,) points of each query."""
    hits: dict[str, Sequence[Hit]] = {}
    for query, vectors in zip(queries, questions, strict=True):
        scores = [maxsim_scores(vectors, block.values, block.offsets) for block in blocks]
        found = zip(documents, np.concatenate(scores).tolist(), strict=False)
        ranking = [Hit(document.doc_id, score) for document, score in found]
        hits[query.query_id] = sorted(ranking, key=lambda hit: (-hit.score, hit.doc_id))
    by_query = measure_queries(qrels, hits, [MEASURE])[MEASURE]
    return 100 * np.array([by_query[query.query_id] for query in queries])
