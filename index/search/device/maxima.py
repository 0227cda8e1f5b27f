"""The best similarity of each passage with each query vector, on a device.

On a GPU by one fused kernel (`fused_kernel`), where Triton is there and gets a small example
right; else by torch, which needs room for the similarities of a block.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

from xret.index.search.device.device_scores import similarities

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["is_fused", "weighted_maxima"]


def weighted_maxima(
    codes: Tensor, scales: Tensor, lengths: Tensor, queries: Tensor, weights: Tensor
) -> Tensor:
    """(p, lanes) float32: of each passage the largest similarity with each query vector.

    codes: (t, d) int8, with (t, 1) float32 scales; lengths: (p,) int64 vectors of each passage, at
    least one; queries: (lanes, d) int8, weights: (lanes,) float32, their scales. Products are exact
    integers, scaled once for the vector and once for the query, whatever computes them.
    """
    import torch

    if is_fused(codes.device):
        from xret.index.search.device.fused_kernel import fused_maxima

        offsets = torch.zeros(len(lengths) + 1, dtype=torch.int64, device=codes.device)
        torch.cumsum(lengths, 0, out=offsets[1:])
        return fused_maxima(codes, scales, offsets, queries, weights)
    return _by_torch(codes, scales, lengths, queries, weights)


@cache
def is_fused(device: torch.device) -> bool:
    """Whether the fused kernel serves that device; told once, as a warning, where it should."""
    if device.type == "cpu":
        return False
    try:
        from xret.index.search.device.fused_kernel import fused_maxima
    except ImportError:
        return False
    try:
        import torch

        codes, scales, offsets, *asked = _example(device)
        best = fused_maxima(codes, scales, offsets, *asked)
        same = torch.equal(best, _by_torch(codes, scales, offsets.diff(), *asked))
        fault = "" if same else "its result differs from torch's"
    except Exception as error:  # a compiler, a driver, a generation of GPUs that Triton lacks
        fault = f"{type(error).__name__}: {error}"
    if fault:
        warnings.warn(
            f"torch scores every document, more slowly: the fused kernel does not run on {device} "
            f"({fault[:200]})",
            UserWarning,
            stacklevel=2,
        )
    return not fault


def _by_torch(
    codes: Tensor, scales: Tensor, lengths: Tensor, queries: Tensor, weights: Tensor
) -> Tensor:
    import torch

    values = similarities(codes, scales, queries)
    best = torch.segment_reduce(values, "max", lengths=lengths, unsafe=True)
    return best * weights


def _example(device: torch.device) -> tuple[Tensor, ...]:
    """41 vectors of 136 dimensions, their scales, offsets of three passages, 32 query lanes and
    their weights."""
    import torch

    draw = torch.Generator().manual_seed(0)
    codes = torch.randint(-127, 128, (73, 136), generator=draw, dtype=torch.int8).to(device)
    numbers = torch.rand((73, 1), generator=draw).to(device)
    offsets = torch.tensor([0, 3, 40, 41]).to(device)
    return codes[:41], numbers[:41], offsets, codes[41:], numbers[41:, 0].contiguous()
