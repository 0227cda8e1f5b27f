"""Codes of a trellis: the nearest there are, the same on every path, more bits for what varies."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from xret.errors import DamagedIndexError
from xret.index.coding.trellis import (
    ERRORS,
    GAUSSIAN_WINDOWS,
    checked_levels,
    levels_of,
    nearest_in_numpy,
    rates_of,
    trellis_codes,
)
from xret.index.scoring.kernel_path import kernel_path
from xret.index.scoring.trellis_values import GROUP, WINDOWS, trellis_bytes, window_values
from xret.index.storage.segment import widened


def gaussian(n: int, deviations: list[float], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wide = np.repeat(deviations, GROUP)
    return (rng.standard_normal((n, len(wide))) * wide).astype(np.float32)


def levels(rates: list[int], deviations: list[float]) -> np.ndarray:
    return levels_of(np.array(rates, np.int8), np.array(deviations, np.float32))


def test_values_are_looked_up_by_windows_of_the_stream() -> None:
    held = levels([0, 1, 3], [1, 1, 2])
    codes = np.random.default_rng(0).integers(0, 256, (5, trellis_bytes(held))).astype(np.uint8)
    values = window_values(codes, held)
    for row in range(5):
        stream = [*np.unpackbits(codes[row], bitorder="little").tolist(), *[0] * 8]
        assert not values[row, :GROUP].any()
        for i in range(GROUP, 3 * GROUP):
            group = i // GROUP
            first = i - GROUP if group == 1 else GROUP + 3 * (i - 2 * GROUP)
            window = sum(bit << at for at, bit in enumerate(stream[first : first + 6]))
            assert values[row, i] == held[group, 1 + window]


def test_no_other_codes_are_nearer() -> None:
    """All 65,536 rows of 16 dimensions of one bit, one by one."""
    held = levels([1], [1.0])
    every = np.array(list(product(range(256), repeat=2)), np.uint8)
    values = window_values(every, held).astype(np.int64) * 2
    rows = np.random.default_rng(1).integers(-300, 300, (6, GROUP)).astype(np.int16)
    found = window_values(nearest_in_numpy(rows, held), held).astype(np.int64) * 2
    for row, best in zip(rows, found, strict=True):
        least = np.square(values - row).sum(axis=1).min()
        assert np.square(best - row).sum() == least


@pytest.mark.parametrize("path", ["vnni", "avx2", "portable"])
@pytest.mark.parametrize("rates", [[0, 1, 2], [3, 4, 1, 0], [2], [4, 0, 4]])
def test_kernels_find_the_codes_of_numpy(path: str, rates: list[int]) -> None:
    if kernel_path() == "numpy":
        pytest.skip("no kernels were compiled")
    from xret.index import _kernels

    if _kernels.lacks(path):
        pytest.skip(_kernels.lacks(path))
    held = levels(rates, [1 + rate for rate in rates])
    rng = np.random.default_rng(3)
    rows = rng.integers(-511, 512, (37, GROUP * len(rates))).astype(np.int16)
    rows //= rng.integers(1, 20, (37, 1)).astype(np.int16)
    out = np.empty((37, trellis_bytes(held)), np.uint8)
    _kernels.trellis(path, rows, held, 37, rows.shape[1], 0, 37, out)
    assert np.array_equal(out, nearest_in_numpy(rows, held))


@pytest.mark.parametrize("rate", [1, 2, 3, 4])
def test_error_is_what_the_rate_promises(rate: int) -> None:
    held = levels([rate] * 4, [1.0] * 4)
    rows = gaussian(300, [0.3] * 4)
    codes, scales = trellis_codes(rows, held)
    values = window_values(codes, held) * widened(scales)[:, None]
    left = np.square(values - rows).mean() / np.square(rows).mean()
    assert left == pytest.approx(ERRORS[rate], rel=0.15)
    assert left < 0.93 * {1: 0.3634, 2: 0.1175, 3: 0.0345, 4: 0.0095}[rate]


def test_bits_go_where_vectors_vary() -> None:
    variances = np.array([0.01, 0.3, 1.0, 6.0])
    rates = rates_of(variances, bits=2)
    assert rates.sum() == 8 and (np.diff(rates) >= 0).all() and rates[0] < rates[-1]
    costs = {
        choice: float((variances * np.array(ERRORS)[list(choice)]).sum())
        for choice in product(range(5), repeat=4)
        if sum(choice) == 8
    }
    assert tuple(rates.tolist()) == min(costs, key=costs.__getitem__)


def test_a_row_is_coded_alone_and_zeros_are_coded() -> None:
    held = levels([1, 2], [1.0, 2.0])
    rows = gaussian(40, [1.0, 2.0])
    rows[7] = 0
    codes, scales = trellis_codes(rows, held)
    for row in (0, 7, 39):
        alone = trellis_codes(rows[row : row + 1], held)
        assert np.array_equal(alone[0][0], codes[row]) and alone[1][0] == scales[row]
    assert widened(scales)[7] == 0


def test_levels_of_no_trellis_are_refused() -> None:
    held = levels([1, 2], [1.0, 2.0])
    assert checked_levels(held, width=32) is held
    for rates in ([-1, 2], [5, 1], [0, 0]):
        wrong = held.copy()
        wrong[:, 0] = rates
        with pytest.raises(DamagedIndexError, match="bits a dimension"):
            checked_levels(wrong, width=32)
    with pytest.raises(DamagedIndexError, match="of 48 dimensions"):
        checked_levels(held, width=48)
    assert all(len(values) == WINDOWS for values in GAUSSIAN_WINDOWS.values())
