"""The projection of documents and queries, and the axes that it is made from."""

from __future__ import annotations

import numpy as np
import pytest

from xret.errors import DamagedIndexError
from xret.index.coding.eigenvectors import axes_of, lower_factor
from xret.index.coding.projection import Projection

DIM = 32


def uneven(n: int, seed: int = 0) -> np.ndarray:
    """Vectors that vary much more along some directions, around a mean that is not zero."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(99).standard_normal((DIM, DIM)))[0]
    rows = (rng.standard_normal((n, DIM)) / np.sqrt(1 + np.arange(DIM))) @ turn + 0.2
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def projection() -> Projection:
    rows = uneven(2000).astype(np.float64)
    return Projection.fitted(
        rows.T @ rows / len(rows), np.cov(rows.T) / 4, rows.mean(axis=0).astype(np.float32)
    )


def test_products_are_kept_and_the_map_is_undone(projection: Projection) -> None:
    documents, queries = uneven(200, 1), uneven(20, 2)
    mapped, seen = projection.forward(documents), projection.query(queries)
    products = seen @ mapped.T + projection.shift(seen)[:, None]
    assert np.allclose(products, queries @ documents.T, atol=3e-3)
    assert np.allclose(projection.backward(mapped), documents, atol=2e-3)


def test_an_error_counts_as_queries_see_it(projection: Projection) -> None:
    """A mapped error's length is what queries like documents make of it."""
    documents, queries = uneven(300, 1), uneven(3000, 2)
    errors = np.random.default_rng(3).standard_normal(documents.shape).astype(np.float32) / 50
    lengths = np.square(projection.forward(documents + errors) - projection.forward(documents))
    felt = np.square(queries @ errors.T).mean(axis=0)
    assert np.corrcoef(lengths.sum(axis=1), felt)[0, 1] > 0.95
    assert np.corrcoef(np.square(errors).sum(axis=1), felt)[0, 1] < 0.9


def test_groups_rise_and_each_is_even(projection: Projection) -> None:
    deviations = projection.forward(uneven(2000, 4)).std(axis=0).reshape(-1, 16)
    assert (np.diff(deviations.mean(axis=1)) > 0).all()
    assert (deviations.max(axis=1) < 1.2 * deviations.min(axis=1)).all()


def test_a_vector_is_mapped_alone(projection: Projection) -> None:
    rows = uneven(50, 5)
    assert np.array_equal(projection.forward(rows)[7], projection.forward(rows[7:8])[0])
    assert np.array_equal(projection.query(rows)[7], projection.query(rows[7:8])[0])
    assert np.array_equal(projection.backward(rows)[7], projection.backward(rows[7:8])[0])


def test_a_stored_projection_is_the_same(projection: Projection) -> None:
    again = Projection.from_arrays(projection.arrays())
    assert np.array_equal(again.forward(uneven(9)), projection.forward(uneven(9)))


HOSTILE = {
    "no inverse": {"inverse": None},
    "an inverse of another type": {"inverse": np.zeros((DIM, DIM), np.int32)},
    "fewer rows": {"rows": np.zeros((DIM - 1, DIM), np.int8)},
    "one row": {"rows": np.zeros(DIM, np.int8)},
    "no rows": {"rows": np.zeros((0, 0), np.int8)},
    "a number": {"rows": np.int8(3)},
    "an endless unit": {"row_units": np.full(DIM, np.inf, np.float32)},
    "a centre that is no number": {"centre": np.full(DIM, np.nan, np.float32)},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_arrays_of_no_projection_are_refused(projection: Projection, change: dict) -> None:
    arrays = {**projection.arrays(), **{n: np.asarray(a) for n, a in change.items()}}
    sound = {name: array for name, array in arrays.items() if array.dtype != object}
    with pytest.raises(DamagedIndexError):
        Projection.from_arrays(sound)


def test_axes_are_those_of_lapack() -> None:
    rows = uneven(500).astype(np.float64)
    matrix = rows.T @ rows / len(rows)
    variances, axes = axes_of(matrix)
    assert np.allclose(variances, np.linalg.eigvalsh(matrix), rtol=1e-2, atol=1e-6)
    assert np.allclose(axes @ axes.T, np.eye(DIM), atol=1e-12)
    turned = axes @ matrix @ axes.T
    assert np.square(turned - np.diag(np.diag(turned))).sum() < 1e-3 * np.square(turned).sum()
    factor = lower_factor(matrix)
    assert np.allclose(factor, np.linalg.cholesky(matrix))
