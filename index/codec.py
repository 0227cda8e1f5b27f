"""How document vectors become codes: 8 bits a dimension, or a trained codec of 4, 2 or 1.

The trained codec is a residual one (as in PLAID, Santhanam et al. 2022): a vector is its
nearest centroid plus a residual with 2**bits levels a dimension and one scale a vector.
Vectors are rotated first, so that a residual is spread evenly over its dimensions and looks
Gaussian, which is what the levels are made for (Lloyd 1982, Max 1960). Centroids, levels
and rotation are small integers: products of codes are exact on every machine.

Code j of a row stands in byte j modulo the row's width, counted from the byte's low bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from xret.errors import ConfigError, DamagedIndexError, DimensionMismatchError
from xret.index.centroids import MAX_CENTROIDS, nearest
from xret.index.levels import (
    GAUSSIAN_LEVELS,
    bfloat16,
    integer_levels,
    level_bounds,
    packed,
    unpacked,
)
from xret.index.query_codes import MAX_CODE, rounded
from xret.index.rotation import Rotation
from xret.index.segment import Coded, padded, quantize, widened
from xret.types import FloatArray

__all__ = ["Codec", "Int8Codec", "ResidualCodec", "train_codec"]

BLOCK_ROWS = 2**13
ROWS_PER_CENTROID = 8
MOST_CENTROIDS = 2**14
ITERATIONS = 5


class Codec(Protocol):
    """Turns vectors into codes and back. levels: int8 (2**bits,), empty for 8 bits."""

    @property
    def bits(self) -> int: ...

    @property
    def dim(self) -> int: ...

    @property
    def code_bytes(self) -> int: ...

    @property
    def levels(self) -> npt.NDArray[np.int8]: ...

    @property
    def n_centroids(self) -> int: ...

    def rotate(self, values: FloatArray) -> FloatArray:
        """(q, d) query vectors as the codes see them: (q, width)."""
        ...

    def encode(self, values: FloatArray) -> Coded: ...

    def decode(self, coded: Coded) -> FloatArray: ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]: ...


@dataclass(frozen=True, slots=True)
class Int8Codec:
    """Symmetric 8-bit codes with one scale a vector; nothing to train."""

    dim: int
    bits: int = 8
    n_centroids: int = 0

    @property
    def code_bytes(self) -> int:
        return padded(self.dim)

    @property
    def levels(self) -> npt.NDArray[np.int8]:
        return np.empty(0, np.int8)

    def rotate(self, values: FloatArray) -> FloatArray:
        return np.pad(values, ((0, 0), (0, self.code_bytes - self.dim)))

    def encode(self, values: FloatArray) -> Coded:
        """(t, d) float32 → codes. Raises ValueError for a vector of zeros or not finite."""
        _check_dim(values, self.dim)
        return quantize(values)

    def decode(self, coded: Coded) -> FloatArray:
        codes = coded.codes.view(np.int8)[:, : self.dim]
        values: FloatArray = codes * widened(coded.scales)[:, None]
        return values

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"dim": np.array([self.dim], np.int64)}


@dataclass(frozen=True, slots=True)
class ResidualCodec:
    """Centroid and residual: value ≈ centroid + levels[code] × scale, all of them rotated.

    centroid_codes: (K, width) int8 and centroid_scales: (K,) bfloat16 bits, rotated;
    levels: (2**bits,) int8, rising. width: the dimensions of codes, a multiple of 8.
    """

    rotation: Rotation
    centroid_codes: npt.NDArray[np.int8]
    centroid_scales: npt.NDArray[np.uint16]
    levels: npt.NDArray[np.int8]

    @property
    def dim(self) -> int:
        return self.rotation.dim

    @property
    def width(self) -> int:
        return self.rotation.width

    @property
    def bits(self) -> int:
        return len(self.levels).bit_length() - 1

    @property
    def code_bytes(self) -> int:
        return self.width * self.bits // 8

    @property
    def n_centroids(self) -> int:
        return len(self.centroid_scales)

    def rotate(self, values: FloatArray) -> FloatArray:
        return self.rotation.forward(values)

    def encode(self, values: FloatArray) -> Coded:
        """(t, d) float32 → codes, in blocks: memory beyond the codes is a few MB.

        Every vector's codes depend on that vector alone. Raises ValueError for a vector that
        is not finite.
        """
        _check_dim(values, self.dim)
        codes = np.empty((len(values), self.code_bytes), np.uint8)
        scales = np.empty(len(values), np.uint16)
        near = np.empty(len(values), np.uint16)
        for first in range(0, len(values), BLOCK_ROWS):
            rows = slice(first, first + BLOCK_ROWS)
            if not np.isfinite(values[rows]).all():
                raise ValueError("an encoder returned a vector that is not finite")
            rotated = self.rotate(values[rows])
            near[rows] = nearest(rotated, self.centroid_codes, self.centroid_scales)
            codes[rows], scales[rows] = self._residual_codes(rotated - self._centroids(near[rows]))
        return Coded(codes, scales, near)

    def decode(self, coded: Coded) -> FloatArray:
        """The vectors that codes stand for: (t, d) float32, in blocks."""
        if coded.centroids is None:
            raise DamagedIndexError("codes of a trained codec lack their centroids")
        values = np.empty((len(coded), self.dim), np.float32)
        for first in range(0, len(coded), BLOCK_ROWS):
            rows = slice(first, first + BLOCK_ROWS)
            residuals = self.levels[unpacked(coded.codes[rows], self.bits)]
            rotated = residuals * widened(coded.scales[rows])[:, None]
            rotated += self._centroids(coded.centroids[rows])
            values[rows] = self.rotation.backward(rotated)
        return values

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `from_arrays` makes this codec from again."""
        return {
            **self.rotation.arrays(),
            "centroid_codes": self.centroid_codes,
            "centroid_scales": self.centroid_scales,
            "levels": self.levels,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> ResidualCodec:
        """Raises DamagedIndexError for arrays that no codec has: they may be anyone's."""
        rotation = Rotation.from_arrays(arrays)
        codes, scales, levels = (
            _array(arrays, name, dtype, ndim)
            for name, dtype, ndim in (
                ("centroid_codes", "i1", 2), ("centroid_scales", "<u2", 1), ("levels", "i1", 1)
            )
        )  # fmt: skip
        if len(levels) not in (2, 4, 16) or (np.diff(levels.astype(np.int16)) <= 0).any():
            raise DamagedIndexError(f"a codec's levels are {levels.tolist()[:16]}")
        if codes.shape != (len(scales), rotation.width) or not 1 <= len(scales) <= MAX_CENTROIDS:
            raise DamagedIndexError(f"a codec has {len(scales)} centroids of shape {codes.shape}")
        if not np.isfinite(widened(scales)).all() or (widened(scales) < 0).any():
            raise DamagedIndexError("a codec's centroid is not finite")
        return cls(rotation, codes, scales, levels)

    def _centroids(self, near: npt.NDArray[np.uint16]) -> FloatArray:
        """(t,) numbers → (t, width) float32."""
        scales = widened(self.centroid_scales[near])
        values: FloatArray = self.centroid_codes[near] * scales[:, None]
        return values

    def _residual_codes(
        self, residuals: FloatArray
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
        """(t, width) → packed codes, and the scales of least squared error."""
        deviations = np.sqrt(np.einsum("ij,ij->i", residuals, residuals) / np.float32(self.width))
        bounds = level_bounds(self.bits)
        codes = np.zeros(residuals.shape, np.uint8)
        for bound in bounds:
            codes += residuals > (bound * deviations)[:, None]
        levels = self.levels[codes].astype(np.float32)
        products = np.einsum("ij,ij->i", levels, residuals)
        scales = bfloat16(products / np.einsum("ij,ij->i", levels, levels))
        return packed(codes, self.bits), scales


def train_codec(
    values: FloatArray,
    *,
    bits: int,
    seed: int = 0,
    n_centroids: int | None = None,
    threads: int = 1,
) -> ResidualCodec:
    """A codec for vectors like these, the same for the same values and seed.

    values: (t, d) float32, t >= 1; about 2**17 are enough. n_centroids: None takes a power
    of two, one for at least `ROWS_PER_CENTROID` vectors and at most `MOST_CENTROIDS`.
    Centroids are those of k-means (Lloyd) over int8 codes with our own integer kernel, some
    ten times as fast as float32 clustering where the CPU multiplies bytes, and the same on
    every machine.
    """
    if bits not in GAUSSIAN_LEVELS:
        raise ConfigError(f"a trained codec has 1, 2 or 4 bits a dimension, not {bits}")
    if not len(values) or not np.isfinite(values).all():
        raise ConfigError(f"{len(values)} vectors to train on; there must be one, all finite")
    rng = np.random.default_rng(seed)
    rotation = Rotation.drawn(values.shape[1], rng)
    wanted = n_centroids or min(MOST_CENTROIDS, _power_of_two(len(values) // ROWS_PER_CENTROID))
    rotated = np.empty((len(values), rotation.width), np.float32)
    for first in range(0, len(values), BLOCK_ROWS):
        rotated[first : first + BLOCK_ROWS] = rotation.forward(values[first : first + BLOCK_ROWS])
    codes, scales = _clustered(rotated, min(wanted, len(values)), rng, threads)
    return ResidualCodec(rotation, codes, scales, integer_levels(bits))


def _power_of_two(number: int) -> int:
    """The largest that is not above the number, at least 1."""
    return 1 << max(0, number.bit_length() - 1)


def _clustered(
    values: FloatArray, k: int, rng: np.random.Generator, threads: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.uint16]]:
    """k-means → (k, width) int8 codes and (k,) bfloat16 scales of the centroids."""
    codes, scales = _int8(values[np.sort(rng.choice(len(values), k, replace=False))])
    for _ in range(ITERATIONS):
        sums, counts = np.zeros((k, values.shape[1]), np.float64), np.zeros(k, np.int64)
        for first in range(0, len(values), BLOCK_ROWS):
            block = values[first : first + BLOCK_ROWS]
            near = nearest(block, codes, scales, threads=threads)
            order = np.argsort(near, kind="stable")
            found, starts = np.unique(near[order], return_index=True)
            sums[found] += np.add.reduceat(block[order], starts, axis=0)
            counts += np.bincount(near, minlength=k)
        empty = np.flatnonzero(counts == 0)
        sums[empty] = values[np.sort(rng.choice(len(values), len(empty), replace=False))]
        codes, scales = _int8((sums / np.maximum(counts, 1)[:, None]).astype(np.float32))
    return codes, scales


def _int8(values: FloatArray) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.uint16]]:
    """(k, d) → int8 codes and bfloat16 scales; a row of zeros stays one."""
    _, units = rounded(values, levels=MAX_CODE)
    scales = ((units.view(np.uint32) + np.uint32(0xFFFF)) >> 16).astype(np.uint16)
    return np.rint(values / widened(scales)[:, None]).astype(np.int8), scales


def _array(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, dtype: str, ndim: int
) -> npt.NDArray[Any]:
    found = arrays.get(name)
    if found is None or found.dtype != np.dtype(dtype) or found.ndim != ndim:
        what = "missing" if found is None else f"{found.dtype} of shape {found.shape}"
        raise DamagedIndexError(f"a codec's {name} are {what}")
    return np.ascontiguousarray(found)


def _check_dim(values: FloatArray, dim: int) -> None:
    if values.ndim != 2 or values.shape[1] != dim:
        raise DimensionMismatchError(
            f"vectors of shape {values.shape} for a codec of {dim} dimensions"
        )
