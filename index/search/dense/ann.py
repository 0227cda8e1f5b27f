"""FAISS, behind one module: clustering, coarse search and scans over 2-bit codes.

Nothing else imports faiss. The packages faiss-cpu (a dependency) and faiss-gpu (the extra
`[gpu]`) both provide the module `faiss`, so one environment holds one of them, never both:
`pip uninstall faiss-cpu` comes before `pip install 'xret[gpu]'`. FAISS objects live in
memory only, are filled from the index's own arrays, and are never read from or written to
a file. The number of threads is set for the calling thread alone (OpenMP keeps it by
thread), so torch and other users of OpenMP in the process keep theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import ConfigError, DimensionMismatchError, MissingLibraryError
from xret.types import FloatArray, IntArray

__all__ = [
    "copied_scan",
    "faiss_threads",
    "nearest_lists",
    "pair_code_scan",
    "scan_one",
    "scan_parameters",
    "train_centroids",
]

BLOCK_ROWS = 2**14
GRID = 2047
"""Largest norm on the integer grid of `train_centroids`: (2 × 2047)² < 2**24."""


def train_centroids(
    values: FloatArray,
    k: int,
    *,
    seed: int = 0,
    iterations: int = 10,
    spherical: bool = False,
    max_points: int = 64,
    threads: int | None = None,
    device: str | None = None,
) -> FloatArray:
    """k-means by FAISS → (k, d) float32.

    values: (t, d) float32, t >= k; `k * max_points` of them, drawn by `seed`, are used.
    spherical: centroids are scaled to one length after each iteration. threads: None is
    FAISS's own choice. device: None or "cpu", or a GPU as "cuda" or "cuda:1".

    The same values, k and seed give the same bytes with any number of threads and any
    BLAS: points and centroids are rounded to integers of 11 bits, whose products and sums
    float32 holds exactly in any order (the mean squared error grows by about .2 %).
    Raises ConfigError for fewer than k vectors, values that are not finite, or a GPU that
    is not there; MissingLibraryError without faiss.
    """
    if len(values) < k or k < 1:
        raise ConfigError(f"{k} centroids need as many vectors, found {len(values)}")
    if len(values) > k * max_points:
        drawn = np.random.default_rng(seed).choice(len(values), k * max_points, replace=False)
        values = values[np.sort(drawn)]
    largest = float(np.sqrt(np.einsum("ij,ij->i", values, values).max()))
    if not np.isfinite(largest):
        raise ConfigError("vectors to cluster must be finite; found NaN or infinity")
    length = GRID - values.shape[1] ** 0.5  # rounding adds at most half the root of d
    unit = np.float32(largest / length if largest > 0 else 1.0)
    points = np.rint(values / unit).astype(np.float32)
    centroids = np.zeros((0, values.shape[1]), dtype=np.float32)
    with faiss_threads(threads):
        coarse = _flat(values.shape[1], device)
        for _ in range(iterations):
            centroids = _iteration(points, k, centroids, coarse, seed)
            if spherical:
                norms = np.sqrt(np.einsum("ij,ij->i", centroids, centroids))[:, None]
                centroids = np.rint(centroids * (length / np.maximum(norms, 1)))
                centroids = centroids.astype(np.float32)
    return centroids * unit


def nearest_lists(
    values: FloatArray,
    centroids: FloatArray,
    *,
    threads: int | None = None,
    device: str | None = None,
) -> IntArray:
    """Number of the nearest centroid of each vector, by Euclidean distance, → (t,) int64.

    values: (t, d); centroids: (k, d), float32. In float32, so near ties may differ between
    machines; lists that are stored come from `xret.index.scoring.maxsim.nearest_centroids` instead.
    Raises DimensionMismatchError, and as `train_centroids`.
    """
    if values.shape[1] != centroids.shape[1]:
        raise DimensionMismatchError(
            f"the vectors have {values.shape[1]} dimensions, the centroids {centroids.shape[1]}"
        )
    found = np.empty(len(values), dtype=np.int64)
    with faiss_threads(threads):
        coarse = _flat(centroids.shape[1], device)
        coarse.add(np.ascontiguousarray(centroids))
        for first in range(0, len(values), BLOCK_ROWS):
            block = np.ascontiguousarray(values[first : first + BLOCK_ROWS])
            found[first : first + BLOCK_ROWS] = coarse.search(block, 1)[1][:, 0]
    return found


def pair_code_scan(sample: FloatArray) -> Any:
    """An empty FAISS index of 4-bit codes for pairs of dimensions, trained on (s, d) vectors.

    d: a multiple of 4. All codes are in one inverted list: it is what FAISS can filter.
    """
    faiss = _faiss()
    dim = sample.shape[1]
    scan = faiss.IndexIVFPQFastScan(
        faiss.IndexFlatIP(dim), dim, 1, dim // 2, 4, faiss.METRIC_INNER_PRODUCT
    )
    scan.by_residual = False
    scan.cp.min_points_per_centroid = scan.pq.cp.min_points_per_centroid = 1
    scan.pq.cp.niter = 8
    scan.train(sample)
    return scan


def copied_scan(scan: Any) -> Any:
    """Another index with the same codebooks and the same codes."""
    return _faiss().clone_index(scan)


def scan_parameters(keep: npt.NDArray[np.bool_] | None) -> Any:
    """FAISS's search parameters: what a mask keeps, or all."""
    faiss = _faiss()
    selector = None
    if keep is not None:
        selector = faiss.IDSelectorBitmap(np.packbits(keep, bitorder="little"))
    return faiss.SearchParametersIVF(sel=selector, nprobe=1)


