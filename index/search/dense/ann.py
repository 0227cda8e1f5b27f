"""FAISS, behind one module: clustering, coarse search, scans over 2-bit codes, a GPU's indices.

Nothing else imports faiss. The packages faiss-cpu (a dependency) and faiss-gpu (the extra
`[gpu]`) both provide the module `faiss`, so one environment holds one of them, never both:
`pip uninstall faiss-cpu` comes before `pip install 'xret[gpu]'`. FAISS objects live in
memory only, are filled from the index's own arrays, and are never read from or written to
a file. The number of threads is set for the calling thread alone (OpenMP keeps it by
thread), so torch and other users of OpenMP in the process keep theirs.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import ConfigError, DimensionMismatchError, MissingLibraryError
from xret.types import FloatArray, IntArray

__all__ = [
    "MOST_BEST",
    "code_width",
    "copied_scan",
    "device_turn",
    "faiss_device",
    "faiss_library",
    "faiss_threads",
    "half_vectors",
    "inverted_codes",
    "nearest_lists",
    "pair_code_scan",
    "scan_one",
    "scan_parameters",
    "train_centroids",
]

BLOCK_ROWS = 2**14
MOST_BEST = 2048
"""Best vectors that FAISS finds on a GPU for one query."""

CODE_BYTES = (64, 56, 48, 40, 32, 28, 24, 20, 16, 12, 8, 4)
CODE_DIMS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32)
"""Bytes of a product code, and dimensions that a byte may stand for, which its kernels know."""

CODE_STEP = 32
MOST_CODED_DIMS = CODE_BYTES[0] * CODE_DIMS[-1]

PROBE = """
import sys, faiss, numpy as np
options = faiss.GpuIndexFlatConfig()
options.device = int(sys.argv[1])
resources = faiss.StandardGpuResources()
index = faiss.GpuIndexFlatIP(resources, 8, options)
index.add(np.eye(8, dtype=np.float32))
assert index.search(np.eye(8, dtype=np.float32), 1)[1][:, 0].tolist() == list(range(8))
"""
PROBE_S = 120
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
    faiss = faiss_library()
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
    return faiss_library().clone_index(scan)


def scan_parameters(keep: npt.NDArray[np.bool_] | None) -> Any:
    """FAISS's search parameters: what a mask keeps, or all."""
    faiss = faiss_library()
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


def half_vectors(dim: int, *, device: str | None = None) -> Any:
    """An empty FAISS index of (n, dim) vectors as float16, which finds the largest dot products.

    device: None or "cpu", or a GPU, in whose memory it lies then. Raises as `faiss_device`.
    """
    faiss, number = faiss_library(), faiss_device(device)
    if number is None:
        kind = faiss.ScalarQuantizer.QT_fp16
        return faiss.IndexScalarQuantizer(dim, kind, faiss.METRIC_INNER_PRODUCT)
    options = faiss.GpuIndexFlatConfig()
    options.device, options.useFloat16 = number, True
    return faiss.GpuIndexFlatIP(_resources(number), dim, options)


def inverted_codes(
    sample: FloatArray, n_lists: int, *, probed: int, device: str | None = None
) -> Any:
    """An index of product codes in inverted lists (IVF-PQ), trained on (s, d) vectors, empty.

    d: a `code_width`; a code has at most 64 bytes. probed: lists that a query looks into.
    Where FAISS is built with cuVS, it takes that by itself. Raises as `faiss_device`.
    """
    faiss, number, dim = faiss_library(), faiss_device(device), sample.shape[1]
    n_bytes = next(_code_bytes(dim))
    if number is None:
        coarse = faiss.IndexFlatIP(dim)
        metric = faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexIVFPQ(coarse, dim, n_lists, n_bytes, 8, metric)
        index.pq.cp.min_points_per_centroid = 1
    else:
        options = faiss.GpuIndexIVFPQConfig()
        options.device, options.useFloat16LookupTables = number, True  # 64 bytes need them
        index = faiss.GpuIndexIVFPQ(
            _resources(number), dim, n_lists, n_bytes, 8, faiss.METRIC_INNER_PRODUCT, options
        )
    index.cp.min_points_per_centroid = 1
    index.train(sample)
    index.nprobe = min(n_lists, probed)
    return index


