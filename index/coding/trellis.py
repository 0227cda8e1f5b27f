"""Codes of a trellis: each dimension's value is chosen by its own bits and by those that follow.

A row of codes is one stream of bits, `RATES` of them a dimension. A dimension's value is looked
up by the `WINDOW` bits that start with its own, so that neighbours share bits and the values
that a row can take lie closer to any row than a grid's (trellis-coded quantization, Marcellin
and Fischer 1990; windows of one stream as in QTIP, Tseng et al. 2024). Dimensions stand in
groups of `GROUP`; a group that varies more has more bits.

`levels`, (groups, 1 + 2**WINDOW) int8, says all of it: of every group its bits a dimension, then
the value of each window. The codes nearest to a row are found by the kernels, or by NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.coding.levels import bfloat16
from xret.index.scoring.coded_passages import run_shares
from xret.index.scoring.kernel_path import NUMPY, kernel_path
from xret.index.scoring.query_codes import MAX_CODE
from xret.index.scoring.trellis_values import GROUP, WINDOW, WINDOWS, trellis_bytes, window_values
from xret.types import FloatArray

__all__ = ["GAUSSIAN_WINDOWS", "checked_levels", "levels_of", "rates_of", "trellis_codes"]

HALVES = 2
"""A level's unit, as fine as rows are rounded to before the nearest codes are looked for."""

MOST_HALVES = 511
OUTSIDE = 1 << 26

_WINDOWS = {
    1: (
        "1629 -211 573 -440 446 -1011 -1931 436 -1543 464 -503 1244 -1176 534 -380 459 "
        "-91 225 1515 -553 1195 -429 1370 -480 558 -705 428 -538 572 -672 790 -1214 "
        "-494 401 -1166 986 -961 499 -189 2015 -45 -1235 1090 -533 455 -1549 -943 305 "
        "634 -702 -393 538 -340 1293 -671 620 1014 -89 165 -1694 -800 497 -323 1123"
    ),
    2: (
        "-1763 -756 142 1010 1034 -747 -130 516 -1262 -362 298 1258 646 -760 -88 1698 "
        "-233 1647 -986 476 202 -1952 1238 -700 -226 332 1232 -1054 -600 -1630 839 -28 "
        "1092 -669 -2523 74 -354 -1115 539 2513 440 1122 -512 -2068 -1224 214 -425 931 "
        "457 -122 1828 -1017 2092 689 -1369 -242 -456 -1492 1116 266 -295 1471 -1174 425"
    ),
    3: (
        "23 918 -362 -820 1741 521 -1388 -2351 295 -2071 -86 -446 629 -937 2070 1095 "
        "-2824 1492 -597 760 147 498 -1036 -265 2255 -499 -1005 -1527 1091 155 -115 523 "
        "-1084 -153 348 115 -1850 -528 1273 734 -729 405 947 2824 -1299 -82 -500 1510 "
        "1432 -623 582 1003 -206 -1152 244 -1695 -1539 -1009 730 1805 -659 1168 -216 218"
    ),
    4: (
        "1172 -438 -963 1909 -1825 931 157 496 -1353 1559 -271 -701 695 -768 -54 265 "
        "-628 -1221 -2051 -243 -108 2388 1399 868 126 586 393 146 -941 1173 -1600 -468 "
        "-654 89 560 373 -2395 -896 -472 -68 -250 2030 1025 1400 -1155 765 233 -1602 "
        "380 -278 -1398 -2969 83 -72 1706 636 -813 353 829 1135 -417 -609 -1079 2965"
    ),
}

GAUSSIAN_WINDOWS: Mapping[int, tuple[int, ...]] = {
    rate: tuple(map(int, values.split())) for rate, values in _WINDOWS.items()
}
"""By bits a dimension, the value of every window for a Gaussian of deviation 1000: means of what
fell to them among 256,000 numbers, ten times over, the best of six random orders."""

ERRORS = (1.0, 0.2857, 0.0830, 0.0240, 0.0077)
"""By bits a dimension, the squared error that is left of a Gaussian of unit variance."""


def rates_of(variances: npt.NDArray[np.float64], *, bits: int) -> npt.NDArray[np.int8]:
    """Bits a dimension of each group, `bits` on average: those of the least squared error.

    variances: (groups,), what a dimension of each varies by.
    """
    total = bits * len(variances)
    least = np.full(total + 1, np.inf)
    least[0] = 0
    choices = np.zeros((len(variances), total + 1), np.int8)
    for group, variance in enumerate(variances):
        before, least = least, np.full(total + 1, np.inf)
        for rate, error in enumerate(ERRORS[: total + 1]):
            costs = before[: total + 1 - rate] + variance * error
            lower = costs < least[rate:]
            least[rate:][lower] = costs[lower]
            choices[group, rate:][lower] = rate
    rates = np.zeros(len(variances), np.int8)
    for group in range(len(variances) - 1, -1, -1):
        rates[group] = choices[group, total]
        total -= rates[group]
    return rates


