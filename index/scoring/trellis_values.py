"""What a row of a trellis's codes stands for; `xret.index.coding.trellis` makes the codes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["GROUP", "MOST_RATE", "WINDOW", "WINDOWS", "trellis_bytes", "window_values"]

GROUP = 16
"""Dimensions that have as many bits each."""

WINDOW = 6
WINDOWS = 1 << WINDOW
MOST_RATE = 4


def trellis_bytes(levels: npt.NDArray[np.int8]) -> int:
    """Bytes of a row of codes; levels: (groups, 1 + WINDOWS), of each group the bits first."""
    return int(levels[:, 0].sum()) * GROUP // 8


def window_values(
    codes: npt.NDArray[np.uint8], levels: npt.NDArray[np.int8]
) -> npt.NDArray[np.int8]:
    """(t, trellis_bytes) → (t, GROUP * groups) int8; behind a row's last bit there are zeros."""
    rates = np.repeat(levels[:, 0].astype(np.int64), GROUP)
    bits = np.cumsum(rates) - rates
    padded = np.zeros((len(codes), codes.shape[1] + 2), np.uint16)
    padded[:, :-2] = codes
    pairs = padded[:, bits // 8] | padded[:, bits // 8 + 1] << 8
    windows = pairs >> (bits % 8).astype(np.uint16) & (WINDOWS - 1)
    groups = np.arange(len(rates)) // GROUP
    values: npt.NDArray[np.int8] = levels[:, 1:][groups, windows]
    values[:, rates == 0] = 0
    return values