def scan_one(scan: Any, query: FloatArray, n: int, parameters: Any) -> tuple[FloatArray, IntArray]:
    """Scores and numbers of about the n best codes for one query (d,), those it has."""
    with faiss_threads(1):
        scores, numbers = scan.search(query[None], n, params=parameters)
    if numbers[0, -1] >= 0:  # what is missing is at the end
        return scores[0], numbers[0]
    real = numbers[0] >= 0
    return scores[0][real], numbers[0][real]


@contextmanager
def faiss_threads(n: int | None) -> Iterator[None]:
    """FAISS's threads for the calling thread only; None leaves them."""
    if n is None:
        yield
        return
    faiss = _faiss()
    before = faiss.omp_get_max_threads()
    if before == n:
        yield
        return
    faiss.omp_set_num_threads(n)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _iteration(points: FloatArray, k: int, centroids: FloatArray, coarse: Any, seed: int) -> Any:
    """One iteration of k-means over integers, from these centroids or, of none, from points."""
    faiss = _faiss()
    parameters = faiss.ClusteringParameters()
    parameters.niter, parameters.seed, parameters.int_centroids = 1, seed, True
    parameters.min_points_per_centroid, parameters.max_points_per_centroid = 1, len(points)
    clustering = faiss.Clustering(points.shape[1], k, parameters)
    faiss.copy_array_to_vector(centroids.ravel(), clustering.centroids)
    clustering.train(points, coarse)
    return faiss.vector_to_array(clustering.centroids).reshape(k, -1)


def _flat(dim: int, device: str | None) -> Any:
    """An empty flat L2 index on the CPU or on a GPU."""
    faiss = _faiss()
    if device is None or device == "cpu":
        return faiss.IndexFlatL2(dim)
    kind, colon, number = device.partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise ConfigError(f"device must be cpu, cuda or cuda:<number>, found {device!r}")
    n_devices = faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0
    if int(number or 0) >= n_devices:
        raise ConfigError(
            f"no device {device}: FAISS sees {n_devices} GPUs; install faiss-gpu in place of "
            "faiss-cpu, or choose device cpu"
        )
    options = faiss.GpuIndexFlatConfig()
    options.device = int(number or 0)
    return faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), dim, options)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingLibraryError(
            "clustering and approximate search need faiss, which is not installed: "
            "pip install faiss-cpu (or faiss-gpu, never both)"
        ) from error
    return faiss
