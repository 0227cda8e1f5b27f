"""Pooling of a document's vectors against SciPy's clustering, and what its numbers hang on."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.retriever.encoders.pooling import pool_tokens, ward_clusters
from xret.types import FloatArray, IntArray


def token_vectors(n: int, dim: int, *, seed: int) -> FloatArray:
    """(n, dim) of unit length; neighbours are alike, as those of a text are."""
    numbers = np.random.default_rng(seed)
    steps = numbers.normal(size=(n, dim))
    values = steps + 0.7 * np.cumsum(steps, axis=0) / np.sqrt(np.arange(1, n + 1))[:, None]
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    # Few enough digits that SciPy's distances are exact, too.
    return (np.rint(values * 2**20) / 2**20).astype(np.float32)


def scipy_clusters(vectors: FloatArray, n_clusters: int) -> IntArray:
    """As `ward_clusters`, by SciPy in float64."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    wide = vectors.astype(np.float64)
    distances = np.clip(1 - wide @ wide.T, 0, 2)
    tree = linkage(squareform(distances, checks=False), method="ward")
    labels = fcluster(tree, t=n_clusters, criterion="maxclust")
    _, firsts, which = np.unique(labels, return_index=True, return_inverse=True)
    found: IntArray = firsts[which]
    return found


@settings(deadline=None)
@given(st.integers(2, 90), st.integers(8, 40), st.integers(1, 89), st.integers(0, 1000))
def test_the_clusters_are_those_of_scipy(n: int, dim: int, n_clusters: int, seed: int) -> None:
    vectors = token_vectors(n, dim, seed=seed)
    n_clusters = min(n_clusters, n - 1)
    found = ward_clusters(vectors, n_clusters)
    np.testing.assert_array_equal(found, scipy_clusters(vectors, n_clusters))


def test_a_pooled_vector_is_the_mean_of_its_cluster_in_text_order() -> None:
    vectors = token_vectors(125, 384, seed=1)
    clusters = scipy_clusters(vectors, 41)
    means = np.stack([vectors[clusters == first].mean(axis=0) for first in np.unique(clusters)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(pool_tokens(vectors, 3, keep_first=False), means, atol=1e-6)


def test_the_vector_of_a_mark_stays_apart() -> None:
    vectors = token_vectors(31, 16, seed=2)
    pooled = pool_tokens(vectors, 2)
    assert len(pooled) == 16
    np.testing.assert_allclose(pooled[0], vectors[0], atol=1e-6)
    np.testing.assert_array_equal(pooled[1:], pool_tokens(vectors[1:], 2, keep_first=False))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_what_cannot_become_fewer_is_left_as_it_is(n: int) -> None:
    vectors = token_vectors(3, 8, seed=3)[:n]
    assert pool_tokens(vectors, 3) is vectors
    assert len(pool_tokens(vectors, 3, keep_first=False)) == min(n, 1)


def test_equal_distances_are_joined_from_the_left_and_all_or_none() -> None:
    pairs = np.repeat(np.eye(4, dtype=np.float32), 2, axis=0)
    assert ward_clusters(pairs, 4).tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
    assert ward_clusters(pairs, 7).tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
    assert ward_clusters(np.ones((5, 1), np.float32), 4).tolist() == [0] * 5
    middle = np.array([[0.8, 0.6], [1, 0], [0.8, -0.6]], np.float32)  # as near to either
    assert ward_clusters(middle, 2).tolist() == [0, 0, 2]


def test_clusters_do_not_hang_on_how_a_product_is_summed() -> None:
    # The order of dimensions is the order of a product's sums: with rounding it would count.
    vectors = token_vectors(80, 64, seed=4)
    vectors[1::2] = vectors[::2]  # and then ties are broken by it
    vectors[1::2, :2] = vectors[::2, 1::-1]
    shuffled = np.ascontiguousarray(vectors[:, np.random.default_rng(0).permutation(64)])
    for n_clusters in range(1, 80):
        found = ward_clusters(vectors, n_clusters)
        np.testing.assert_array_equal(found, ward_clusters(shuffled, n_clusters))


PROGRAM = """
import sys
import numpy as np
from test_pooling import token_vectors
from xret.retriever.encoders.pooling import pool_tokens
assert "scipy" not in sys.modules
vectors = pool_tokens(token_vectors(300, 384, seed=5), 3)
assert "scipy" not in sys.modules
print(vectors.tobytes().hex())
"""


def test_threads_change_no_byte_and_scipy_is_not_needed() -> None:
    folder = str(Path(__file__).parent)
    bytes_by_threads = set()
    for threads in ("1", "4"):
        numbers = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            env={**os.environ, **numbers, "PYTHONPATH": folder},
        )
        assert done.returncode == 0, done.stderr
        bytes_by_threads.add(done.stdout)
    assert len(bytes_by_threads) == 1
