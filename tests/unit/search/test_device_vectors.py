"""Single vectors on a device by FAISS: the exact best, product codes, masks, commits, threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from xret.errors import ConfigError
from xret.index.scoring.query_codes import QueryCodes, query_codes
from xret.index.search import scanned
from xret.index.search.dense import ann, device_vectors
from xret.index.search.dense.dense_vectors import Int8Vectors
from xret.index.search.dense.device_vectors import DeviceVectors
from xret.index.search.device.device_blocks import ScanSegment
from xret.index.search.scanned import CommitScan, faiss_fault
from xret.types import FloatArray, IntArray

faiss = pytest.importorskip("faiss")

N, DIM = 2_400, 48
ROOM = 2**40
CODED = device_vectors.CODE_ROW_BYTES * N
"""Memory that product codes fit into, and float16 does not."""

ON_GPU = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(
            not torch.cuda.is_available() or not hasattr(faiss, "StandardGpuResources"),
            reason="torch or FAISS sees no GPU",
        ),
    ],
)
DEVICES = ["cpu", ON_GPU]


def vectors(n: int, seed: int) -> FloatArray:
    """Unit vectors around 30 centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((30, DIM))
    values = centres[rng.integers(0, 30, n)] + 0.7 * rng.standard_normal((n, DIM))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def segment_of(values: FloatArray, documents: IntArray | None = None) -> ScanSegment:
    bits = ((np.abs(values).max(axis=1) / 127).view(np.uint32) + 0xFFFF) >> 16
    scales = (bits << 16).astype(np.uint32).view(np.float32)
    codes = np.rint(values / scales[:, None]).astype(np.int8)
    coded = Int8Vectors(codes, bits.astype(np.uint16))
    return ScanSegment(coded, np.arange(len(values) + 1), documents)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More of them wait for each other longer than such small work takes."""
    with ann.faiss_threads(1):
        yield


@pytest.fixture(scope="module")
def segment() -> ScanSegment:
    return segment_of(vectors(N, 1))


@pytest.fixture(scope="module")
def queries() -> QueryCodes:
    return query_codes(vectors(12, 2), np.arange(13))


def exact(segment: ScanSegment, queries: QueryCodes) -> FloatArray:
    rows = segment.vectors.rows(slice(0, len(segment.vectors)))
    sums = np.add.reduceat(queries.codes * queries.scales[:, None], queries.offsets[:-1], axis=0)
    return np.asarray(sums @ rows.T, np.float32)


def opened(segments: list[ScanSegment], device: str = "cpu", room: int = ROOM) -> DeviceVectors:
    found = DeviceVectors.open(segments, device=device, memory_bytes=room)
    assert found is not None
    return found


def best(
    index: DeviceVectors, queries: QueryCodes, k: int, keep: np.ndarray | None = None
) -> list[IntArray]:
    found = index.search(queries, k, keep=keep)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("masked", [False, True])
def test_float16_finds_the_exact_best(
    device: str, masked: bool, segment: ScanSegment, queries: QueryCodes
) -> None:
    index, scores = opened([segment], device), exact(segment, queries)
    assert index.exact
    keep = np.random.default_rng(0).random(N) < 0.4 if masked else None
    found = index.search(queries, 20, keep=keep)
    assert found is not None
    for row, numbers, values in zip(scores, *found, strict=True):
        allowed = row if keep is None else np.where(keep, row, -np.inf)
        assert np.allclose(row[numbers], values, atol=2e-3)
        assert (np.diff(values) <= 0).all()
        assert len(np.unique(numbers)) == len(numbers) >= 20
        assert (allowed[numbers[:20]] >= np.sort(allowed)[-20] - 2e-3).all()


@pytest.mark.parametrize("device", DEVICES)
def test_product_codes_find_nearly_all_where_memory_is_short(
    device: str, segment: ScanSegment, queries: QueryCodes
) -> None:
    index = opened([segment], device, CODED)
    assert not index.exact
    for row, numbers in zip(exact(segment, queries), best(index, queries, 100), strict=True):
        assert np.isin(np.argsort(-row)[:10], numbers).mean() >= 0.8
    kept = np.arange(N) % 5 == 0
    assert all(kept[numbers].all() for numbers in best(index, queries, 10, kept))
    assert DeviceVectors.open([segment], device=device, memory_bytes=N) is None


def test_a_batch_and_threads_find_what_one_query_finds(
    segment: ScanSegment, queries: QueryCodes
) -> None:
    index = opened([segment])
    together = best(index, queries, 15)
    ones = [
        QueryCodes(queries.codes[a:b], None, queries.scales[a:b], np.array([0, b - a]))
        for a, b in zip(queries.offsets[:-1], queries.offsets[1:], strict=True)
    ]
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda one: best(index, one, 15)[0], ones))
    for one, row in zip(alone, together, strict=True):
        assert np.array_equal(one, row)


def test_documents_of_several_passages_are_found_once_by_their_best(queries: QueryCodes) -> None:
    starts = np.arange(0, N + 1, 3)
    segment = segment_of(vectors(N, 3), starts)
    scores = np.maximum.reduceat(exact(segment, queries), starts[:-1], axis=1)
    for row, numbers in zip(scores, best(opened([segment]), queries, 10), strict=True):
        assert len(np.unique(numbers)) == len(numbers) >= 10
        assert (row[numbers[:10]] >= np.sort(row)[-10] - 2e-3).all()


def test_what_is_added_is_found_beside_what_was_there(queries: QueryCodes) -> None:
    segments = [segment_of(vectors(400, seed)) for seed in range(9)]
    whole = best(opened(segments), queries, 10)
    grown = opened(segments[:2])
    for segment in segments[2:8]:
        more = grown.extended([segment], memory_bytes=ROOM)
        assert more is not None and more.n_documents == grown.n_documents + 400
        grown = more
    before = best(grown, queries, 10)
    last = grown.extended(segments[8:], memory_bytes=ROOM)
    assert last is not None
    for row, wanted in zip(best(last, queries, 10), whole, strict=True):
        assert np.array_equal(row[:10], wanted[:10])
    assert all(map(np.array_equal, best(grown, queries, 10), before))
    assert last.extended(segments[:1], memory_bytes=ROOM) is None  # too many parts by now


def test_more_than_a_gpu_finds_is_left_to_the_scan(
    segment: ScanSegment, queries: QueryCodes
) -> None:
    index, few = opened([segment]), np.arange(N) < 30
    assert index.search(queries, ann.MOST_BEST + 1) is None
    assert index.search(queries, 25, keep=few) is None
    scan = CommitScan([segment], device="cpu", vectors=index, scan=None)
    assert scan._known is None
    numbers, _ = scan.search(queries, 25, keep=few)
    assert scan._known is not None
    for row, found in zip(exact(segment, queries), numbers, strict=True):
        assert set(found) <= set(range(30))
        assert found[0] == row[:30].argmax()


@pytest.mark.parametrize("dim", [3, 352, 1_000])
def test_every_width_has_a_code_that_the_kernels_know(dim: int) -> None:
    width = ann.code_width(dim)
    assert width is not None and dim <= width <= 2_048
    index = ann.inverted_codes(
        np.random.default_rng(0).standard_normal((300, width)).astype("f4"), 1, probed=8
    )
    assert index.d == width and index.nprobe == 1 and index.pq.M <= 64
    assert width // index.pq.M in ann.CODE_DIMS
    assert ann.code_width(2_049) is None


@pytest.mark.skipif(hasattr(faiss, "StandardGpuResources"), reason="this is faiss-gpu")
def test_faiss_without_a_gpu_says_what_to_install_and_torch_scans() -> None:
    with pytest.raises(ConfigError, match=r"faiss-cpu; pip uninstall faiss-cpu.*'xret\[gpu\]'"):
        ann.faiss_device("cuda")
    with pytest.raises(ConfigError, match="must be cpu, cuda or cuda:<number>"):
        ann.faiss_device("tpu")
    faiss_fault.cache_clear()
    with pytest.warns(UserWarning, match=r"torch scores every document: no device cuda:7"):
        assert faiss_fault("cuda:7")
    assert faiss_fault("cuda:7")  # and does not say it again


def test_a_build_without_kernels_for_a_gpu_is_found_out_by_another_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ann, "PROBE", "import os; os.abort()")
    ann._probed.cache_clear()
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    with pytest.raises(ConfigError, match=r"cannot compute on cuda: it ended with status -6"):
        ann.faiss_device("cuda")
    monkeypatch.setattr(ann, "PROBE", "import sys; sys.exit('no kernel image')")
    ann._probed.cache_clear()
    with pytest.raises(ConfigError, match=r"no kernel image; install a build for this GPU"):
        ann.faiss_device("cuda:0")
    with pytest.raises(ConfigError, match="no device cuda:1: FAISS sees 1 GPUs"):
        ann.faiss_device("cuda:1")
    ann._probed.cache_clear()


def test_a_commit_takes_faiss_where_every_passage_has_one_vector(
    segment: ScanSegment, queries: QueryCodes
) -> None:
    first = CommitScan.of([segment], None, "cpu", True)
    more = CommitScan.of([segment_of(vectors(200, 5))], first, "cpu", True)
    assert first.vectors is not None and more.vectors is not None
    assert more.n_documents == more.vectors.n_documents == N + 200
    assert more.vectors._parts[0] is first.vectors._parts[0]
    plain = CommitScan.of([segment], None, "cpu", False)
    assert plain.vectors is None
    for row, wanted in zip(first.search(queries, 9)[0], plain.search(queries, 9)[0], strict=True):
        assert np.isin(wanted[:8], row).all()
    assert scanned.faiss_fault("cpu") is None
