"""A linear map of vectors in which what queries see of an error is its length.

An error e of a document's vector changes a similarity by q·e. Queries are as uneven as documents,
which are in their place here: if M is the second moment of documents' vectors, then the mean of
(q·e)² is e'Me. Documents are mapped by T with T'T = M (and a share of the identity, for what
documents lack and queries may have), queries by the inverse of its transpose, so that inner
products stay what they are. T's rows are the principal axes of what the mapped vectors differ from
their centroids by, so that bits can go to the axes that vary; inside a group of axes, a Hadamard
matrix evens out the variances. This is the rotation of optimized product quantization (Ge et al.
2013) for a loss that is uneven (score-aware, as in ScaNN, Guo et al. 2020).

T is small integers, and vectors are rounded to integers whose sums are exact: what comes out does
not depend on the machine or on the other vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.coding.eigenvectors import Matrix, axes_of, lower_factor
from xret.index.coding.rotation import EXACT, MAX_DIM, hadamard
from xret.index.scoring.query_codes import MAX_CODE, rounded
from xret.index.scoring.trellis_values import GROUP
from xret.types import FloatArray

__all__ = ["MOST_DIM", "Projection"]

MOST_DIM = 512
"""Of vectors that are projected: eigenvectors of more take minutes."""

IDENTITY = 0.1
FINE = 32_767
MOST_LEVELS = 2_047


@dataclass(frozen=True, slots=True)
class Projection:
    """Documents x go to T x - centre, queries q to q T⁻¹; `rows` × `row_units` is T.

    rows: (d, d) int8; row_units: (d,) float32; inverse: (d, d) int16, `inverse` × `inverse_units`
    is T⁻¹; inverse_units: (d,) float32; centre: (d,) float32.
    """

    rows: npt.NDArray[np.int8]
    row_units: FloatArray
    inverse: npt.NDArray[np.int16]
    inverse_units: FloatArray
    centre: FloatArray

    @classmethod
    def fitted(cls, moment: Matrix, covariance: Matrix, mean: FloatArray) -> Projection:
        """moment, mean: of vectors; covariance: of their residuals, (d, d) of (d,) each."""
        dim = len(moment)
        even = np.trace(moment) / dim or 1.0
        factor = lower_factor(moment * ((1 - IDENTITY) / even) + np.eye(dim) * IDENTITY)
        _, axes = axes_of(_product(_product(factor.T, covariance), factor))
        mixed = np.empty_like(axes)
        mixer = hadamard(GROUP).astype(np.float64) / 4
        for first in range(0, dim, GROUP):
            group = slice(first, first + GROUP)
            mixed[group] = _product(mixer, axes[group])
        integers, units = rounded(_product(mixed, factor.T).astype(np.float32), levels=MAX_CODE)
        inverse = _inverse(integers * units.astype(np.float64)[:, None])
        inverse_units = (np.abs(inverse).max(axis=0) / FINE).astype(np.float32)
        held = np.rint(inverse / inverse_units).astype(np.int16)
        unmoved = cls(integers.astype(np.int8), units, held, inverse_units, np.zeros(dim, "f4"))
        return cls(unmoved.rows, units, held, inverse_units, unmoved.forward(mean[None])[0])

    @property
    def dim(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        return len(self.rows)

    def forward(self, values: FloatArray) -> FloatArray:
        """(t, d) of documents → (t, d) float32."""
        wide = self.rows.astype(np.float32)
        largest = int(np.abs(wide).sum(axis=1).max())
        integers, units = rounded(values, levels=min(MOST_LEVELS, (EXACT - 1) // max(1, largest)))
        turned: FloatArray = integers.astype(np.float32) @ wide.T
        turned *= units[:, None]
        turned *= self.row_units
        turned -= self.centre
        return turned

    def query(self, values: FloatArray) -> FloatArray:
        """(q, d) of queries → (q, d) float32, whose products with documents are the same but for
        `shift`."""
        integers, units = rounded(values, levels=FINE)
        turned = (integers.astype(np.float64) @ self.inverse.astype(np.float64)) * units[:, None]
        seen: FloatArray = (turned * self.inverse_units).astype(np.float32)
        return seen

    def shift(self, queries: FloatArray) -> FloatArray:
        """(q,) what the centre adds to each product of projected queries."""
        added: FloatArray = (queries * self.centre).sum(axis=1)
        return added

    def backward(self, values: FloatArray) -> FloatArray:
        """(t, d) float32: what `forward` made these from."""
        integers, units = rounded((values + self.centre) * self.inverse_units, levels=FINE)
        turned = integers.astype(np.float64) @ self.inverse.astype(np.float64).T
        found: FloatArray = (turned * units[:, None]).astype(np.float32)
        return found

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "rows": self.rows,
            "row_units": self.row_units,
            "inverse": self.inverse,
            "inverse_units": self.inverse_units,
            "centre": self.centre,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Projection:
        """Raises DamagedIndexError for arrays that are no projection's."""
        held = []
        dim = len(arrays["rows"]) if arrays["rows"].ndim else 0
        for name, dtype, shape in (
            ("rows", np.int8, (dim, dim)),
            ("row_units", np.float32, (dim,)),
            ("inverse", np.int16, (dim, dim)),
            ("inverse_units", np.float32, (dim,)),
            ("centre", np.float32, (dim,)),
        ):
            array = arrays.get(name)
            if array is None or array.dtype != dtype or array.shape != shape:
                what = "missing" if array is None else f"{array.dtype} of shape {array.shape}"
                raise DamagedIndexError(f"a codec's {name} are {what}")
            if not np.isfinite(array).all():
                raise DamagedIndexError(f"a codec's {name} are not finite")
            held.append(np.ascontiguousarray(array))
        if not 1 <= dim <= MAX_DIM or dim % GROUP:
            raise DamagedIndexError(f"a codec projects {dim} dimensions")
        return cls(*held)


def _product(left: Matrix, right: Matrix) -> Matrix:
    """left @ right, summed one term after the other: a library's order is the machine's."""
    made = np.zeros((len(left), right.shape[1]))
    for i in range(len(right)):
        made += left[:, i, None] * right[i]
    return made


def _inverse(matrix: Matrix) -> Matrix:
    """By elimination with row exchanges (Gauss and Jordan), in a fixed order."""
    n = len(matrix)
    both = np.concatenate([matrix, np.eye(n)], axis=1)
    for i in range(n):
        pivot = i + int(np.abs(both[i:, i]).argmax())
        both[[i, pivot]] = both[[pivot, i]]
        both[i] /= both[i, i]
        others = both[:, i].copy()
        others[i] = 0
        both -= others[:, None] * both[i]
    return both[:, n:]
