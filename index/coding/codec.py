"""A trained codec of document vectors: 4, 2 or 1 bits a dimension.

It is a residual one (as in PLAID, Santhanam et al. 2022): a vector is its
nearest centroid plus a residual with 2**bits levels a dimension and one scale a vector.
A passage of several vectors has a mean of its own besides (`xret.index.coding.passage_means`).
Vectors are rotated first, so that a residual is spread evenly over its dimensions and looks
Gaussian, which is what the levels are made for (Lloyd 1982, Max 1960). Centroids, levels
and rotation are small integers: products of codes are exact on every machine.

Code j of a row stands in byte j modulo the row's width, counted from the byte's low bits.

The codec of a large index of passages goes further (`xret.index.coding.training`): vectors are
projected so that errors count as queries see them (`projection`), and residuals are coded by a
trellis, with more bits where they vary more (`trellis`). Both kinds are read and written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError, DimensionMismatchError
from xret.index.coding.levels import integer_levels, nearest_levels, packed, unpacked
from xret.index.coding.passage_means import (
    MEAN_BITS,
    coded_means,
    decoded_means,
    means_of,
    passage_blocks,
)
from xret.index.coding.projection import Projection
from xret.index.coding.rotation import Rotation
from xret.index.coding.trellis import checked_levels, trellis_codes
from xret.index.scoring.centroids import MAX_CENTROIDS, nearest_centroids
from xret.index.scoring.query_codes import MAX_CODE, QueryCodes
from xret.index.scoring.trellis_values import GROUP, trellis_bytes, window_values
from xret.index.storage.segment import NOTHING, Coded, widened
from xret.types import FloatArray, IntArray

__all__ = ["CENTROID_BITS", "ResidualCodec", "centroids_held"]

BLOCK_ROWS = 2**13

CENTROID_BITS = 4
"""A dimension of a stored centroid: what it is off by goes into the residuals."""

_CENTROID_LEVELS = integer_levels(CENTROID_BITS)


@dataclass(frozen=True, slots=True)
class ResidualCodec:
    """value ≈ centroid + levels[code] × scale, and + its passage's mean where `with_means`.

    All of them are rotated, or projected. centroid_codes: (K, width) int8, each one of the
    levels of `CENTROID_BITS`, or of its group in `centroid_levels`, (groups, 16);
    centroid_scales: (K,) bfloat16 bits; levels: (2**bits,) int8, rising, or those of a trellis.
    width: the dimensions of codes, a multiple of 8. device: where the nearest centroids are
    found, None for the CPU's kernels; it changes nothing that is written.
    """

    rotation: Rotation | Projection
    centroid_codes: npt.NDArray[np.int8]
    centroid_scales: npt.NDArray[np.uint16]
    levels: npt.NDArray[np.int8]
    with_means: bool = False
    device: str | None = None
    centroid_levels: npt.NDArray[np.int8] | None = None

    @classmethod
    def of(
        cls, rotation: Rotation, centroids: FloatArray, *, bits: int, with_means: bool = False
    ) -> ResidualCodec:
        """The codec of these centroids: (K, width) float32, rotated."""
        codes, scales = nearest_levels(centroids, _CENTROID_LEVELS)
        held = _CENTROID_LEVELS[unpacked(codes, CENTROID_BITS)]
        return cls(rotation, held, scales, integer_levels(bits), with_means)

    @property
    def dim(self) -> int:
        return self.rotation.dim

    @property
    def width(self) -> int:
        return self.rotation.width

    @property
    def is_trellis(self) -> bool:
        return self.levels.ndim == 2

    @property
    def bits(self) -> int:
        """A dimension; 0 for a trellis, whose dimensions differ: what `score_passages` is told."""
        return 0 if self.is_trellis else len(self.levels).bit_length() - 1

    @property
    def code_bytes(self) -> int:
        return trellis_bytes(self.levels) if self.is_trellis else self.width * self.bits // 8

    @property
    def n_centroids(self) -> int:
        return len(self.centroid_scales)

    @property
    def mean_bytes(self) -> int:
        return self.width * MEAN_BITS // 8 if self.with_means else 0

    def rotate(self, queries: FloatArray) -> FloatArray:
        """Vectors of queries as codes are multiplied with."""
        return self.rotation.query(queries)

    def centre_lanes(
        self, codes: QueryCodes, rotated: FloatArray, starts: IntArray
    ) -> FloatArray | None:
        """(lanes,) what vectors' centre adds to all products of these queries, for
        `centroid_tables`; None where there is no centre.

        rotated: (q, width) of the queries whose codes these are; starts: (n + 1,), which of them
        are whose.
        """
        shift = self.rotation.shift(rotated)
        if shift is None:
            return None
        padding = codes.offsets[:-1] - starts[:-1]
        lanes = np.arange(len(rotated)) + np.repeat(padding, np.diff(starts))
        added = np.zeros(len(codes.scales), np.float32)
        added[lanes] = shift / codes.scales[lanes]
        return added

    def encode(self, values: FloatArray, offsets: IntArray | None = None) -> Coded:
        """(t, d) float32 → codes, in blocks: memory beyond the codes is a few MB.

        A vector's codes depend on its passage alone. Raises ValueError for a vector that is
        not finite.
        """
        _check_dim(values, self.dim)
        offsets = np.arange(len(values) + 1) if offsets is None else offsets
        codes = np.empty((len(values), self.code_bytes), np.uint8)
        scales, near = np.empty(len(values), np.uint16), np.empty(len(values), np.uint16)
        means = _no_means(len(offsets) - 1, self.mean_bytes) if self.with_means else None
        for passages, rows in passage_blocks(offsets, BLOCK_ROWS):
            if not np.isfinite(values[rows]).all():
                raise ValueError("an encoder returned a vector that is not finite")
            own = offsets[passages.start : passages.stop + 1] - offsets[passages.start]
            rest, near[rows], made = self.residuals(values[rows], own)
            if means is not None and made is not None:
                means.codes[passages], means.scales[passages] = made.codes, made.scales
            rounded = trellis_codes if self.is_trellis else nearest_levels
            codes[rows], scales[rows] = rounded(rest, self.levels)
        scales[~values.any(axis=1)] = NOTHING
        return Coded(codes, scales, near, means)

    def residuals(
        self, values: FloatArray, offsets: IntArray, *, threads: int = 1
    ) -> tuple[FloatArray, npt.NDArray[np.uint16], Coded | None]:
        """(t, d) of whole passages → what is left to code, (t, width), the numbers of centroids,
        and the passages' coded means, None where the codec has none."""
        rest = self.rotation.forward(values)
        near = nearest_centroids(
            rest, self.centroid_codes, self.centroid_scales, threads=threads, device=self.device
        )
        rest -= self._centroids(near)
        if not self.with_means:
            return rest, near, None
        means = coded_means(means_of(rest, offsets))
        rest -= np.repeat(decoded_means(means), np.diff(offsets), axis=0)
        return rest, near, means

    def decode(self, coded: Coded, offsets: IntArray | None = None) -> FloatArray:
        """The vectors that codes stand for: (t, d) float32, in blocks."""
        offsets = np.arange(len(coded) + 1) if offsets is None else offsets
        means = coded.means
        if coded.centroids is None or (means is None) == self.with_means:
            raise DamagedIndexError("codes of a trained codec lack their centroids or means")
        values = np.empty((len(coded), self.dim), np.float32)
        for passages, rows in passage_blocks(offsets, BLOCK_ROWS):
            residuals = self._values(coded.codes[rows])
            rotated = residuals * widened(coded.scales[rows])[:, None]
            rotated += self._centroids(coded.centroids[rows])
            if means is not None:
                lengths = np.diff(offsets[passages.start : passages.stop + 1])
                rotated += np.repeat(decoded_means(means.rows(passages)), lengths, axis=0)
            values[rows] = self.rotation.backward(rotated)
        values[coded.scales == NOTHING] = 0
        return values

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `from_arrays` makes this codec from again."""
        codes = np.empty(self.centroid_codes.shape, np.uint8)
        for columns, levels in _columns(self.centroid_levels, self.width):
            codes[:, columns] = np.searchsorted(levels, self.centroid_codes[:, columns])
        more = {} if self.centroid_levels is None else {"centroid_levels": self.centroid_levels}
        return {
            **self.rotation.arrays(),
            **more,
            "centroid_codes": packed(codes, CENTROID_BITS),
            "centroid_scales": self.centroid_scales,
            "levels": self.levels,
            "with_means": np.array([self.with_means], np.uint8),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> ResidualCodec:
        """Raises DamagedIndexError for arrays that no codec has: they may be anyone's."""
        projects = "rows" in arrays
        rotation = Projection.from_arrays(arrays) if projects else Rotation.from_arrays(arrays)
        codes, scales, levels, means = (
            _array(arrays, name, dtype, ndim)
            for name, dtype, ndim in (
                ("centroid_codes", "u1", 2),
                ("centroid_scales", "<u2", 1),
                ("levels", "i1", 2 if projects else 1),
                ("with_means", "u1", 1),
            )
        )
        of_centroids = _centroid_levels(arrays, rotation.width) if projects else None
        if projects:
            checked_levels(levels, width=rotation.width)
        elif len(levels) not in (2, 4, 16) or (np.diff(levels.astype(np.int16)) <= 0).any():
            raise DamagedIndexError(f"a codec's levels are {levels.tolist()[:16]}")
        shape = (len(scales), rotation.width * CENTROID_BITS // 8)
        if codes.shape != shape or not 1 <= len(scales) <= MAX_CENTROIDS:
            raise DamagedIndexError(f"a codec has {len(scales)} centroids of shape {codes.shape}")
        if not np.isfinite(widened(scales)).all() or (widened(scales) < 0).any():
            raise DamagedIndexError("a codec's centroid is not finite")
        if means.tolist() not in ([0], [1]):
            raise DamagedIndexError(f"whether a codec has means is {means.tolist()[:4]}")
        held = centroids_held(unpacked(codes, CENTROID_BITS), of_centroids)
        return cls(rotation, held, scales, levels, bool(means[0]), centroid_levels=of_centroids)

    def _values(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
        """(t, code_bytes) → (t, width) levels."""
        if self.is_trellis:
            return window_values(codes, self.levels)
        return self.levels[unpacked(codes, self.bits)]

    def _centroids(self, near: npt.NDArray[np.uint16]) -> FloatArray:
        """(t,) numbers → (t, width) float32."""
        scales = widened(self.centroid_scales[near])
        values: FloatArray = self.centroid_codes[near] * scales[:, None]
        return values


def centroids_held(
    numbers: npt.NDArray[np.uint8], levels: npt.NDArray[np.int8] | None
) -> npt.NDArray[np.int8]:
    """(K, width) numbers of levels → the levels, those of each group of dimensions or of all."""
    held = np.empty(numbers.shape, np.int8)
    for columns, own in _columns(levels, numbers.shape[1]):
        held[:, columns] = own[numbers[:, columns]]
    return held


def _columns(
    levels: npt.NDArray[np.int8] | None, width: int
) -> Iterator[tuple[slice, npt.NDArray[np.int8]]]:
    """Dimensions whose centroids have the same levels, and those."""
    if levels is None:
        yield slice(0, width), _CENTROID_LEVELS
        return
    for group, own in enumerate(levels):
        yield slice(group * GROUP, (group + 1) * GROUP), own


def _centroid_levels(arrays: Mapping[str, npt.NDArray[Any]], width: int) -> npt.NDArray[np.int8]:
    levels = _array(arrays, "centroid_levels", "i1", 2)
    falls = (np.diff(levels.astype(np.int16), axis=1) < 0).any()
    if levels.shape != (width // GROUP, 2**CENTROID_BITS) or falls or levels.min() < -MAX_CODE:
        raise DamagedIndexError(f"a codec's levels of centroids are of shape {levels.shape}")
    return levels


def _no_means(n_passages: int, mean_bytes: int) -> Coded:
    """Room for the means of passages."""
    codes = np.empty((n_passages, mean_bytes), np.uint8)
    return Coded(codes, np.empty(n_passages, np.uint16))


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
