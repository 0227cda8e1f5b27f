"""FAISS behind one module: clustering to the last bit, candidates under any mask."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import xret
from xret.errors import ConfigError, DimensionMismatchError, MissingLibraryError
from xret.index.scoring.maxsim import query_codes, score_passages
from xret.index.search.dense import dense_candidates
from xret.index.search.dense.ann import nearest_lists, train_centroids
from xret.index.search.dense.dense_candidates import DenseCandidates
from xret.index.search.dense.dense_vectors import Int8Vectors
from xret.index.search.dense.pending_candidates import PendingCandidates
from xret.types import FloatArray, IntArray

DIM = 32


def clustered(n: int, seed: int = 0, dim: int = DIM) -> FloatArray:
    """Unit vectors around 40 centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((40, dim))
    values = centres[rng.integers(0, 40, n)] + 0.8 * rng.standard_normal((n, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def int8(values: FloatArray) -> Int8Vectors:
    bits = ((np.abs(values).max(axis=1) / 127).view(np.uint32) + 0xFFFF) >> 16
    scales = (bits << 16).astype(np.uint32).view(np.float32)
    return Int8Vectors(np.rint(values / scales[:, None]).astype(np.int8), bits.astype(np.uint16))


@pytest.fixture(scope="module")
def values() -> FloatArray:
    return clustered(6_000)


@pytest.fixture(scope="module")
def candidates(values: FloatArray) -> DenseCandidates:
    return DenseCandidates.build([int8(values[:2_500]), int8(values[2_500:])], threads=1)


def recall(found: list[IntArray], queries: FloatArray, values: FloatArray, k: int = 10) -> float:
    """Share of the exact best k that are among the candidates."""
    best = np.argsort(-(queries @ values.T), axis=1)[:, :k]
    return float(np.mean([np.isin(row, c).mean() for row, c in zip(best, found, strict=True)]))


# --- clustering ---


@pytest.mark.parametrize("spherical", [False, True])
def test_centroids_are_the_same_bytes_for_any_number_of_threads(
    values: FloatArray, spherical: bool
) -> None:
    made = {
        train_centroids(values, 50, seed=3, threads=n, spherical=spherical).tobytes()
        for n in (1, 2, 3)
    }
    assert len(made) == 1
    other = train_centroids(values, 50, seed=4, threads=1, spherical=spherical)
    assert other.tobytes() not in made


LATTICE = "(np.random.default_rng(0).integers(-1, 2, (2000, 64)) * 0.1).astype('f4')"
"""Vectors with many equal distances, which floats decide by the order of their sums."""


@pytest.mark.parametrize("kernels", ["Haswell", "Prescott"])
def test_centroids_are_the_same_bytes_for_any_matrix_product(kernels: str) -> None:
    """OpenBLAS's kernels for other processors add in other orders; sums of integers agree."""
    code = (
        "import numpy as np, hashlib; from xret.index.search.dense.ann import train_centroids\n"
        f"values = {LATTICE}\n"
        "made = train_centroids(values, 30, max_points=99, threads=2)\n"
        "print(hashlib.sha256(made.tobytes()).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"OPENBLAS_CORETYPE": kernels, "PATH": ""},
    )
    lattice = (np.random.default_rng(0).integers(-1, 2, (2000, 64)) * 0.1).astype("f4")
    here = hashlib.sha256(
        train_centroids(lattice, 30, max_points=99, threads=1).tobytes()
    ).hexdigest()
    assert run.stdout.strip() == here


def test_centroids_lie_in_the_middle_of_what_is_nearest_to_them(values: FloatArray) -> None:
    centroids = train_centroids(values, 40, iterations=25, max_points=10_000)
    lists = nearest_lists(values, centroids)
    squares = ((values - centroids[lists]) ** 2).sum(axis=1)
    shuffled = values[np.random.default_rng(0).choice(len(values), 40, replace=False)]
    before = ((values - shuffled[nearest_lists(values, shuffled)]) ** 2).sum(axis=1)
    assert squares.mean() < 0.8 * before.mean()
    for number in np.unique(lists):
        mean = values[lists == number].mean(axis=0)
        assert np.abs(mean - centroids[number]).max() < 0.05


def test_spherical_centroids_have_one_length(values: FloatArray) -> None:
    norms = np.linalg.norm(train_centroids(values * 3, 30, spherical=True), axis=1)
    assert norms == pytest.approx(3, rel=0.02)


def test_nearest_is_the_least_distance(values: FloatArray) -> None:
    centroids = values[:37]
    distances = ((values[:, None] - centroids[None]) ** 2).sum(axis=2)
    assert np.array_equal(nearest_lists(values, centroids, threads=1), distances.argmin(axis=1))


def test_unusable_vectors_are_refused(values: FloatArray) -> None:
    with pytest.raises(ConfigError, match="10 centroids need as many vectors, found 5"):
        train_centroids(values[:5], 10)
    broken = values[:100].copy()
    broken[3, 3] = np.nan
    with pytest.raises(ConfigError, match="must be finite"):
        train_centroids(broken, 10)
    with pytest.raises(DimensionMismatchError, match="32 dimensions, the centroids 16"):
        nearest_lists(values, values[:5, :16])


def test_clustering_zeros_and_duplicates_does_not_fail() -> None:
    zeros = train_centroids(np.zeros((20, 8), dtype=np.float32), 4)
    assert np.array_equal(zeros, np.zeros((4, 8), dtype=np.float32))
    assert np.isfinite(train_centroids(np.ones((20, 8), dtype=np.float32), 4)).all()


def test_a_gpu_that_is_not_there_is_refused(values: FloatArray) -> None:
    with pytest.raises(ConfigError, match="no device cuda:77"):
        train_centroids(values, 4, device="cuda:77")
    with pytest.raises(ConfigError, match="must be cpu, cuda or cuda:<number>"):
        nearest_lists(values, values[:3], device="tpu")


def test_threads_of_others_are_left_alone(values: FloatArray) -> None:
    import faiss

    before = faiss.omp_get_max_threads()
    train_centroids(values, 8, threads=before + 1)
    assert faiss.omp_get_max_threads() == before


# --- candidates ---


def test_candidates_hold_nearly_all_of_the_exact_best(
    values: FloatArray, candidates: DenseCandidates
) -> None:
    queries = clustered(40, seed=5)
    found = candidates.search(queries, 100)
    assert {len(c) for c in found} == {100}
    assert recall(found, queries, values) >= 0.97


def test_refined_candidates_are_ranked_as_an_exact_scan(
    values: FloatArray, candidates: DenseCandidates
) -> None:
    coded, offsets = int8(values), np.arange(len(values) + 1)
    for query in clustered(10, seed=6):
        codes = query_codes(query[None])
        whole = score_passages(codes, coded.codes, coded.scales, offsets)[0]
        which = candidates.search(query[None], 200)[0]
        scores = score_passages(codes, coded.codes, coded.scales, offsets, which=which)[0]
        assert np.array_equal(scores, whole[which])
        assert which[scores.argmax()] == whole.argmax()


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2, 0.02, 0.001, 0.0])
def test_masked_passages_never_appear_and_the_kept_are_found(
    values: FloatArray, candidates: DenseCandidates, share: float
) -> None:
    keep = np.random.default_rng(1).random(len(values)) < share
    queries = clustered(20, seed=7)
    found = candidates.search(queries, 90, keep=keep)
    assert all(keep[c].all() for c in found)
    if keep.sum() <= 8 * 90:
        assert all(np.array_equal(c, np.flatnonzero(keep)) for c in found)
    else:
        numbers = np.flatnonzero(keep)
        positions = [np.searchsorted(numbers, c) for c in found]
        assert recall(positions, queries, values[keep]) >= 0.95


