"""A safetensors file by its table of contents, and a copy of it with other tensors.

Tensors that stay are copied as bytes: they cost no memory and cannot change.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from safetensors import SafetensorError, safe_open

from xret.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ZEROS", "StoredTensor", "WeightFile"]

ZEROS = "zeros"
"""In a file's metadata: JSON, the name of each tensor of zeros that was left out to its shape."""

_BLOCK = 1 << 20
_ALIGNMENT = 8
# By their names in torch, which a file that is only read does not need.
_DTYPES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.int16": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A row of the table of contents. start: of its bytes in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    n_bytes: int

    @property
    def parameters(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file whose table of contents was read and found sound, and nothing else of it."""

    path: Path
    tensors: Mapping[str, StoredTensor]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> WeightFile:
        """Raises ModelError for a file that is no safetensors file."""
        try:
            with safe_open(path, framework="np"):  # checks sizes and places
                pass
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header: dict[str, Any] = json.loads(file.read(length))
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(f"{path} is no readable safetensors file: {error}") from None
        metadata = header.pop("__metadata__", None) or {}
        tensors = {}
        for name, row in header.items():
            begin, end = row["data_offsets"]
            tensors[name] = StoredTensor(
                row["dtype"], tuple(row["shape"]), 8 + length + begin, end - begin
            )
        return cls(path, tensors, metadata)

    def read(self, name: str) -> Tensor:
        """One tensor."""
        with safe_open(self.path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
        return tensor

    def blocks(self, name: str, n_bytes: int | None = None) -> Iterator[bytes]:
        """The bytes of a tensor, or the first of them."""
        stored = self.tensors[name]
        with self.path.open("rb") as file:
            file.seek(stored.start)
            left = stored.n_bytes if n_bytes is None else n_bytes
            while left > 0:
                block = file.read(min(left, _BLOCK))
                if not block:
                    raise ModelError(f"{self.path} was cut while it was read")
                left -= len(block)
                yield block

    def copy(
        self,
        target: Path,
        *,
        without: Collection[str] = (),
        changed: Mapping[str, Tensor],
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write the file anew without some tensors, and with others, new or in place of old.

        metadata: in place of the file's own.
        """
        contents = {
            name: (stored.dtype, stored.shape, stored.n_bytes)
            for name, stored in self.tensors.items()
            if name not in without
        }
        for name, tensor in changed.items():
            size = tensor.numel() * tensor.element_size()
            contents[name] = (_DTYPES[str(tensor.dtype)], tuple(tensor.shape), size)
        # As safetensors itself sorts them, so that every tensor starts at a multiple of its size.
        order = sorted(contents, key=lambda name: (-_item_bytes(contents[name]), name))
        with target.open("wb") as file:
            kept = self.metadata if metadata is None else metadata
            file.write(_header(kept, contents, order))
            for name in order:
                if name in changed:
                    _write(file, changed[name])
                else:
                    file.writelines(self.blocks(name))


def _item_bytes(content: tuple[str, tuple[int, ...], int]) -> int:
    _, shape, n_bytes = content
    return n_bytes // (math.prod(shape) or 1)


def _header(
    metadata: Mapping[str, str],
    contents: Mapping[str, tuple[str, tuple[int, ...], int]],
    order: list[str],
) -> bytes:
    rows: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name in order:
        dtype, shape, size = contents[name]
        rows[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [start, start + size],
        }
        start += size
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _write(file: BinaryIO, tensor: Tensor) -> None:
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    file.write(flat.view(torch.uint8).numpy().data)
