"""What transforms do to held-out questions and their passages, before they are installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xret.index.scoring.maxsim import maxsim_scores
from xret.retriever.corpora.rows import Example
from xret.retriever.encoder import Encoder
from xret.retriever.languages.router import LanguageRouter
from xret.retriever.modules.transforms import StaticTransforms
from xret.types import Document, Embeddings, FloatArray, Query

__all__ = ["VectorFigures", "transform_gain", "vector_figures"]

DEPTH = 10


@dataclass(frozen=True, slots=True)
class VectorFigures:
    """mrr: MRR@10 of the questions over all passages. mean_cosine: of passages with each other, 0
    where vectors point everywhere (isotropy), 1 where all point one way. language_share: of the
    passages' variance, what lies between the means of their languages."""

    mrr: float
    mean_cosine: float
    language_share: float


def transform_gain(
    encoder: Encoder, transforms: StaticTransforms, examples: Sequence[Example]
) -> tuple[VectorFigures, VectorFigures]:
    """Figures without the transforms, and with them; all texts are encoded once.

    examples: their languages known, at least one.
    """
    router = LanguageRouter(transforms.adapters)

    def moved(vectors: FloatArray, lang: str) -> FloatArray:
        return transforms.transform(vectors, router.route(lang).adapter)

    texts = list(dict.fromkeys((each.positive, each.positive_lang) for each in examples))
    places = {text: place for place, text in enumerate(texts)}
    answers = [places[each.positive, each.positive_lang] for each in examples]
    documents = encoder.encode_documents([Document("", text, lang) for text, lang in texts])
    queries = encoder.encode_queries([Query("", each.query, each.query_lang) for each in examples])
    query_langs = [each.query_lang for each in examples]
    doc_langs = [lang for _, lang in texts]
    before = vector_figures(queries, documents, answers, doc_langs)
    after = vector_figures(
        _each(queries, query_langs, moved), _each(documents, doc_langs, moved), answers, doc_langs
    )
    return before, after


def vector_figures(
    queries: Embeddings, documents: Embeddings, answers: Sequence[int], langs: Sequence[str]
) -> VectorFigures:
    """answers: of each query, the number of its document. langs: of the documents."""
    reciprocal = 0.0
    for query, answer in zip(queries, answers, strict=True):
        scores = maxsim_scores(query, documents.values, documents.offsets)
        best = np.argsort(-scores, kind="stable")[:DEPTH].tolist()
        reciprocal += 1 / (best.index(answer) + 1) if answer in best else 0.0
    means = np.stack([rows.mean(axis=0) for rows in documents]).astype(np.float64)
    units = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    n = len(units)
    pairs = n * (n - 1)
    cosine = (float(np.sum(units.sum(axis=0) ** 2)) - float(np.sum(units**2))) / max(pairs, 1)
    spread = units - units.mean(axis=0)
    between = 0.0
    for lang in set(langs):
        rows = spread[[number for number, other in enumerate(langs) if other == lang]]
        between += len(rows) * float(np.sum(rows.mean(axis=0) ** 2))
    share = between / max(float(np.sum(spread**2)), 1e-12)
    return VectorFigures(reciprocal / len(answers), cosine, share)


def _each(
    embeddings: Embeddings, langs: Sequence[str], moved: Callable[[FloatArray, str], FloatArray]
) -> Embeddings:
    rows = [moved(vectors, lang) for vectors, lang in zip(embeddings, langs, strict=True)]
    return Embeddings(np.concatenate(rows), embeddings.offsets)
