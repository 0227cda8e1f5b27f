"""Centroids found on a device: the CPU kernels' numbers, ties and all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xret.index.coding.clustering import train_codec
from xret.index.scoring import device_centroids
from xret.index.scoring.centroids import nearest_centroids
from xret.index.scoring.query_codes import rounded

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


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dim", "k"), [(8, 16), (12, 1), (96, 100), (1_028, 40)])
def test_the_nearest_are_those_of_the_cpu(
    device: str, dim: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(dim)
    centroids = rng.standard_normal((k, dim)).astype("f4")
    centroids[k // 2 :] = centroids[: k - k // 2]  # every other one is as near
    codes, units = rounded(centroids, levels=127)
    scales = ((units.view(np.uint32) + np.uint32(0xFFFF)) >> 16).astype(np.uint16)
    values = rng.standard_normal((500, dim)).astype("f4")
    wanted = nearest_centroids(values, codes.astype(np.int8), scales)
    monkeypatch.setitem(device_centroids.PRODUCTS, "cpu", 64 * k)  # several blocks
    found = nearest_centroids(values, codes.astype(np.int8), scales, device=device)
    assert found.dtype == np.uint16 and np.array_equal(found, wanted)
    assert k == 1 or found.max() < k // 2


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("several", [False, True])
def test_a_codec_trained_on_a_device_and_its_codes_are_the_cpus_bytes(
    device: str, several: bool
) -> None:
    values = np.random.default_rng(1).standard_normal((900, 24)).astype("f4")
    offsets = np.arange(0, 901, 3) if several else None
    one = train_codec(values, bits=4, offsets=offsets, n_centroids=32)
    other = train_codec(values, bits=4, offsets=offsets, n_centroids=32, device=device)
    assert other.device == device
    for name, array in one.arrays().items():
        assert np.array_equal(array, other.arrays()[name]), name
    mine, its = one.encode(values, offsets), other.encode(values, offsets)
    assert np.array_equal(mine.codes, its.codes)
    assert np.array_equal(mine.centroids, its.centroids)