def code_width(dim: int) -> int | None:
    """Dimensions that vectors are filled to with zeros for product codes; None for too many."""
    widths = range(-(-dim // CODE_STEP) * CODE_STEP, MOST_CODED_DIMS + 1, CODE_STEP)
    return next((width for width in widths if any(_code_bytes(width))), None)


def device_turn(device: str | None) -> threading.Lock:
    """What a caller holds while FAISS works on that device, which takes one at a time."""
    return _turn(faiss_device(device))


def faiss_device(device: str | None) -> int | None:
    """The number of a GPU that FAISS can use, None for the CPU.

    A build without kernels for a GPU's generation ends the whole process at its first use, so
    that this is tried once in a process of its own. Raises ConfigError for a GPU that FAISS
    does not see or cannot use and for another word, MissingLibraryError without faiss.
    """
    faiss = faiss_library()
    if device is None or device == "cpu":
        return None
    kind, colon, number = device.partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise ConfigError(f"device must be cpu, cuda or cuda:<number>, found {device!r}")
    if not hasattr(faiss, "StandardGpuResources"):
        raise ConfigError(
            f"no device {device} for FAISS {faiss.__version__}, which is faiss-cpu; pip uninstall "
            "faiss-cpu, then pip install 'xret[gpu]' (both at once break each other), or choose "
            "device cpu"
        )
    n_devices = faiss.get_num_gpus()
    if int(number or 0) >= n_devices:
        raise ConfigError(
            f"no device {device}: FAISS sees {n_devices} GPUs; choose device cpu, or install "
            "NVIDIA's driver for CUDA 12"
        )
    if fault := _probed(int(number or 0)):
        raise ConfigError(
            f"FAISS {faiss.__version__} cannot compute on {device}: {fault}; install a build for "
            "this GPU: faiss-gpu 1.15 has compute capability 7.0 to 9.0 and later, faiss-gpu-cu12 "
            "7.0 to 8.9"
        )
    return int(number or 0)


@contextmanager
def faiss_threads(n: int | None) -> Iterator[None]:
    """FAISS's threads for the calling thread only; None leaves them."""
    if n is None:
        yield
        return
    faiss = faiss_library()
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
    faiss = faiss_library()
    parameters = faiss.ClusteringParameters()
    parameters.niter, parameters.seed, parameters.int_centroids = 1, seed, True
    parameters.min_points_per_centroid, parameters.max_points_per_centroid = 1, len(points)
    clustering = faiss.Clustering(points.shape[1], k, parameters)
    faiss.copy_array_to_vector(centroids.ravel(), clustering.centroids)
    clustering.train(points, coarse)
    return faiss.vector_to_array(clustering.centroids).reshape(k, -1)


def _flat(dim: int, device: str | None) -> Any:
    """An empty flat L2 index on the CPU or on a GPU."""
    faiss, number = faiss_library(), faiss_device(device)
    if number is None:
        return faiss.IndexFlatL2(dim)
    options = faiss.GpuIndexFlatConfig()
    options.device = number
    return faiss.GpuIndexFlatL2(_resources(number), dim, options)


def _code_bytes(width: int) -> Iterator[int]:
    """Lengths of product codes for vectors of so many dimensions, longest first."""
    return (n for n in CODE_BYTES if width % n == 0 and width // n in CODE_DIMS)


@cache
def _turn(number: int | None) -> threading.Lock:  # noqa: ARG001 (the key of the cache)
    return threading.Lock()


@cache
def _resources(number: int) -> Any:  # noqa: ARG001 (the key of the cache)
    """The streams and scratch memory of a GPU, which all its indices share."""
    return faiss_library().StandardGpuResources()


@cache
def _probed(number: int) -> str:
    """Why FAISS cannot compute on a GPU, "" where it can."""
    command = [sys.executable, "-c", PROBE, str(number)]
    try:
        done = subprocess.run(  # noqa: S603 (our own program)
            command, capture_output=True, text=True, check=False, timeout=PROBE_S
        )
    except subprocess.TimeoutExpired:
        return f"it gave no answer in {PROBE_S} s"
    said = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
    return said[-1][:200] if done.returncode else ""


def faiss_library() -> Any:
    """FAISS. Raises MissingLibraryError where it is not installed."""
    try:
        import faiss
    except ImportError as error:
        raise MissingLibraryError(
            "clustering, approximate search and FAISS's files need faiss, which is not installed: "
            "pip install faiss-cpu (or faiss-gpu, never both)"
        ) from error
    return faiss
