"""Arithmetic in fewer bits, where the processor has instructions for it.

bf16 with AMX and int8 with VNNI or AMX run the matrix products of a transformer several
times faster than fp32. What a processor can do is asked of torch, not guessed.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor, nn

from xret.errors import ConfigError

__all__ = [
    "Precision",
    "QuantizedLinear",
    "choose_precision",
    "is_fast_in_bf16",
    "multiplies_bf16",
    "set_precision",
]


class Precision(StrEnum):
    """How a model computes. Its vectors are handed on as float32 in every case.

    FP32: vectors agree to 1e-5 whatever else is in the batch. BF16: to a cosine of about
    .9999 with FP32. INT8: linear layers only, weights by row and activations by token, so
    that a text's numbers do not depend on its batch; cosine of about .999.
    """

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


def choose_precision(wanted: Precision, device: str) -> Precision:
    """The precision to compute in; AUTO is BF16 on a GPU or a CPU with AMX, else FP32.

    Raises ConfigError for one that the device would only emulate, slower than FP32.
    """
    graphics = device.startswith("cuda")
    if wanted is Precision.AUTO:
        return Precision.BF16 if graphics or _has_amx() else Precision.FP32
    if wanted is Precision.BF16 and not (graphics or _has_amx() or _has_bf16()):
        raise ConfigError("this CPU has neither AMX nor AVX-512 BF16; use precision fp32 or auto")
    if wanted is Precision.INT8 and (graphics or not (_has_vnni() or _has_amx())):
        raise ConfigError("int8 needs a CPU with VNNI or AMX; use precision fp32 or auto")
    return wanted


def set_precision(model: nn.Module, precision: Precision) -> None:
    """Change a model in place; AUTO must have been resolved by `choose_precision`."""
    if precision is Precision.BF16:
        model.to(torch.bfloat16)
    elif precision is Precision.INT8:
        _quantize(model)


class QuantizedLinear(nn.Module):
    """A linear layer in int8: one scale for each row of weights and each row of activations.

    Scales of a whole batch, as dynamic quantisation usually takes them, would let a text's
    vector depend on its neighbours.
    """

    weight: Tensor
    scales: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scales = weight.abs().amax(dim=1).clamp_min(1e-12) / 127
        rounded = torch.round(weight / scales[:, None]).to(torch.int8)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.register_buffer("weight", rounded.t())  # (in, out), as _int_mm multiplies fastest
        self.register_buffer("scales", scales)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., in) float32 to (..., out) float32."""
        rows = hidden.reshape(-1, self.in_features)
        scale = rows.abs().amax(dim=1, keepdim=True).clamp_min_(1e-12).div_(127)
        product = torch._int_mm((rows / scale).round_().to(torch.int8), self.weight)
        made = product.to(torch.float32).mul_(scale)
        made = (
            made.mul_(self.scales) if self.bias is None else made.mul_(self.scales).add_(self.bias)
        )
        return made.view(*hidden.shape[:-1], self.out_features)


def _quantize(module: nn.Module) -> None:
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, QuantizedLinear(child))
        else:
            _quantize(child)


def is_fast_in_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in tiles, several times faster than float32."""
    return _has_amx()


def multiplies_bf16() -> bool:
    """Whether this CPU has instructions for bfloat16 at all: about twice as fast as float32."""
    return _has_amx() or _has_bf16()


def _has_amx() -> bool:
    return bool(torch.cpu._is_amx_tile_supported())


def _has_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())


def _has_vnni() -> bool:
    return bool(torch.cpu._is_vnni_supported())
