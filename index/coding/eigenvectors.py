"""Eigenvectors and triangular factors of small symmetric matrices, the same on every machine.

LAPACK's depend on the library and the processor. These are single operations of NumPy in a fixed
order, which IEEE 754 defines to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from xret.types import IntArray

__all__ = ["Matrix", "axes_of", "lower_factor"]

Matrix = npt.NDArray[np.float64]

SWEEPS = 4
"""What is left outside the diagonal is then some 1e-4 of it (squared), little beside how well
a covariance is known."""


def lower_factor(matrix: Matrix) -> Matrix:
    """Cholesky: (d, d) positive definite → lower triangular L of matrix = L @ L.T."""
    left, factor = matrix.copy(), np.zeros_like(matrix)
    for i in range(len(matrix)):
        factor[i:, i] = left[i:, i] / np.sqrt(left[i, i])
        left[i:, i:] -= factor[i:, i, None] * factor[i:, i]
    return factor


def axes_of(matrix: Matrix) -> tuple[npt.NDArray[np.float64], Matrix]:
    """(d, d) symmetric, d even → variances, rising, and (d, d), an axis a row, nearly orthonormal.

    By Jacobi's rotations of disjoint pairs of axes, all pairs in turn (Brent and Luk 1985).
    """
    turned, axes = matrix.copy(), np.eye(len(matrix))
    for _ in range(SWEEPS):
        for p, q in _pairs(len(matrix)):
            cosine, sine = _angles(turned, p, q)
            for rows in (turned, axes):
                one, other = rows[p], rows[q]
                rows[p] = cosine[:, None] * one - sine[:, None] * other
                rows[q] = sine[:, None] * one + cosine[:, None] * other
            one, other = turned[:, p], turned[:, q]
            turned[:, p], turned[:, q] = cosine * one - sine * other, sine * one + cosine * other
    variances = np.diag(turned).copy()
    order = np.argsort(variances, kind="stable")
    return variances[order], axes[order]


def _angles(matrix: Matrix, p: IntArray, q: IntArray) -> tuple[Matrix, Matrix]:
    """Cosines and sines of the rotations after which axes p and q do not vary together."""
    together = matrix[p, q]
    apart = together != 0
    ratio = (matrix[q, q] - matrix[p, p]) / (2 * np.where(apart, together, 1.0))
    tangent = np.where(ratio >= 0, 1.0, -1.0) / (np.abs(ratio) + np.sqrt(ratio * ratio + 1))
    tangent = np.where(apart, tangent, 0.0)
    cosine = 1 / np.sqrt(tangent * tangent + 1)
    return cosine, tangent * cosine


def _pairs(n: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Rounds of disjoint pairs, in which every two of n meet once."""
    others = np.arange(1, n)
    for shift in range(n - 1):
        line = np.concatenate([[0], np.roll(others, shift)])
        yield line[: n // 2], line[::-1][: n // 2]
