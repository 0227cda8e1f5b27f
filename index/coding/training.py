"""Training of the codec of a large index: projected, with more bits where vectors vary more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from xret.index.coding.clustering import (
    Rotated,
    Vectors,
    clustered,
    default_centroids,
    largest_value,
    train_codec,
)
from xret.index.coding.codec import CENTROID_BITS, ResidualCodec, centroids_held
from xret.index.coding.levels import bfloat16, integer_levels, nearest_levels, unpacked
from xret.index.coding.passage_means import passage_blocks
from xret.index.coding.projection import MOST_DIM, Projection
from xret.index.coding.rotation import Rotation
from xret.index.coding.trellis import levels_of, rates_of
from xret.index.scoring.trellis_values import GROUP
from xret.types import FloatArray, IntArray

__all__ = ["train_passage_codec"]

BLOCK_ROWS = 2**13
MOST_CENTROIDS = 58 * 2**8
"""With the projection's matrices an index of 10,000 documents takes 40 bytes a vector."""

ROTATED, PROJECTED = 2, 3
"""Iterations of k-means before vectors are projected, whose residuals say how, and after."""

SHARE = 4
"""One block of so many is looked at for moments and deviations, where there are that many."""

STEPS = 2**14
"""The largest number of a vector in steps, as moments are summed in: exactly, in any order."""


def train_passage_codec(
    values: Vectors,
    *,
    bits: int,
    offsets: IntArray,
    seed: int = 0,
    n_centroids: int | None = None,
    threads: int = 1,
    device: str | None = None,
) -> ResidualCodec:
    """A codec of `bits` bits a dimension on average for vectors like these, as `train_codec`.

    The same for the same values and seed, on any machine and device. Where vectors are not of
    passages of several, or their dimensions are no multiple of `GROUP` or above `MOST_DIM`, it is
    `train_codec`'s.
    """
    n, dim = values.shape
    if bits not in (1, 2) or len(offsets) - 1 == n or dim % GROUP or dim > MOST_DIM:
        return train_codec(
            values,
            bits=bits,
            offsets=offsets,
            seed=seed,
            n_centroids=n_centroids,
            threads=threads,
            device=device,
        )
    largest = largest_value(values)
    rng, where = np.random.default_rng(seed), (threads, device)
    k = min(n_centroids or min(default_centroids(n), MOST_CENTROIDS), n)
    rotation = Rotation.drawn(dim, rng)
    rotated = Rotated(values, rotation)
    centroids = clustered(rotated, offsets, k, rng, where, iterations=ROTATED)
    held = ResidualCodec.of(rotation, centroids, bits=2, with_means=True)
    projection = _projection(values, offsets, replace(held, device=device), largest or 1.0, threads)
    centroids = clustered(
        Rotated(values, projection),
        offsets,
        k,
        rng,
        where,
        start=projection.forward(rotation.backward(centroids)),
        iterations=PROJECTED,
    )
    codec = replace(_with_centroids(projection, centroids), device=device)
    variances = _variances(values, offsets, codec, threads)
    levels = levels_of(rates_of(variances, bits=bits), np.sqrt(variances))
    return replace(codec, levels=levels)


def _projection(
    values: Vectors, offsets: IntArray, held: ResidualCodec, largest: float, threads: int
) -> Projection:
    """By the moments of some vectors, and of what they differ from centroids and means by.

    largest: of all numbers of the vectors.
    """
    unit = np.float32(2.0 ** np.ceil(np.log2(largest)) / STEPS)
    dim, n = held.dim, 0
    moment, covariance, sums = np.zeros((dim, dim)), np.zeros((dim, dim)), np.zeros(dim)
    for some, own in _some(values, offsets):
        rest, _, _ = held.residuals(some, own, threads=threads)
        steps = np.rint(some / unit).astype(np.float64)
        moment += steps.T @ steps
        sums += steps.sum(axis=0)
        steps = np.rint(held.rotation.backward(rest) / unit).astype(np.float64)
        covariance += steps.T @ steps
        n += len(some)
    square = float(unit) ** 2 / n
    mean = (sums * (float(unit) / n)).astype(np.float32)
    return Projection.fitted(moment * square, covariance * square, mean)


def _with_centroids(projection: Projection, centroids: FloatArray) -> ResidualCodec:
    """A codec of these centroids, rounded to levels as far apart as each group's values are."""
    deviations = np.sqrt(
        np.square(centroids).reshape(-1, projection.width // GROUP, GROUP).mean((0, 2))
    )
    wide = np.repeat(np.where(deviations > 0, deviations, 1), GROUP).astype(np.float32)
    codes, _ = nearest_levels(centroids / wide, integer_levels(CENTROID_BITS))
    shares = deviations / (deviations.max() or 1.0)
    levels = np.rint(integer_levels(CENTROID_BITS) * shares[:, None]).astype(np.int8)
    held = centroids_held(unpacked(codes, CENTROID_BITS), levels)
    wide_held = held.astype(np.float32)
    squares = np.square(wide_held).sum(axis=1)
    scales = (wide_held * centroids).sum(axis=1) / np.where(squares > 0, squares, 1)
    return ResidualCodec(
        projection,
        held,
        bfloat16(np.maximum(scales, 0)),
        integer_levels(2),
        with_means=True,
        centroid_levels=levels,
    )


def _variances(
    values: Vectors, offsets: IntArray, codec: ResidualCodec, threads: int
) -> npt.NDArray[np.float64]:
    """(groups,) what a dimension of each group of residuals varies by."""
    total, n = np.zeros(codec.width), 0
    for some, own in _some(values, offsets):
        rest, _, _ = codec.residuals(some, own, threads=threads)
        total += np.square(rest).sum(axis=0, dtype=np.float64)
        n += len(some)
    variances: npt.NDArray[np.float64] = total.reshape(-1, GROUP).mean(axis=1) / n
    return variances


def _some(values: Vectors, offsets: IntArray) -> Iterator[tuple[FloatArray, IntArray]]:
    """Blocks of whole passages, some of all, and their offsets."""
    blocks = list(passage_blocks(offsets, BLOCK_ROWS))
    for passages, rows in blocks[:: SHARE if len(blocks) >= SHARE else 1]:
        own = offsets[passages.start : passages.stop + 1] - offsets[passages.start]
        yield values[rows], own
