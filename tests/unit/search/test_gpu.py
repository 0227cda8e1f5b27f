"""The scan on a device: the CPU kernels' scores, any raggedness, any mask, any budget."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import ConfigError, DamagedIndexError, DimensionMismatchError
from xret.index.scoring.devices import torch_device
from xret.index.scoring.maxsim import maxsim_scores, query_codes, score_passages
from xret.index.search.dense.dense_vectors import Int8Vectors
from xret.index.search.device import gpu
from xret.index.search.device.gpu import DeviceScan, ScanSegment
from xret.types import FloatArray, IntArray

pytestmark = pytest.mark.vectors

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
        ],
    ),
]


def unit(rng: np.random.Generator, n: int, dim: int) -> FloatArray:
    values = rng.standard_normal((n, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def segment_of(
    rng: np.random.Generator, lengths: list[int], dim: int, documents: list[int] | None = None
) -> ScanSegment:
    values = unit(rng, sum(lengths), dim)
    bits = ((np.abs(values).max(axis=1) / 127).view(np.uint32) + 0xFFFF) >> 16
    scales = (bits << 16).astype(np.uint32).view(np.float32)
    vectors = Int8Vectors(np.rint(values / scales[:, None]).astype(np.int8), bits.astype(np.uint16))
    starts = None if documents is None else np.concatenate([[0], np.cumsum(documents)])
    return ScanSegment(vectors, np.concatenate([[0], np.cumsum(lengths)]), starts)


def kernel_scores(
    segments: list[ScanSegment], queries: FloatArray, starts: IntArray | None = None
) -> FloatArray:
    """(n_queries, documents): the CPU kernels' scores, best passage of each document."""
    coded, found = query_codes(queries, starts), []
    for segment in segments:
        assert isinstance(segment.vectors, Int8Vectors)
        scores = score_passages(
            coded, segment.vectors.codes, segment.vectors.scales, segment.offsets
        )
        if segment.documents is not None:
            scores = np.maximum.reduceat(scores, segment.documents[:-1], axis=1)
        found.append(scores)
    return np.concatenate(found, axis=1)


def best_of(scores: FloatArray, k: int, keep: np.ndarray | None = None) -> IntArray:
    order = np.lexsort([np.arange(len(scores)), -scores])
    return (order if keep is None else order[keep[order]])[:k]


@pytest.mark.parametrize("device", DEVICES)
@settings(deadline=None, max_examples=40)
@given(st.data())
def test_hits_and_scores_are_those_of_the_cpu_kernels_to_the_last_bit(
    device: str, data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000), label="seed"))
    dim = data.draw(st.sampled_from([4, 8, 12, 128, 1028]), label="dim")
    n_segments = data.draw(st.integers(1, 3), label="segments")
    segments = []
    for _ in range(n_segments):
        documents = rng.integers(1, 4, data.draw(st.integers(1, 12))).tolist()
        lengths = rng.integers(1, 30, sum(documents)).tolist()
        segments.append(segment_of(rng, lengths, dim, documents if rng.random() < 0.5 else None))
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3), label="query lengths")
    queries = unit(rng, sum(sizes), dim)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    budget = data.draw(st.sampled_from([None, 0, 2_000]), label="resident bytes")
    k = data.draw(st.integers(1, 60), label="k")
    scan = DeviceScan.open(segments, device=device, resident_bytes=budget)
    keep = None if data.draw(st.booleans(), label="all") else rng.random(scan.n_documents) < 0.3

    found, scores = scan.search(query_codes(queries, starts), k, keep=keep)

    expected = kernel_scores(segments, queries, starts)
    for query, (numbers, values) in enumerate(zip(found, scores, strict=True)):
        assert numbers.tolist() == best_of(expected[query], k, keep).tolist()
        assert values.tolist() == expected[query][numbers].tolist()


def test_every_cut_into_blocks_and_shares_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    segment = segment_of(rng, rng.integers(1, 40, 60).tolist(), 16, [1, 2, 3] * 10)
    queries = query_codes(unit(rng, 30, 16), np.arange(0, 31, 3))
    whole = DeviceScan.open([segment]).search(queries, 7)
    for rows, similarities in [(1, 1), (50, 1), (100, 3_000)]:
        monkeypatch.setitem(gpu.BLOCK_ROWS, "cpu", rows)
        monkeypatch.setitem(gpu.SIMILARITIES, "cpu", similarities)
        for resident in (None, 0):
            cut = DeviceScan.open([segment], resident_bytes=resident).search(queries, 7)
            assert np.array_equal(cut[0], whole[0])
            assert np.array_equal(cut[1], whole[1])


