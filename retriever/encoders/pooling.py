"""Fewer token vectors for a document: like ones merged, at some loss and a part of the size.

Ward clustering of the vectors by cosine distance, each cluster replaced by its mean at unit
length (Clavié, Chaffin and Adams 2024).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from xret.types import FloatArray, IntArray

__all__ = ["pool_tokens", "ward_clusters"]

_Numbers = npt.NDArray[np.float64]

_STEPS = 2.0**26
"""Steps of a coordinate: products of two are whole numbers, and their sums stay under 2**53."""

_BLOCK = 24
"""Rows of a product that BLAS makes in one thread: for so little, threads wait longer than work."""


def pool_tokens(vectors: FloatArray, factor: float, *, keep_first: bool = True) -> FloatArray:
    """(t, d) unit vectors to t // factor means of like ones, at least one, in text order.

    A mean stands where the first of its vectors stood. keep_first: the first vector, of a mark
    that speaks for the whole text, stays as it is and is not counted. The same numbers as
    sentence-transformers' HierarchicalTokenPooling, whose order is another.
    """
    rest = vectors[1:] if keep_first else vectors
    n_clusters = max(int(len(rest) // factor), 1)
    if n_clusters >= len(rest):
        return vectors
    clusters = ward_clusters(rest, n_clusters)
    sums = _sums(rest, clusters)
    pooled: FloatArray = np.concatenate([vectors[:1], sums]) if keep_first else sums
    pooled /= np.maximum(np.sqrt(np.square(pooled).sum(axis=1, keepdims=True)), 1e-12)
    return pooled


def ward_clusters(vectors: FloatArray, n_clusters: int) -> IntArray:
    """Ward's clustering of (t, d) unit vectors by cosine distance, 1 <= n_clusters < t.

    Returns (t,) the position of the first vector of each one's cluster. At most n_clusters:
    merges at one distance are made all or not at all. The clusters of SciPy's `linkage` and
    `fcluster` by "maxclust". Pairs that are each other's nearest are merged together, which
    Ward's distance allows (Murtagh 1983); of equally near ones the lowest position counts.
    Equal vectors give equal clusters on every machine and with any number of threads:
    distances are sums of whole numbers, without rounding whatever their order, and the rest is
    arithmetic of single numbers in a fixed order.
    """
    merged_into, heights = _merges(_squared_distances(vectors), len(vectors) - n_clusters)
    highest = np.sort(heights)[len(vectors) - n_clusters - 1]
    clusters = np.where(heights <= highest, merged_into, np.arange(len(vectors)))
    while (clusters[clusters] != clusters).any():
        clusters = clusters[clusters]
    return clusters


def _sums(vectors: FloatArray, clusters: IntArray) -> FloatArray:
    """(n, d) sums of the vectors of each cluster, added in text order."""
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    sums = np.empty((len(starts), vectors.shape[1]), np.float32)
    sorted_vectors, bounds = vectors[order], pairwise([*starts.tolist(), len(order)])
    for row, (start, end) in zip(sums, bounds, strict=True):
        np.add.reduce(sorted_vectors[start:end], axis=0, out=row)
    return sums


def _merges(squares: _Numbers, n_wanted: int) -> tuple[IntArray, _Numbers]:
    """The lowest n_wanted merges, and some higher ones, of (t, t) squared distances.

    A cluster goes by its lowest position. Returns (t,) the cluster that each is merged into and
    (t,) the squared distance of that merge, infinite where there is none.
    """
    merged_into, heights = np.arange(len(squares)), np.full(len(squares), np.inf)
    places = merged_into.copy()  # of the clusters that are left
    sizes, tops = np.ones(len(squares)), np.zeros(len(squares))
    while len(squares) > 1:
        rows = np.arange(len(squares))
        squares[rows, rows] = np.inf
        near = squares.argmin(axis=1)
        first = ((near[near] == rows) & (rows < near)).nonzero()[0]
        second = near[first]
        lowest = squares[first, second]
        done = len(heights) - len(rows)
        if done >= n_wanted and np.partition(heights, n_wanted - 1)[n_wanted - 1] < lowest.min():
            break
        # Not below the merges inside, whatever rounding says.
        tops[first] = np.maximum(lowest, np.maximum(tops[first], tops[second]))
        heights[places[second]], merged_into[places[second]] = tops[first], places[first]
        stays = np.ones(len(rows), np.bool_)
        stays[second] = False
        left = stays.nonzero()[0]
        squares, sizes = _merge(squares, sizes, (first, second), left)
        tops, places = tops[left], places[left]
    return merged_into, heights


def _merge(
    squares: _Numbers, sizes: _Numbers, pairs: tuple[IntArray, IntArray], left: IntArray
) -> tuple[_Numbers, _Numbers]:
    """Each pair made one cluster in the place of its first: the squares and sizes that are left.

    pairs: positions of the firsts and of the seconds. left: all but the seconds.
    """
    first, second = pairs
    between = squares[first, second]
    of_first, of_second = sizes[first], sizes[second]
    rows = squares.take(first, axis=0)
    _lance_williams(
        rows,
        squares.take(second, axis=0),
        sizes=(of_first[:, None], of_second[:, None], sizes),
        between=between[:, None],
    )
    sizes[first] += of_second
    # Then the distances of two merged pairs, rounded one way for both.
    crossed, others = rows[:, first], sizes[first][:, None]
    _lance_williams(crossed, rows[:, second], sizes=(of_first, of_second, others), between=between)
    rows[:, first] = np.minimum(crossed, crossed.T)
    squares[first] = rows
    squares[:, first] = rows.T
    return squares.take(left, axis=0).take(left, axis=1), sizes[left]


def _lance_williams(
    squares: _Numbers,
    seconds: _Numbers,
    *,
    sizes: tuple[_Numbers, _Numbers, _Numbers],
    between: _Numbers,
) -> None:
    """Squared distances of others to a merged pair, put in the place of those to its first.

    seconds: the distances to its second, overwritten. between: within the pair. sizes: of the
    first, of the second, of the others (Lance and Williams 1967).
    """
    first, second, others = sizes
    squares *= first + others
    seconds *= second + others
    squares += seconds
    squares -= others * between
    squares /= first + second + others


def _squared_distances(vectors: FloatArray) -> _Numbers:
    """(t, t) squares of 1 - cosine, between 0 and 4; the cosine at steps of 2**-52."""
    whole: _Numbers = vectors.astype(np.float64)
    whole *= _STEPS
    np.rint(whole, out=whole)
    distances: _Numbers = np.empty((len(whole), len(whole)))
    for low in range(0, len(whole), _BLOCK):
        rows = slice(low, low + _BLOCK)
        for left in range(0, low + 1, _BLOCK):
            columns = slice(left, left + _BLOCK)
            product = whole[rows] @ whole[columns].T
            distances[rows, columns], distances[columns, rows] = product, product.T
    distances *= -(_STEPS**-2)
    distances += 1
    np.clip(distances, 0, 2, out=distances)
    distances *= distances
    return distances
