"""Fewer token vectors for a document: like ones merged, at some loss and half the size.

Ward clustering of the vectors by cosine distance, each cluster replaced by its mean at unit
length; the first vector, of the whole text, stays (Clavié, Chaffin and Adams 2024).
"""

from __future__ import annotations

import numpy as np

from xret.types import FloatArray

__all__ = ["pool_tokens"]


def pool_tokens(vectors: FloatArray, factor: float) -> FloatArray:
    """(t, d) unit vectors to the first and (t - 1) // factor others, at least one.

    The same numbers as sentence-transformers' HierarchicalTokenPooling.
    """
    rest = vectors[1:]
    n_clusters = max(int(len(rest) // factor), 1)
    if n_clusters >= len(rest):
        return vectors
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distances = np.clip(1 - rest @ rest.T, 0, 2)
    tree = linkage(squareform(distances, checks=False), method="ward")
    labels = fcluster(tree, t=n_clusters, criterion="maxclust")
    _, which = np.unique(labels, return_inverse=True)
    sums = np.zeros((int(which.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, which, rest)
    pooled: FloatArray = np.concatenate([vectors[:1], sums])
    pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    return pooled
