"""The layers of a BERT or X-MOD encoder in int8, as the compiled kernels read them.

A weight matrix has one scale for each output, and lies in blocks of 16 outputs and 4 inputs;
`index/kernels/encoder.h` says in which order its parts follow each other. Every array starts
at a multiple of 64 bytes, sizes are filled up to multiples of 16 with zeros.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import ModelError
from xret.retriever.models.mapped_weights import MappedWeights
from xret.types import FloatArray, IntArray

__all__ = ["Int8Layers", "LayerShape", "aligned", "packed_dense"]

_BLOCK, _ALIGNMENT, _LARGEST = 16, 64, 127
_NO_NORM, _OWN_NORM, _SHARED_NORM = 0, 1, 2


@dataclass(frozen=True, slots=True)
class LayerShape:
    """What the kernels are told of a model. bottleneck: 0 without adapters.

    adapter_norm: before an adapter none (0), its own (1) or the layer's last (2);
    norm_is_residual: whether what that norm gives is also added after the adapter.
    """

    layers: int
    dim: int
    heads: int
    inner: int
    epsilon: float
    bottleneck: int = 0
    adapter_norm: int = _NO_NORM
    norm_is_residual: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> LayerShape:
        """From a config.json; raises ModelError for a size that is missing or does not fit."""
        try:
            shape = cls(
                layers=int(config["num_hidden_layers"]),
                dim=int(config["hidden_size"]),
                heads=int(config["num_attention_heads"]),
                inner=int(config["intermediate_size"]),
                epsilon=float(config.get("layer_norm_eps", 1e-12)),
            )
            if config["model_type"] == "xmod":
                shape = shape._with_adapters(config)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ModelError(f"config.json does not describe an encoder: {error!r}") from None
        return shape

    def _with_adapters(self, config: Mapping[str, Any]) -> LayerShape:
        norm = _SHARED_NORM if config.get("adapter_reuse_layer_norm", True) else _NO_NORM
        if config.get("adapter_layer_norm", False):
            norm = _OWN_NORM
        before = bool(config.get("ln_before_adapter", True))
        return LayerShape(
            self.layers,
            self.dim,
            self.heads,
            self.inner,
            self.epsilon,
            bottleneck=int(self.dim // config.get("adapter_reduction_factor", 2)),
            adapter_norm=norm,
            norm_is_residual=before and norm != _NO_NORM,
        )

    def lacks(self) -> str:
        """Why the kernels cannot run such a model, "" where they can."""
        if min(self.layers, self.dim, self.heads, self.inner) < 1 or self.dim % self.heads:
            return "its sizes do not fit together"
        if self.dim // self.heads % _BLOCK or self.inner % _BLOCK:
            return f"its heads and layers are not multiples of {_BLOCK} wide"
        return "" if max(self.dim, self.inner // 4) <= 8192 else "its layers are too wide"


class Int8Layers:
    """Packed weights of all layers, and of each adapter once it is asked for."""

    def __init__(self, weights: MappedWeights, prefix: str, shape: LayerShape) -> None:
        self.shape = shape
        self._weights, self._prefix = weights, prefix
        self._adapters: dict[str, npt.NDArray[np.uint8] | None] = {}
        parts = self._norm("embeddings.LayerNorm")
        for i in range(shape.layers):
            parts += self._layer(f"encoder.layer.{i}.")
        self.model = aligned(parts)

    def adapter(self, spelling: str) -> npt.NDArray[np.uint8] | None:
        """The weights of an adapter as its file spells it; None for one that adds nothing."""
        if spelling not in self._adapters:
            self._adapters[spelling] = self._bottlenecks(spelling)
        return self._adapters[spelling]

    def encode(
        self,
        path: str,
        states: FloatArray,
        offsets: IntArray,
        adapters: Sequence[npt.NDArray[np.uint8]],
        which: npt.NDArray[np.int32] | None,
        *,
        first: int,
        last: int,
    ) -> None:
        """Sums of embeddings to last states, in place, of the texts first to last.

        states: (t, d) float32; offsets: (n + 1,) int64; which: (t,) each token's adapter, -1
        for none. Numbers depend on neither the other texts nor on `path`.
        """
        from xret.index import _kernels

        shape = self.shape
        _kernels.encode(
            path,
            self.model,
            tuple(adapters),
            states,
            offsets,
            which,
            shape.layers,
            shape.dim,
            shape.heads,
            shape.inner,
            _filled(shape.bottleneck),
            shape.adapter_norm,
            shape.norm_is_residual,
            shape.epsilon,
            len(offsets) - 1,
            first,
            last,
        )

    def _layer(self, name: str) -> list[npt.NDArray[Any]]:
        dim, inner = self.shape.dim, self.shape.inner
        # The kernel's softmax counts in powers of two.
        factor = np.float32(math.log2(math.e) / math.sqrt(dim // self.shape.heads))
        projection = f"{name}attention.self."
        query, query_bias = self._dense(f"{projection}query", dim, dim)
        key, key_bias = self._dense(f"{projection}key", dim, dim)
        value, value_bias = self._dense(f"{projection}value", dim, dim)
        packed = packed_dense(
            np.concatenate([query * factor, key, value]),
            np.concatenate([query_bias * factor, key_bias, value_bias]),
        )
        packed += packed_dense(*self._dense(f"{name}attention.output.dense", dim, dim))
        packed += self._norm(f"{name}attention.output.LayerNorm")
        packed += packed_dense(*self._dense(f"{name}intermediate.dense", inner, dim))
        packed += packed_dense(*self._dense(f"{name}output.dense", dim, inner))
        packed += self._norm(f"{name}output.LayerNorm")
        if self.shape.adapter_norm == _OWN_NORM:
            packed += self._norm(f"{name}output.adapter_layer_norm")
        return packed

    def _bottlenecks(self, spelling: str) -> npt.NDArray[np.uint8] | None:
        dim, bottleneck = self.shape.dim, self.shape.bottleneck
        parts: list[npt.NDArray[Any]] = []
        adds = False
        for i in range(self.shape.layers):
            name = f"encoder.layer.{i}.output.adapter_modules.{spelling}."
            up, up_bias = self._dense(f"{name}dense2", dim, bottleneck)
            adds = adds or bool(up.any()) or bool(up_bias.any())
            parts += packed_dense(*self._dense(f"{name}dense1", bottleneck, dim))
            parts += packed_dense(up, up_bias)
        return aligned(parts) if adds else None

    def _dense(self, name: str, outs: int, ins: int) -> tuple[FloatArray, FloatArray]:
        return self._array(f"{name}.weight", outs, ins), self._array(f"{name}.bias", outs)

    def _norm(self, name: str) -> list[npt.NDArray[Any]]:
        dim = self.shape.dim
        return [self._array(f"{name}.weight", dim), self._array(f"{name}.bias", dim)]

    def _array(self, name: str, *shape: int) -> FloatArray:
        array = self._weights.array(self._prefix + name)
        if array.shape != shape:
            raise ModelError(
                f"{self._weights.path}: {name} has the shape {array.shape}, and config.json "
                f"says {shape}"
            )
        if not np.isfinite(array).all():
            raise ModelError(
                f"{self._weights.path}: {name} has numbers that are not finite; the weights "
                "are damaged"
            )
        return array


def packed_dense(weight: FloatArray, bias: FloatArray) -> list[npt.NDArray[Any]]:
    """(o, i) and (o,) float32 to codes, sums of each output's codes, scales and biases."""
    outs, ins = _filled(len(weight)), _filled(weight.shape[1])
    scales = np.abs(weight).max(axis=1) / np.float32(_LARGEST)
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    codes = np.zeros((outs, ins), np.int8)
    codes[: len(weight), : weight.shape[1]] = np.rint(weight * inverse[:, None])
    blocks = codes.reshape(outs // _BLOCK, _BLOCK, ins // 4, 4).transpose(0, 2, 1, 3)
    more = (0, outs - len(weight))
    return [
        np.ascontiguousarray(blocks),
        codes.sum(axis=1, dtype=np.int32),
        np.pad(scales, more),
        np.pad(bias, more),
    ]


def aligned(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    """Arrays behind each other in one buffer, each at a multiple of 64 bytes, as it ends."""
    sizes = [-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in arrays]
    memory = np.zeros(sum(sizes) + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    buffer = memory[start : start + sum(sizes)]
    place = 0
    for array, size in zip(arrays, sizes, strict=True):
        buffer[place : place + array.nbytes] = (
            np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        )
        place += size
    return buffer


def _filled(size: int) -> int:
    """The least multiple of a block that holds so many."""
    return -(-size // _BLOCK) * _BLOCK
