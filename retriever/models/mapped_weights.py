"""Weights of a safetensors file as NumPy arrays in float32, read where they are asked for.

The file is mapped, so that a few rows of a large table cost no more than those rows. Tensors
may be stored as `xret.retriever.models.compact` describes: in 8-bit rows or 4-bit blocks with
their scales beside them, and tensors of zeros in the file's metadata alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from xret.errors import ModelError
from xret.types import FloatArray, IntArray

__all__ = ["MappedWeights"]

# As `compact` has them, which needs torch.
_SCALE, _ZEROS, _BLOCK = "_scale", "zeros", 32
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1", "U8": "u1"}


@dataclass(frozen=True, slots=True)
class MappedWeights:
    """A weight file. stored: its arrays as they lie there, (r, ...); zeros: shapes by name."""

    path: Path
    stored: Mapping[str, npt.NDArray[Any]]
    wide: frozenset[str] = frozenset()
    zeros: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> MappedWeights:
        """Map a file; raises ModelError where it is not a sound safetensors file."""
        try:
            with safe_open(path, framework="numpy"):  # checks sizes and places
                pass
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header: dict[str, Any] = json.loads(file.read(length))
            content = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + length)
            zeros = json.loads((header.pop("__metadata__", None) or {}).get(_ZEROS, "{}"))
            shapes = {str(name): tuple(map(int, shape)) for name, shape in zeros.items()}
        except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"{path} is no readable safetensors file: {error}") from None
        stored, wide = {}, set()
        for name, row in header.items():
            if row["dtype"] in _DTYPES:
                start, end = row["data_offsets"]
                array = content[start:end].view(_DTYPES[row["dtype"]])
                stored[name] = array.reshape(row["shape"])
            if row["dtype"] == "BF16":
                wide.add(name)
        return cls(path, stored, frozenset(wide), shapes)

    def __contains__(self, name: str) -> bool:
        return name in self.stored or name in self.zeros

    @property
    def names(self) -> frozenset[str]:
        """Of all tensors, scales left out."""
        scales = {name + _SCALE for name in self.stored}
        return frozenset(self.stored.keys() - scales | self.zeros.keys())

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor in float32; ModelError where there is none of that name."""
        if name in self.zeros:
            return self.zeros[name]
        if name not in self.stored:
            raise ModelError(f"{self.path} has no tensor {name}")
        shape: tuple[int, ...] = self.stored[name].shape
        if self._blocks(name):
            return (shape[0], 2 * shape[1])
        return shape

    def array(self, name: str) -> FloatArray:
        """A whole tensor, a copy. Raises ModelError where it is missing or not as described."""
        shape = self.shape(name)
        if name in self.zeros:
            return np.zeros(shape, np.float32)
        return self._numbers(name, self.stored[name], self.stored.get(name + _SCALE))

    def rows(self, name: str, numbers: IntArray) -> FloatArray:
        """(k, c) rows of a table; numbers: (k,), each a row that is there."""
        shape = self.shape(name)
        if name in self.zeros:
            return np.zeros((len(numbers), *shape[1:]), np.float32)
        scales = self.stored.get(name + _SCALE)
        return self._numbers(
            name, self.stored[name][numbers], None if scales is None else scales[numbers]
        )

    def _blocks(self, name: str) -> bool:
        stored = self.stored[name]
        return stored.dtype == np.uint8 and stored.ndim == 2 and name + _SCALE in self.stored

    def _numbers(
        self, name: str, stored: npt.NDArray[Any], scales: npt.NDArray[Any] | None
    ) -> FloatArray:
        if name in self.wide:
            wide: FloatArray = (stored.astype(np.uint32) << 16).view(np.float32)
            return wide
        if scales is None or stored.dtype.kind == "f":
            return np.array(stored, dtype=np.float32)
        expected = stored.shape[:1]
        if self._blocks(name):
            expected = (len(stored), 2 * stored.shape[1] // _BLOCK)
            stored = _nibbles(stored).reshape(*expected, -1)
        if scales.shape != expected or not stored.size:
            raise ModelError(
                f"{self.path}: the scales of {name} have the shape {scales.shape}, "
                f"{expected} was expected"
            )
        restored: FloatArray = stored.astype(np.float32)
        restored *= scales.astype(np.float32)[..., None]
        return restored.reshape(len(restored), -1)


def _nibbles(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """(r, c) bytes to (r, 2 c) numbers from -8 to 7, the low half of a byte first."""
    halves = np.empty((*packed.shape, 2), np.int8)
    halves[:, :, 0] = packed & 15
    halves[:, :, 1] = packed >> 4
    halves -= 8
    return halves.reshape(len(packed), -1)
