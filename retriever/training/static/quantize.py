"""From trained float rows to the 4-bit table that the encoder reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.types import FloatArray

__all__ = ["QuantizedRows", "principal_axes", "quantize_rows"]

_SAMPLE = 4_000_000
_LLOYD_ROUNDS = 30
_SCALE_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class QuantizedRows:
    """Row r is scales[r] * columns * levels[codes of r]; shapes as `WordTable` has them."""

    codes: npt.NDArray[np.uint8]
    levels: FloatArray
    columns: FloatArray
    scales: npt.NDArray[np.float16]

    def tensors(self) -> dict[str, npt.NDArray[np.generic]]:
        """By the names in the model file."""
        return {
            "codes": self.codes,
            "levels": self.levels,
            "columns": self.columns,
            "scales": self.scales,
        }

    def rows(self) -> FloatArray:
        """All rows as float32, (v, d)."""
        values = np.empty((len(self.codes), self.codes.shape[1] * 2), np.float32)
        values[:, 0::2] = self.levels[self.codes & 15]
        values[:, 1::2] = self.levels[self.codes >> 4]
        values *= self.columns
        values *= self.scales.astype(np.float32)[:, None]
        return values


def principal_axes(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """(d, d) rotation to the axes of largest variance first; scores do not change by it.

    The variance is that of the directions of the rows (v, d), weighted by (v,): so the
    first axes alone are the best truncation of the vectors.
    """
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    scaled = rows / lengths * np.sqrt(weights / weights.sum())[:, None]
    _, axes = np.linalg.eigh((scaled.T @ scaled).astype(np.float64))
    # An eigenvector's sign is free: fixed here, so that two machines write the same file.
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)
    return np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)


def quantize_rows(rows: FloatArray) -> QuantizedRows:
    """4-bit codes of (v, d) rows, d even: a scale a row and a column, 16 shared levels.

    The levels are the best for the values met (Lloyd 1982); each row's scale is then the
    least-squares one for its codes.
    """
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    columns = np.maximum((rows / lengths).std(axis=0), 1e-6).astype(np.float32)
    flat = rows / columns
    scales = np.maximum(np.sqrt(np.mean(flat**2, axis=1)), 1e-7)
    step = max(1, flat.size // _SAMPLE)
    levels = _lloyd((flat / scales[:, None]).reshape(-1)[::step])
    edges = (levels[1:] + levels[:-1]) / 2
    for _ in range(_SCALE_ROUNDS):
        codes = np.searchsorted(edges, flat / scales[:, None]).astype(np.uint8)
        chosen = levels[codes]
        fitted = np.einsum("ij,ij->i", flat, chosen) / np.einsum("ij,ij->i", chosen, chosen)
        scales = np.maximum(fitted, 1e-7)
    packed = codes[:, 0::2] | (codes[:, 1::2] << 4)
    return QuantizedRows(
        np.ascontiguousarray(packed), levels.astype(np.float32), columns, scales.astype(np.float16)
    )


def _lloyd(values: FloatArray) -> FloatArray:
    """16 levels of least squared error for the values, rising."""
    ordered = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(ordered, dtype=np.float64)])
    levels = np.quantile(ordered, (np.arange(16) + 0.5) / 16)
    for _ in range(_LLOYD_ROUNDS):
        cuts = np.searchsorted(ordered, (levels[1:] + levels[:-1]) / 2)
        bounds = np.concatenate([[0], cuts, [len(ordered)]])
        sizes = np.diff(bounds)
        means = np.diff(sums[bounds]) / np.maximum(sizes, 1)
        levels = np.where(sizes > 0, means, levels)
    return levels.astype(np.float32)