def test_negative_similarities_are_not_beaten_by_padding() -> None:
    query = np.eye(1, 4, dtype=np.float32)
    codes = np.array([[-100, 0, 0, 0], [-120, 0, 0, 0], [-50, 0, 0, 0]], dtype=np.int8)
    one = np.full(3, 0x3C00, dtype=np.uint16)  # 2**-7
    segment = ScanSegment(Int8Vectors(codes, one), np.array([0, 2, 3]))
    numbers, scores = DeviceScan.open([segment]).search(query_codes(query), 2)
    assert numbers[0].tolist() == [1, 0]
    assert scores[0] == pytest.approx([-50 / 128, -100 / 128])


def test_equal_documents_rank_by_their_number() -> None:
    rng = np.random.default_rng(0)
    one = segment_of(rng, [3], 8)
    assert isinstance(one.vectors, Int8Vectors)
    many = ScanSegment(
        Int8Vectors(np.tile(one.vectors.codes, (50, 1)), np.tile(one.vectors.scales, 50)),
        np.arange(0, 151, 3),
    )
    numbers, scores = DeviceScan.open([one, many]).search(query_codes(unit(rng, 5, 8)), 9)
    assert numbers[0].tolist() == list(range(9))
    assert len(set(scores[0].tolist())) == 1


def test_vectors_of_another_codec_are_rounded_closely() -> None:
    rng = np.random.default_rng(1)
    values, offsets = unit(rng, 400, 32), np.arange(0, 401, 8)

    class Plain:
        def __len__(self) -> int:
            return len(values)

        def rows(self, which: slice | IntArray) -> FloatArray:
            return values[which]

    query = unit(rng, 6, 32)
    numbers, scores = DeviceScan.open([ScanSegment(Plain(), offsets)]).search(
        query_codes(query), 50
    )
    exact = maxsim_scores(query, values, offsets)
    assert np.abs(scores[0] - exact[numbers[0]]).max() < 0.005 * len(query)


def test_extended_scan_leaves_the_first_as_it_is() -> None:
    rng = np.random.default_rng(2)
    first, second = segment_of(rng, [2, 3], 8), segment_of(rng, [1, 4, 2], 8)
    scan = DeviceScan.open([first])
    more = scan.extended([second], resident_bytes=0)
    assert (scan.n_documents, more.n_documents, more.n_resident) == (2, 5, 2)
    query = unit(rng, 3, 8)
    expected = kernel_scores([first, second], query)[0]
    assert more.search(query_codes(query), 5)[0][0].tolist() == best_of(expected, 5).tolist()
    assert scan.search(query_codes(query), 5)[0][0].tolist() == best_of(expected[:2], 5).tolist()


def test_nothing_kept_is_no_hit() -> None:
    scan = DeviceScan.open([segment_of(np.random.default_rng(0), [2, 3], 8)])
    query = query_codes(np.ones((1, 8), dtype=np.float32))
    numbers, scores = scan.search(query, 5, keep=np.zeros(2, dtype=bool))
    assert [len(numbers[0]), len(scores[0])] == [0, 0]


def test_queries_of_another_width_are_refused() -> None:
    scan = DeviceScan.open([segment_of(np.random.default_rng(0), [2], 8)])
    with pytest.raises(DimensionMismatchError, match="16 dimensions, the documents 8"):
        scan.search(query_codes(np.ones((1, 16), dtype=np.float32)), 1)


@pytest.mark.parametrize("offsets", [[0, 2, 2, 5], [0, 3, 9], [1, 5], [0, 4, 3, 5], []])
def test_offsets_that_reach_outside_are_damage(offsets: list[int]) -> None:
    sound = segment_of(np.random.default_rng(0), [5], 8)
    broken = ScanSegment(sound.vectors, np.array(offsets, dtype=np.int64))
    with pytest.raises(DamagedIndexError, match="do not rise"):
        DeviceScan.open([broken])


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:", "cpu:1", "mps"])
def test_unknown_device_names_are_refused(device: str) -> None:
    with pytest.raises(ConfigError, match="must be cpu, cuda or cuda:<number>"):
        torch_device(device)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no device cuda:99: torch .*(sees|built without)"):
        torch_device("cuda:99")
    assert torch_device(None) == torch_device("cpu") == torch.device("cpu")


def test_importing_the_scan_loads_no_torch() -> None:
    code = "import sys, xret.index.search.device.gpu; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