def test_batch_and_threads_do_not_change_candidates(candidates: DenseCandidates) -> None:
    queries = clustered(12, seed=8)
    alone = [candidates.search(query[None], 60)[0] for query in queries]
    for threads in (1, 2, 5):
        together = candidates.search(queries, 60, threads=threads)
        assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_candidates_rise_and_are_distinct(candidates: DenseCandidates) -> None:
    for found in candidates.search(clustered(5, seed=9), 70):
        assert (np.diff(found) > 0).all()
        assert 0 <= found[0] <= found[-1] < candidates.n_passages


def test_added_passages_are_found_and_the_first_value_stays(
    values: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_candidates, "PART_ROWS", 3_500)
    first = DenseCandidates.build([int8(values[:3_000])], threads=1)
    queries = clustered(20, seed=10)
    before = first.search(queries, 100)
    grown = first.extended(int8(values[3_000:4_000]), threads=1)  # into a copy of the part
    grown = grown.extended(int8(values[4_000:]), threads=1)  # a part of its own
    assert len(grown._parts) == 2
    assert (first.n_passages, grown.n_passages) == (3_000, 6_000)
    assert recall(grown.search(queries, 100), queries, values) >= 0.97
    assert all(map(np.array_equal, first.search(queries, 100), before))
    keep = np.zeros(6_000, dtype=bool)
    keep[3_900:5_000] = True
    assert all(keep[c].all() and len(c) == 100 for c in grown.search(queries, 100, keep=keep))


def test_a_direction_that_all_vectors_share_costs_no_recall() -> None:
    values, queries = clustered(3_000), clustered(20, seed=4)
    shared = np.full(DIM, 1.5, dtype=np.float32)
    made = DenseCandidates.build([int8(values + shared)], threads=1)
    assert recall(made.search(queries, 100), queries, values + shared) >= 0.97


