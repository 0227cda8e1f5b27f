"""Weights at rest in a fraction of their size; in memory everything is float32 again.

    NAME int8 (r, c), NAME_scale float16 (r,)
        whole numbers from -127 to 127 and one scale a row
    NAME uint8 (r, c / 2), NAME_scale float16 (r, c / 32)
        blocks of 32 numbers along a row: number = (nibble - 8) * scale of its block; byte j of
        a row holds number 2j in its low half and 2j + 1 in its high one. That is ONNX Runtime's
        MatMulNBits with a block size of 32 and no zero points
    float16
        everything else

A tensor of nothing but zeros is left out; the file's metadata names it with its shape. An
adapter that changes nothing is such a tensor.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from xret.retriever.models.weight_file import ZEROS

__all__ = [
    "BLOCK",
    "SCALE",
    "ZEROS",
    "compacted",
    "from_blocks",
    "is_compact",
    "restored",
    "save_compact",
    "stored_zeros",
    "to_blocks",
]

SCALE = "_scale"
"""Appended to the name of a coded matrix: its float16 scales."""

BLOCK = 32
_LARGEST = 127
_MANY_ROWS = 4_096
_SMALLEST = 2.0**-14
# What the number farthest from zero of a block can be coded as; the best of them is taken,
# so that numbers that were rounded to such blocks before are kept as they are.
_EXTREMES = (-8.0, 7.0, -7.0, 7.5)


def compacted(
    tensors: Mapping[str, Tensor],
    *,
    in_blocks: Collection[str] = (),
    in_rows: Collection[str] = (),
) -> dict[str, Tensor]:
    """Named matrices in 4-bit blocks or 8-bit rows, others of many rows in the latter too.

    in_blocks: matrices whose rows are multiples of 32 long. What is in neither and has few
    rows becomes float16. The error of a number is at most half a step: its row's largest
    magnitude / 254 in 8 bits, about its block's / 14 in 4.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        many = tensor.dim() == 2 and len(tensor) >= _MANY_ROWS
        if name in in_blocks:
            stored[name], stored[name + SCALE] = to_blocks(tensor)
        elif name in in_rows or many:
            scales = (tensor.abs().amax(dim=1) / _LARGEST).clamp_min(_SMALLEST).half()
            codes = (tensor / scales.float()[:, None]).round().clamp(-_LARGEST, _LARGEST)
            stored[name], stored[name + SCALE] = codes.to(torch.int8), scales
        else:
            stored[name] = tensor.half() if tensor.is_floating_point() else tensor
    return stored


def restored(
    tensors: Mapping[str, Tensor], zeros: Mapping[str, Collection[int]] | None = None
) -> dict[str, Tensor]:
    """The opposite of `compacted`, in float32; plain float32 tensors pass through.

    zeros: tensors that were left out, name to shape (`stored_zeros`).
    """
    whole: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in tensors:
            continue
        if tensor.dtype == torch.int8:
            whole[name] = tensor.float() * tensors[name + SCALE].float()[:, None]
        elif tensor.dtype == torch.uint8 and name + SCALE in tensors:
            whole[name] = from_blocks(tensor, tensors[name + SCALE])
        else:
            whole[name] = tensor.float() if tensor.is_floating_point() else tensor
    for name, shape in (zeros or {}).items():
        whole[name] = torch.zeros(tuple(shape))
    return whole


def to_blocks(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """(r, c) to uint8 (r, c / 2) and float16 scales (r, c / 32); c is a multiple of 32."""
    rows, columns = matrix.shape
    blocks = matrix.float().reshape(rows, columns // BLOCK, BLOCK)
    at = blocks.abs().argmax(dim=2, keepdim=True)
    extreme = blocks.gather(2, at)
    best: Tensor | None = None
    for code in _EXTREMES:
        scales = (extreme / code).half().float()
        inverse = torch.where(scales == 0, 0.0, 1.0 / scales)
        codes = (blocks * inverse).round().clamp(-8, 7)
        error = (codes * scales - blocks).square().sum(dim=2, keepdim=True)
        if best is None:
            best, chosen, kept = error, codes, scales
        else:
            better = error < best
            best = torch.where(better, error, best)
            chosen, kept = torch.where(better, codes, chosen), torch.where(better, scales, kept)
    nibbles = (chosen + 8).to(torch.uint8).reshape(rows, columns // 2, 2)
    packed = nibbles[:, :, 0] | (nibbles[:, :, 1] << 4)
    return packed.contiguous(), kept[:, :, 0].half().contiguous()


def from_blocks(packed: Tensor, scales: Tensor) -> Tensor:
    """The numbers of `to_blocks`, (r, c) float32."""
    nibbles = torch.stack([packed & 15, packed >> 4], dim=2).reshape(len(packed), -1)
    blocks = nibbles.float().reshape(len(packed), -1, BLOCK) - 8
    return (blocks * scales.float()[:, :, None]).reshape(len(packed), -1)


def save_compact(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write what `compacted` made as one file, without tensors of zeros."""
    zeros = {
        name: list(tensor.shape)
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and not bool(tensor.any()) and not name.endswith(SCALE)
    }
    kept = {name: tensor for name, tensor in tensors.items() if name not in zeros}
    metadata = {"format": "pt"} | ({ZEROS: json.dumps(zeros, sort_keys=True)} if zeros else {})
    save_file(kept, path, metadata=metadata)


def stored_zeros(path: Path) -> dict[str, tuple[int, ...]]:
    """The tensors that a file leaves out because all their numbers are 0: name to shape."""
    with safe_open(path, framework="pt") as file:
        written = json.loads((file.metadata() or {}).get(ZEROS, "{}"))
    return {str(name): tuple(shape) for name, shape in written.items()}


def is_compact(tensors: Mapping[str, Tensor]) -> bool:
    """Whether some of the tensors are as `compacted` makes them."""
    return any(tensor.dtype in (torch.int8, torch.uint8) for tensor in tensors.values())
