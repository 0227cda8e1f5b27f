"""Late-interaction arithmetic in torch, operation by operation as the CPU's kernels do it.

torch is imported by whoever calls these functions; every array is a tensor on one device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.index.scoring.query_codes import LANES, QueryCodes
from xret.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["lane_sums", "ordered_keys", "similarities", "stacked", "unpacked_keys"]

NUMBER_BITS = 32
NUMBER_MASK = 2**NUMBER_BITS - 1
NO_HIT = -(2**63)
EXACT_DIM = 1_024
"""float32 adds up to this many products of two int8 codes without rounding."""

SMALL = 16
"""cuBLAS multiplies int8 matrices of more rows than this only."""


def stacked(queries: QueryCodes, width: int) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Queries of one number of lanes: (m, lanes, width) int8 and (m, lanes) float32.

    Added lanes and dimensions are zeros with scale 0; they add nothing to a score.
    """
    lengths = np.diff(queries.offsets)
    shape = len(queries), int(lengths.max(initial=LANES))
    codes = np.zeros((*shape, width), dtype=np.int8)
    scales = np.zeros(shape, dtype=np.float32)
    for number, (first, last) in enumerate(
        zip(queries.offsets[:-1], queries.offsets[1:], strict=True)
    ):
        codes[number, : last - first, : queries.codes.shape[1]] = queries.codes[first:last]
        scales[number, : last - first] = queries.scales[first:last]
    return codes, scales


def similarities(codes: Tensor, scales: Tensor, queries: Tensor) -> Tensor:
    """(t, d) and (lanes, d) int8 → (t, lanes) float32: exact products times scales (t, 1).

    Not by int8 products on a CPU: without VNNI they are added in pairs of 16 bits, and saturate.
    """
    import torch

    if len(codes) > SMALL and codes.device.type != "cpu":
        try:
            return torch._int_mm(codes, queries.T) * scales
        except RuntimeError as error:  # a device without int8 products; the sums stay exact
            if "out of memory" in str(error):
                raise
    dtype = torch.float32 if codes.shape[1] <= EXACT_DIM else torch.float64
    return (codes.to(dtype) @ queries.to(dtype).T).to(torch.float32) * scales


def lane_sums(weighted: Tensor) -> Tensor:
    """(n, m, lanes) → (n, m), added in the kernels' order: groups first, then halves."""
    n, m, lanes = weighted.shape
    groups = weighted.view(n, m, lanes // LANES, LANES).unbind(2)
    total: Tensor = groups[0]
    for group in groups[1:]:
        total = total + group
    half = LANES
    while half > 1:
        half //= 2
        total = total[..., :half] + total[..., half : 2 * half]
    return total[..., 0]


def ordered_keys(scores: Tensor, first_number: int, keep: Tensor | None) -> Tensor:
    """(n, m) float32 → int64 whose order is that of (score, lower number first).

    No two are equal, so the best k of them are the same whatever algorithm finds them.
    keep: mask of all documents; those that are not kept get `NO_HIT`.
    """
    import torch

    bits = (scores + 0.0).view(torch.int32)  # -0.0 ties with 0.0
    rising = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(torch.int64)
    numbers = torch.arange(first_number, first_number + len(scores), device=scores.device)
    keys: Tensor = (rising << NUMBER_BITS) | (NUMBER_MASK - numbers)[:, None]
    if keep is None:
        return keys
    return torch.where(keep[first_number : first_number + len(scores), None], keys, NO_HIT)


def unpacked_keys(keys: npt.NDArray[np.int64]) -> tuple[list[IntArray], list[FloatArray]]:
    """(k, m) keys, best first → numbers and scores of each query."""
    numbers = NUMBER_MASK - (keys & NUMBER_MASK)
    rising = (keys >> NUMBER_BITS).astype(np.int32)
    scores = np.where(rising < 0, rising ^ 0x7FFFFFFF, rising).astype(np.int32).view(np.float32)
    return list(np.ascontiguousarray(numbers.T)), list(np.ascontiguousarray(scores.T))
