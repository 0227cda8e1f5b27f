"""How well an encoder joins the sentences of a language with their English translations.

Three views of the same n pairs, each an indicator a pair, so that shares and their intervals
follow from them: MEXA (Kargaran et al. 2024) over single vectors, and Success@1 by the
encoder's own MaxSim in both directions. No judgements are needed: a sentence's translation is
what it should find among the n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.errors import DimensionMismatchError
from xret.eval.evaluation import Interval
from xret.eval.significance import bootstrap_intervals
from xret.index.scoring.maxsim import maxsim_scores
from xret.retriever.encoder import Encoder
from xret.retriever.languages.codes import ENGLISH
from xret.types import Document, Embeddings, FloatArray, Query

__all__ = [
    "AlignmentShares",
    "SentencePool",
    "mexa_hits",
    "neuron_correlation",
    "pooled",
    "retrieval_hits",
]

Indicators = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AlignmentShares:
    """Shares of n pairs with their 95 % bootstrap intervals.

    mexa: pairs whose cosine is the highest of its row and of its column. to_english,
    from_english: Success@1 of the sentence among the n translations, and the other way. anc: see
    `neuron_correlation`.
    """

    mexa: Interval
    to_english: Interval
    from_english: Interval
    anc: float = 0.0

    @property
    def retrieval(self) -> float:
        """Mean of both directions."""
        return (self.to_english.mean + self.from_english.mean) / 2


class SentencePool:
    """English sentences encoded once, as queries and as documents, for many languages."""

    def __init__(self, encoder: Encoder, english: Sequence[str]) -> None:
        self._encoder = encoder
        self.english = tuple(english)
        self._documents = encoder.encode_documents(_documents(english, ENGLISH))
        self._queries = encoder.encode_queries(_queries(english, ENGLISH))
        self._vectors = pooled(self._documents)

    def align(self, texts: Sequence[str], lang: str, *, seed: int = 0) -> AlignmentShares:
        """Text i is the translation of English sentence i; both go through their own adapter.

        Raises ValueError where there are not as many texts as English sentences.
        """
        if len(texts) != len(self.english):
            raise ValueError(f"{len(texts)} texts for {len(self.english)} English sentences")
        documents = self._encoder.encode_documents(_documents(texts, lang))
        queries = self._encoder.encode_queries(_queries(texts, lang))
        hits = np.stack(
            [
                mexa_hits(pooled(documents), self._vectors),
                retrieval_hits(queries, self._documents),
                retrieval_hits(self._queries, documents),
            ],
            axis=1,
        ).astype(np.float64)
        ends = bootstrap_intervals(hits, seed=seed)
        mexa, to_english, from_english = (
            Interval(float(mean), float(low), float(high), len(texts))
            for mean, (low, high) in zip(hits.mean(axis=0), ends, strict=True)
        )
        anc = neuron_correlation(pooled(documents), self._vectors)
        return AlignmentShares(mexa, to_english, from_english, anc)


def pooled(embeddings: Embeddings) -> FloatArray:
    """(n, d): each text's mean token vector, scaled to unit length; zero where it is zero.

    MEXA asks for one vector a sentence. That of a bi-encoder is its own; an encoder of many
    vectors is represented by their mean, as MEXA takes the mean over tokens.

    >>> eye = np.eye(2, dtype="f4")
    >>> pooled(Embeddings(eye, np.array([0, 1, 2]))).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    sums = np.add.reduceat(embeddings.values, embeddings.offsets[:-1], axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    vectors: FloatArray = sums / np.maximum(lengths, np.float32(1e-12))
    return vectors


def mexa_hits(left: FloatArray, right: FloatArray) -> Indicators:
    """(n,): whether pair i is more alike than text i with any other and any other with it.

    left, right: (n, d) of unit length, row i of one translated by row i of the other. The
    share of hits is MEXA's alignment score (Kargaran et al. 2024, arXiv 2410.05873, section
    3); a tie is no hit. Raises DimensionMismatchError when the shapes differ.

    >>> eye = np.eye(3, dtype="f4")
    >>> mexa_hits(eye, eye[[0, 2, 1]]).tolist()
    [True, False, False]
    """
    if left.shape != right.shape:
        raise DimensionMismatchError(f"{left.shape} and {right.shape} are no pairs of vectors")
    scores = left @ right.T
    return _beats_its_row(scores) & _beats_its_row(scores.T)


def neuron_correlation(left: FloatArray, right: FloatArray) -> float:
    """Mean over dimensions of Pearson's correlation between sentences and their translations.

    left, right: (n, d), row i of one translated by row i of the other; n >= 2. The average
    neuron-wise correlation of Del and Fishel (2022), in [-1, 1]: near 1 where each dimension says
    the same in both languages. A dimension that does not vary counts as 0.

    >>> eye = np.eye(3, dtype="f4")
    >>> round(neuron_correlation(eye, eye), 3)
    1.0
    """
    first, second = (side - side.mean(axis=0) for side in (left, right))
    scale = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    products = (first * second).sum(axis=0)
    return float(np.mean(np.where(scale > 0, products / np.maximum(scale, 1e-12), 0.0)))


def retrieval_hits(queries: Embeddings, documents: Embeddings) -> Indicators:
    """(n,): whether MaxSim ranks document i first for query i; a tie at the top is no hit."""
    scores = np.stack(
        [maxsim_scores(query, documents.values, documents.offsets) for query in queries]
    )
    return _beats_its_row(scores)


def _beats_its_row(scores: FloatArray) -> Indicators:
    """(n, n) to (n,): whether the diagonal is above all else in its row."""
    others = scores.copy()
    np.fill_diagonal(others, -np.inf)
    found: Indicators = scores.diagonal() > others.max(axis=1)
    return found


def _documents(texts: Sequence[str], lang: str) -> list[Document]:
    return [Document(str(position), text, lang) for position, text in enumerate(texts)]


def _queries(texts: Sequence[str], lang: str) -> list[Query]:
    return [Query(str(position), text, lang) for position, text in enumerate(texts)]