@pytest.mark.parametrize("dim", [6, 20, 30])
def test_any_dimension_can_be_searched(dim: int) -> None:
    values = clustered(2_000, dim=dim)
    made = DenseCandidates.build([int8(values)], threads=1)
    queries = clustered(10, seed=2, dim=dim)
    assert recall(made.search(queries, 150), queries, values) >= 0.9


def test_too_few_vectors_and_other_widths_are_refused(candidates: DenseCandidates) -> None:
    with pytest.raises(ConfigError, match="need 256 vectors to train on, found 100"):
        DenseCandidates.build([int8(clustered(100))])
    with pytest.raises(DimensionMismatchError, match="16 dimensions, not 32"):
        candidates.search(np.ones((1, 16), dtype=np.float32), 10)


# --- in the background ---


def test_pending_candidates_build_nothing_for_one_question(values: FloatArray) -> None:
    pending = PendingCandidates([int8(values)])
    assert pending.ready() is None
    assert not any(t.name == "xret-candidates" for t in threading.enumerate())


def test_pending_candidates_become_ready(values: FloatArray, candidates: DenseCandidates) -> None:
    pending = PendingCandidates([int8(values[:2_500]), int8(values[2_500:])])
    pending.ready()
    made = pending.wait()
    assert made is not None and made is pending.ready()
    query = clustered(1, seed=3)
    assert np.array_equal(made.search(query, 50)[0], candidates.search(query, 50)[0])


def test_failure_in_the_background_is_told() -> None:
    pending = PendingCandidates([int8(clustered(50))])
    with pytest.raises(ConfigError, match="need 256 vectors"):
        pending.wait()


def test_a_build_is_given_up_within_a_block() -> None:
    class Slow:
        def __len__(self) -> int:
            return 50_000_000

        def rows(self, which: object) -> FloatArray:  # noqa: ARG002
            time.sleep(0.01)
            return clustered(500)

    pending = PendingCandidates([Slow()])
    pending.ready()
    pending.ready()
    pending.stop()
    assert pending.wait() is None
    assert not any(t.name == "xret-candidates" for t in threading.enumerate())


def test_process_ends_in_the_middle_of_a_build() -> None:
    """The whole build would take minutes: every block of it is slow."""
    code = (
        "import time, numpy as np\n"
        "from xret.index.search.dense.pending_candidates import PendingCandidates\n"
        "class Slow:\n"
        "    def __len__(self): return 50_000_000\n"
        "    def rows(self, which):\n"
        "        time.sleep(0.05)\n"
        "        return np.random.default_rng(0).standard_normal((500, 16)).astype('f4')\n"
        "pending = PendingCandidates([Slow()])\n"
        "pending.ready(); pending.ready(); time.sleep(0.5); print(pending.ready())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "None\n", "")


# --- libraries ---


def test_missing_faiss_names_the_install_line(
    values: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingLibraryError, match="pip install faiss-cpu"):
        train_centroids(values, 4)


@pytest.mark.parametrize("order", ["torch, faiss", "faiss, torch"])
def test_faiss_and_torch_work_in_one_process(order: str) -> None:
    """Each brings its own OpenMP; both compute with two threads, in turns and at once."""
    code = (
        f"import {order}\n"
        "import numpy as np, threading\n"
        "from xret.index.search.dense.ann import train_centroids, nearest_lists\n"
        "torch.set_num_threads(2)\n"
        "v = np.random.default_rng(0).standard_normal((4_000, 32)).astype('f4')\n"
        "t = torch.from_numpy(v)\n"
        "stop = threading.Event()\n"
        "def work():\n"
        "    while not stop.is_set(): (t @ t[:256].T).amax(1)\n"
        "thread = threading.Thread(target=work); thread.start()\n"
        "c = train_centroids(v, 16, iterations=3, threads=2)\n"
        "found = nearest_lists(v, c, threads=2)\n"
        "stop.set(); thread.join()\n"
        "d = ((t[:, None] - torch.from_numpy(c)[None]) ** 2).sum(2)\n"
        "print((d.argmin(1).numpy() == found).mean() > 0.999)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert (run.stdout, run.stderr) == ("True\n", "")


def test_only_one_module_imports_faiss_and_none_reads_its_files() -> None:
    package = Path(xret.__file__).parent
    folders = {(package / part).resolve() for part in ("", "index", "retriever", "server", "eval")}
    importers = set()
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "faiss" for name in names):
                importers.add(path.name)
        assert "read_index" not in text
        assert "write_index" not in text or path.name == "faiss_file.py"
    assert importers == {"ann.py"}
