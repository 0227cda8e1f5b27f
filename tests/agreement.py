"""How far vectors of one text may be from each other: what docs/guarantees.md promises.

Encoded in the same batch on the same machine they are equal, bit for bit. In other company, on
another processor or with other threads, matrix products add up in another order.
"""

from __future__ import annotations

import numpy as np

from xret.types import FloatArray

__all__ = ["ACROSS_BATCHES", "assert_near"]

ACROSS_BATCHES = 1e-5
"""Largest difference of one number of two vectors of unit length, in float32."""


def assert_near(found: FloatArray, wanted: FloatArray, said: str = "") -> None:
    """Both: (k, d) float32, rows of unit length."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=ACROSS_BATCHES, err_msg=said)
