"""Exact late-interaction search: every document is scored, nothing is approximated.

The score is MaxSim (Khattab and Zaharia 2020, equation 3): the sum over query vectors of
the largest dot product with any document vector. A bi-encoder is the case of one vector a
text. Scores are those of the stored int8 codes; the query stays float32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xret.errors import DimensionMismatchError
from xret.index.segment import Segment
from xret.types import Embeddings, FloatArray, IntArray

__all__ = ["maxsim_scores", "segment_scores"]

BLOCK_ROWS = 16_384


def maxsim_scores(query: FloatArray, values: FloatArray, offsets: IntArray) -> FloatArray:
    """MaxSim of one query with n packed documents.

    query: (q, d); values: (t, d); offsets: (n + 1,), rising from 0 to t, every document
    owning at least one row. Returns (n,) float32, higher is better.
    Raises DimensionMismatchError when the last axes differ.

    >>> eye = np.eye(2, dtype="f4")
    >>> maxsim_scores(eye, eye, np.array([0, 1, 2]))
    array([1., 1.], dtype=float32)
    """
    if query.shape[1] != values.shape[1]:
        raise DimensionMismatchError(
            f"the query has {query.shape[1]} dimensions, the documents {values.shape[1]}"
        )
    similarities = query @ values.T
    best: FloatArray = np.maximum.reduceat(similarities, offsets[:-1], axis=1)
    total: FloatArray = best.sum(axis=0, dtype=np.float32)
    return total


def segment_scores(
    queries: Embeddings, segment: Segment, *, keep: npt.NDArray[np.bool_] | None = None
) -> FloatArray:
    """MaxSim of every query with every document of a segment, in blocks of whole documents.

    keep: (n,) bool; documents that are not kept score -inf, and a block without a kept
    document is not read. Returns (len(queries), n) float32. Memory is one block of
    `BLOCK_ROWS` rows, or the longest document where that is more. Each query is scored by
    itself, so its numbers do not depend on the others in the call.
    """
    offsets = segment.offsets
    n_documents = len(offsets) - 1
    scores = np.full((len(queries), n_documents), -np.inf, dtype=np.float32)
    first = 0
    while first < n_documents:
        last = int(np.searchsorted(offsets, offsets[first] + BLOCK_ROWS, side="right")) - 1
        last = max(last, first + 1)
        if keep is None or keep[first:last].any():
            rows = slice(int(offsets[first]), int(offsets[last]))
            values = segment.codes[rows].astype(np.float32)
            values *= segment.scales[rows, None]
            block = offsets[first : last + 1] - offsets[first]
            for position, query in enumerate(queries):
                scores[position, first:last] = maxsim_scores(query, values, block)
        first = last
    if keep is not None:
        scores[:, ~keep] = -np.inf
    return scores