def levels_of(rates: npt.NDArray[np.int8], deviations: FloatArray) -> npt.NDArray[np.int8]:
    """(groups, 1 + 2**WINDOW) int8 for groups of these rates and deviations, the largest 127."""
    values = np.zeros((len(rates), WINDOWS))
    for group, rate in enumerate(rates.tolist()):
        if rate:
            values[group] = deviations[group] * np.array(GAUSSIAN_WINDOWS[rate])
    largest = np.abs(values).max()
    levels = np.zeros((len(rates), 1 + WINDOWS), np.int8)
    levels[:, 0] = rates
    if largest > 0:
        levels[:, 1:] = np.rint(values * (MAX_CODE / largest))
    return levels


def checked_levels(levels: npt.NDArray[np.int8], *, width: int) -> npt.NDArray[np.int8]:
    """Stored levels. Raises DamagedIndexError for those of no trellis of that many dimensions."""
    if levels.shape != (width // GROUP, 1 + WINDOWS) or width % GROUP:
        raise DamagedIndexError(f"a trellis of {width} dimensions has levels {levels.shape}")
    rates = levels[:, 0]
    if rates.min() < 0 or rates.max() >= len(ERRORS) or not rates.any():
        raise DamagedIndexError(f"a trellis has {rates.tolist()[:16]} bits a dimension")
    return levels


def trellis_codes(
    values: FloatArray, levels: npt.NDArray[np.int8], *, threads: int = 1
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """(t, width) → codes, (t, bytes) uint8, and bfloat16 scales of least squared error.

    A row's codes depend on that row alone and are the same on every path.
    """
    units = _units(values, levels)
    halves = np.rint(values * (np.float32(HALVES) / units)[:, None])
    rounded = np.clip(halves, -MOST_HALVES, MOST_HALVES).astype(np.int16)
    codes = _nearest(rounded, levels, threads)
    chosen = window_values(codes, levels).astype(np.float32)
    squares = np.square(chosen).sum(axis=1)
    scales = (chosen * values).sum(axis=1) / np.where(squares > 0, squares, 1)
    return codes, bfloat16(np.maximum(scales, 0))


def _units(values: FloatArray, levels: npt.NDArray[np.int8]) -> FloatArray:
    """(t,) what a step of the levels is worth in each row, by how far the row deviates."""
    steps = np.square(levels[:, 1:].astype(np.float32)).sum(axis=1) / np.float32(WINDOWS)
    expected = np.repeat(np.sqrt(steps), GROUP)
    coded = expected > 0
    ratios = values[:, coded] / expected[coded]
    units: FloatArray = np.sqrt(np.square(ratios).sum(axis=1) / np.float32(max(1, coded.sum())))
    return np.where(units > np.finfo(np.float32).tiny, units, np.float32(1))


def _nearest(
    rows: npt.NDArray[np.int16], levels: npt.NDArray[np.int8], threads: int
) -> npt.NDArray[np.uint8]:
    path, (n, dim) = kernel_path(), rows.shape
    if path == NUMPY:
        return nearest_in_numpy(rows, levels)
    from xret.index import _kernels

    out = np.empty((n, trellis_bytes(levels)), np.uint8)
    held = np.ascontiguousarray(levels)

    def work(first: int, last: int) -> int:
        _kernels.trellis(path, rows, held, n, dim, first, last, out)
        return -1

    run_shares(work, np.arange(n + 1), None, n_vectors=WINDOWS, threads=threads)
    return out


def nearest_in_numpy(
    rows: npt.NDArray[np.int16], levels: npt.NDArray[np.int8]
) -> npt.NDArray[np.uint8]:
    """(t, width) halves of a level's unit → (t, bytes): what the kernels do, and in their order.

    From the last dimension to the first, the cheapest way on from each window of bits; of equally
    cheap ways the lowest numbers.
    """
    rates = np.repeat(levels[:, 0].astype(np.int64), GROUP)
    coded = np.flatnonzero(rates)
    halves = levels[:, 1:].astype(np.int64) * HALVES
    costs = np.full((len(rows), WINDOWS), OUTSIDE, np.int64)
    costs[:, 0] = 0
    ways = {}
    for i in coded[::-1].tolist():
        rate = int(rates[i])
        onward = costs.reshape(len(rows), 1 << rate, -1)
        ways[i] = onward.argmin(axis=1)
        squares = np.square(rows[:, i, None] - halves[i // GROUP])
        costs = np.repeat(onward.min(axis=1), 1 << rate, axis=1) + squares
        if i % GROUP == 0:
            costs = np.minimum(costs - costs.min(axis=1, keepdims=True), OUTSIDE)
    every, window = np.arange(len(rows)), costs.argmin(axis=1)
    stream = np.zeros((len(rows), int(rates.sum())), np.uint8)
    bit = 0
    for i in coded.tolist():
        rate = int(rates[i])
        for step in range(rate):
            stream[:, bit + step] = window >> step & 1
        state = window >> rate
        window = state | ways[i][every, state] << (WINDOW - rate)
        bit += rate
    return np.packbits(stream, axis=1, bitorder="little")
