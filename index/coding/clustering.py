"""Training of a codec: k-means over vectors without their passages' means."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from xret.errors import ConfigError
from xret.index.coding.codec import ResidualCodec
from xret.index.coding.levels import GAUSSIAN_LEVELS
from xret.index.coding.passage_means import means_of, passage_blocks
from xret.index.coding.projection import Projection
from xret.index.coding.rotation import Rotation
from xret.index.scoring.centroids import nearest_centroids
from xret.index.scoring.query_codes import MAX_CODE, rounded
from xret.index.storage.segment import widened
from xret.types import FloatArray, IntArray

__all__ = [
    "Rotated",
    "Vectors",
    "clustered",
    "default_centroids",
    "largest_value",
    "train_codec",
]

BLOCK_ROWS = 2**13
ROWS_PER_CENTROID = 7
MOST_CENTROIDS = 15 * 2**10
"""A few fewer than 2**14: an index of 10,000 documents then takes 40 bytes a vector."""
ITERATIONS = 5


class Vectors(Protocol):
    """(t, d) numbers, float32 where some rows are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, which: slice | IntArray, /) -> FloatArray: ...


class Rotated:
    """Vectors rotated whenever they are looked at: they are few at a time, and all are many."""

    def __init__(self, values: Vectors, rotation: Rotation | Projection) -> None:
        self._values, self._rotation = values, rotation
        self.shape = (len(values), rotation.width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: slice | IntArray, /) -> FloatArray:
        return self._rotation.forward(self._values[which])


def train_codec(
    values: Vectors,
    *,
    bits: int,
    offsets: IntArray | None = None,
    seed: int = 0,
    n_centroids: int | None = None,
    threads: int = 1,
    device: str | None = None,
) -> ResidualCodec:
    """A codec for vectors like these, the same for the same values and seed, on any device.

    values: (t, d) float32, t >= 1; about 2**17 are enough. offsets: (p + 1,) of the passages
    that own them, None where each is one; the codec keeps means where some passage has
    several vectors. n_centroids: None takes a power of two, one for at least
    `ROWS_PER_CENTROID` vectors and at most `MOST_CENTROIDS`. device: where the nearest
    centroids are found, by the codec too; None is the CPU's own kernels.
    """
    if bits not in GAUSSIAN_LEVELS:
        raise ConfigError(f"a trained codec has 1, 2 or 4 bits a dimension, not {bits}")
    largest_value(values)
    owners = np.arange(len(values) + 1) if offsets is None else offsets
    rng = np.random.default_rng(seed)
    rotation = Rotation.drawn(values.shape[1], rng)
    k = n_centroids or default_centroids(len(values))
    centroids = clustered(
        Rotated(values, rotation), owners, min(k, len(values)), rng, (threads, device)
    )
    several = len(owners) - 1 < len(values)
    codec = ResidualCodec.of(rotation, centroids, bits=bits, with_means=several)
    return replace(codec, device=device)


def largest_value(values: Vectors) -> float:
    """Of all numbers, without their signs. Raises ConfigError for none, or one not finite."""
    largest = 0.0
    for at in range(0, len(values), BLOCK_ROWS):
        here = float(np.abs(values[slice(at, at + BLOCK_ROWS)]).max(initial=0.0))
        largest = here if here > largest or np.isnan(here) else largest
        if not np.isfinite(largest):
            break
    if not len(values) or not np.isfinite(largest):
        raise ConfigError(f"{len(values)} vectors to train on; there must be one, all finite")
    return largest


def default_centroids(n_vectors: int) -> int:
    """A power of two, one for at least `ROWS_PER_CENTROID` vectors; at most `MOST_CENTROIDS`."""
    power = 1 << max(0, (n_vectors // ROWS_PER_CENTROID).bit_length() - 1)
    return min(MOST_CENTROIDS, power)


def clustered(
    values: Vectors,
    offsets: IntArray,
    k: int,
    rng: np.random.Generator,
    where: tuple[int, str | None],
    *,
    start: FloatArray | None = None,
    iterations: int = ITERATIONS,
) -> FloatArray:
    """k-means (Lloyd) → (k, width) float32 centroids. start: those of earlier iterations.

    Centroids are rounded to int8 to find the nearest with our own integer kernel, some ten
    times as fast as float32 clustering where the CPU multiplies bytes, and the same on every
    machine. From the second iteration on the means of passages are taken off the vectors,
    and each iteration finds them anew. Where every vector is a passage there are none. where:
    threads and device.
    """
    threads, device = where
    centroids = start
    if centroids is None:
        centroids = values[np.sort(rng.choice(len(values), k, replace=False))]
    several = len(offsets) - 1 < len(values)
    means = np.zeros((len(offsets) - 1, values.shape[1]), np.float32) if several else None
    for iteration in range(iterations):
        codes, scales = _int8(centroids)
        held = codes * widened(scales)[:, None]
        sums, counts = np.zeros((k, values.shape[1]), np.float64), np.zeros(k, np.int64)
        for passages, rows in passage_blocks(offsets, BLOCK_ROWS):
            seen = values[rows]
            rest = seen
            own = offsets[passages.start : passages.stop + 1] - offsets[passages.start]
            if means is not None:
                rest = seen - np.repeat(means[passages], np.diff(own), axis=0)
            near = nearest_centroids(rest, codes, scales, threads=threads, device=device)
            if means is not None and (iteration or start is not None):
                means[passages] = means_of(seen - held[near], own)
                rest = seen - np.repeat(means[passages], np.diff(own), axis=0)
            order = np.argsort(near, kind="stable")
            found, starts = np.unique(near[order], return_index=True)
            sums[found] += np.add.reduceat(rest[order], starts, axis=0)
            counts += np.bincount(near, minlength=k)
        empty = np.flatnonzero(counts == 0)
        sums[empty] = values[np.sort(rng.choice(len(values), len(empty), replace=False))]
        centroids = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    return centroids


def _int8(values: FloatArray) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.uint16]]:
    """(k, d) → int8 codes and bfloat16 scales; a row of zeros stays one."""
    _, units = rounded(values, levels=MAX_CODE)
    scales = ((units.view(np.uint32) + np.uint32(0xFFFF)) >> 16).astype(np.uint16)
    return np.rint(values / widened(scales)[:, None]).astype(np.int8), scales
