"""Weights at rest in a quarter of their size: word vectors in int8, the rest in float16.

A row of the vocabulary is stored as whole numbers from -127 to 127 and one scale; by far the
most of a small multilingual model is its vocabulary. In memory everything is float32 again.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["SCALE", "compacted", "is_compact", "restored"]

SCALE = "_scale"
"""Appended to the name of an int8 matrix: the float16 scale of each of its rows."""

_LARGEST = 127
_MANY_ROWS = 4_096


def compacted(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices of many rows as int8 with a scale a row, everything else as float16.

    The error of a number is at most half a step, its row's largest magnitude / 254.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.dim() == 2 and len(tensor) >= _MANY_ROWS:
            scales = (tensor.abs().amax(dim=1) / _LARGEST).clamp_min(2.0**-14).half()
            codes = (tensor / scales.float()[:, None]).round().clamp(-_LARGEST, _LARGEST)
            stored[name], stored[name + SCALE] = codes.to(torch.int8), scales
        else:
            stored[name] = tensor.half() if tensor.is_floating_point() else tensor
    return stored


def restored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The opposite of `compacted`, in float32; plain float32 tensors pass through."""
    whole: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in tensors:
            continue
        if tensor.dtype == torch.int8:
            whole[name] = tensor.float() * tensors[name + SCALE].float()[:, None]
        else:
            whole[name] = tensor.float() if tensor.is_floating_point() else tensor
    return whole


def is_compact(tensors: Mapping[str, Tensor]) -> bool:
    """Whether some of the tensors are as `compacted` makes them."""
    return any(tensor.dtype == torch.int8 for tensor in tensors.values())
