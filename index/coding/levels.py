"""Levels that residuals are rounded to, and their codes packed into bytes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from xret.index.scoring.query_codes import MAX_CODE
from xret.types import FloatArray

__all__ = [
    "GAUSSIAN_LEVELS",
    "bfloat16",
    "integer_levels",
    "level_bounds",
    "nearest_levels",
    "packed",
    "unpacked",
]

GAUSSIAN_LEVELS: Mapping[int, tuple[float, ...]] = {
    1: (0.7979,),
    2: (0.4528, 1.5104),
    4: (0.1284, 0.3881, 0.6568, 0.9424, 1.2562, 1.6181, 2.0690, 2.7326),
}
"""By bits, the positive levels of least squared error for a Gaussian of unit variance
(Max 1960, table I); the negative ones mirror them."""


def integer_levels(bits: int) -> npt.NDArray[np.int8]:
    """(2**bits,) int8, rising, the largest `MAX_CODE`.

    >>> integer_levels(2)
    array([-127,  -38,   38,  127], dtype=int8)
    """
    positive = np.array(GAUSSIAN_LEVELS[bits])
    half = np.rint(positive * MAX_CODE / positive[-1]).astype(np.int8)
    return np.concatenate([-half[::-1], half])


def level_bounds(bits: int) -> FloatArray:
    """The 2**bits - 1 bounds between levels, in standard deviations, rising."""
    positive = np.array(GAUSSIAN_LEVELS[bits])
    levels = np.concatenate([-positive[::-1], positive])
    bounds: FloatArray = ((levels[1:] + levels[:-1]) / 2).astype(np.float32)
    return bounds


def nearest_levels(
    values: FloatArray, levels: npt.NDArray[np.int8]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """(t, width) → packed codes of `integer_levels`, bfloat16 scales of least squared error.

    Sums run over one row in NumPy's own order, which is that of its length alone: the codes
    of a row are the same whatever the other rows and the machine are.
    """
    bits = len(levels).bit_length() - 1
    deviations = np.sqrt(np.square(values).sum(axis=1) / np.float32(values.shape[1]))
    codes = np.zeros(values.shape, np.uint8)
    for bound in level_bounds(bits):
        codes += values > (bound * deviations)[:, None]
    chosen = levels[codes].astype(np.float32)
    scales = (chosen * values).sum(axis=1) / np.square(chosen).sum(axis=1)
    return packed(codes, bits), bfloat16(scales)


def bfloat16(values: FloatArray) -> npt.NDArray[np.uint16]:
    """float32 → the nearest bfloat16's bits, ties to even."""
    bits = values.astype(np.float32).view(np.uint32)
    raised: npt.NDArray[np.uint32] = bits + np.uint32(0x7FFF) + (bits >> 16 & 1)
    return (raised >> 16).astype(np.uint16)


def packed(codes: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """(t, width) codes → (t, width * bits / 8) bytes; `coding.codec` has the order."""
    planes = np.split(codes, 8 // bits, axis=1)
    made = planes[0].copy()
    for number, plane in enumerate(planes[1:], start=1):
        made |= plane << (number * bits)
    return made


def unpacked(rows: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """(t, width * bits / 8) bytes → (t, width) codes."""
    planes = [rows >> shift & (2**bits - 1) for shift in range(0, 8, bits)]
    codes: npt.NDArray[np.uint8] = np.concatenate(planes, axis=1)
    return codes
