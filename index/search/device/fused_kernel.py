"""The fused kernel of the exact scan, in Triton: int8 products and the maximum of each passage.

Similarities live in registers. What is read is every code once for each tile of query lanes, and
what is written is one number for each passage and lane, not one for each vector and lane, which is
what a scan by whole matrix products is bound by. This module alone imports triton, and is imported
where a GPU is (`maxima`), or by Triton's interpreter in tests.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

__all__ = ["fused_maxima"]

ROWS = 32
"""Vectors of a passage at a time: the last ones of a passage of 69 are 5 of 32."""

MOST_LANES = 128
MOST_DIMS = 128
LEAST_DIMS = 32
"""Tiles of the products; tensor cores take int8 in steps of 32 dimensions."""

PASSAGES = 16
"""Of one program, which reads its query vectors once for them."""


@triton.jit
def _maxima(
    codes: tl.tensor,
    scales: tl.tensor,
    offsets: tl.tensor,
    queries: tl.tensor,
    weights: tl.tensor,
    best: tl.tensor,
    n_passages: tl.tensor,
    n_lanes: tl.tensor,
    width: tl.constexpr,
    dims_at_once: tl.constexpr,
    rows_at_once: tl.constexpr,
    lanes_at_once: tl.constexpr,
    passages: tl.constexpr,
) -> None:
    n_tiles = tl.cdiv(n_lanes, lanes_at_once)
    program = tl.program_id(0)
    lanes = (program % n_tiles) * lanes_at_once + tl.arange(0, lanes_at_once)
    real = lanes < n_lanes
    dims = tl.arange(0, dims_at_once)
    inside = dims < width
    of_lanes = queries + lanes[:, None] * width + dims[None, :]
    query = tl.load(of_lanes, mask=real[:, None] & inside[None, :], other=0)
    weight = tl.load(weights + lanes, mask=real, other=0.0)
    begin = (program // n_tiles).to(tl.int64) * passages
    for step in range(passages):
        passage = begin + step
        there = passage < n_passages
        first = tl.load(offsets + passage, mask=there, other=0)
        last = tl.load(offsets + passage + 1, mask=there, other=0)
        largest = tl.full((lanes_at_once,), float("-inf"), tl.float32)
        for start in range(first, last, rows_at_once):
            rows = start + tl.arange(0, rows_at_once)
            own = rows < last
            of_rows = codes + rows[None, :] * width + dims[:, None]
            block = tl.load(of_rows, mask=own[None, :] & inside[:, None], other=0)
            products = tl.dot(query, block, out_dtype=tl.int32)
            for more in tl.static_range(dims_at_once, width, dims_at_once):
                further = more + dims < width
                rest = tl.load(of_lanes + more, mask=real[:, None] & further[None, :], other=0)
                block = tl.load(of_rows + more, mask=own[None, :] & further[:, None], other=0)
                products = tl.dot(rest, block, acc=products, out_dtype=tl.int32)
            scale = tl.load(scales + rows, mask=own, other=0.0)
            values = products.to(tl.float32) * scale[None, :]
            values = tl.where(own[None, :], values, float("-inf"))
            largest = tl.maximum(largest, tl.max(values, axis=1))
        kept = tl.where(there, lanes, n_lanes) < n_lanes
        tl.store(
            best + passage * n_lanes + lanes, tl.where(there, largest, 0.0) * weight, mask=kept
        )


def fused_maxima(
    codes: torch.Tensor,
    scales: torch.Tensor,
    offsets: torch.Tensor,
    queries: torch.Tensor,
    weights: torch.Tensor,
) -> torch.Tensor:
    """As `maxima.weighted_maxima`, to the last bit; offsets: (p + 1,) int64 of the passages."""
    n_passages, (n_lanes, width) = len(offsets) - 1, queries.shape
    best = torch.empty((n_passages, n_lanes), dtype=torch.float32, device=codes.device)
    lanes = min(MOST_LANES, triton.next_power_of_2(n_lanes))
    dims = min(MOST_DIMS, max(LEAST_DIMS, triton.next_power_of_2(width)))
    programs = triton.cdiv(n_lanes, lanes) * triton.cdiv(n_passages, PASSAGES)
    if programs:
        _maxima[(programs,)](
            codes,
            scales,
            offsets,
            queries,
            weights,
            best,
            n_passages,
            n_lanes,
            width=width,
            dims_at_once=dims,
            rows_at_once=ROWS,
            lanes_at_once=lanes,
            passages=PASSAGES,
        )
    return best
