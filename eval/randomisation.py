"""Fisher's paired randomisation test, of one pair of systems or of many at once.

NumPy only. Every random draw comes from a seed that the caller gives and the report records.
Smucker, Allan and Carterette (CIKM 2007) is why this test comes first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "MAX_SAMPLES",
    "RANDOM_SAMPLES",
    "Randomisation",
    "paired_randomisation",
    "paired_randomisations",
    "without_noise",
]

Values = npt.NDArray[np.float64]

RANDOM_SAMPLES = 20_000
"""Random sign assignments, unless so few of them are as extreme that more are needed."""

MAX_SAMPLES = 1_000_000
ENOUGH = 20
"""As many assignments as extreme as what was seen say how large p is."""

MAX_EXACT = 16
"""Differences other than 0 up to which all 2 ** n sign assignments are tried."""

MAX_SIGNS = 1 << 26
"""Signs drawn for all assignments of a test; that bounds its time over many queries."""

BLOCK = 1 << 22
"""Signs or sums held in memory at once."""

TOLERANCE = 1e-9
"""Relative; sums of the same numbers in another order are the same sum."""

NOISE = 1e-12
"""Below it a difference is what sums in another order leave, and no difference."""


class Randomisation(NamedTuple):
    """A two-sided p-value; whether every assignment was tried, else how many random ones."""

    p: float
    exact: bool
    samples: int

    @property
    def at_floor(self) -> bool:
        """Whether no random assignment was as extreme: p is as small as it could become."""
        return not self.exact and self.p <= 1 / (1 + self.samples)


def without_noise(differences: Values) -> Values:
    """The differences as float64, with those of the last digits as 0.

    Raises ValueError where one is no finite number.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a difference is no finite number; leave such queries out")
    return np.where(np.abs(values) < NOISE, 0.0, values)


def paired_randomisation(
    differences: Values, *, seed: int = 0, samples: int = RANDOM_SAMPLES
) -> Randomisation:
    """`paired_randomisations` of one pair of systems; differences: (n,).

    >>> paired_randomisation(np.array([1.0, 2.0, 3.0]))
    Randomisation(p=0.25, exact=True, samples=0)
    """
    return paired_randomisations(differences[:, None], seed=seed, samples=samples)[0]


def paired_randomisations(
    differences: Values, *, seed: int = 0, samples: int = RANDOM_SAMPLES
) -> list[Randomisation]:
    """Fisher's paired randomisation test of each column of differences.

    differences: (n, m), system minus baseline, a query a row, 0 where a pair does not have the
    query. Under the null hypothesis the two systems' labels can be swapped in every query: the
    p-value is the share of sign assignments whose |mean| is at least the observed one. All are
    tried where a column has at most 16 differences other than 0; else `samples` random ones,
    and where fewer than 20 of them were as extreme, up to 1,000,000 (Besag and Clifford 1991).
    The observed one is counted with them, (1 + hits) / (1 + samples): p is never 0. A
    column's p does not depend on the others. Raises ValueError for what is no finite number.
    """
    values = without_noise(differences)
    n, m = values.shape
    moving = np.count_nonzero(values, axis=0)
    results: list[Randomisation] = [Randomisation(1.0, True, 0)] * m
    for column in np.flatnonzero((moving > 0) & (moving <= MAX_EXACT)).tolist():
        results[column] = _exact(values[values[:, column] != 0, column])
    left = np.flatnonzero(moving > MAX_EXACT)
    hits, tried = np.zeros(m, dtype=np.int64), 0
    random = np.random.default_rng(seed)
    most = max(samples, min(MAX_SAMPLES, MAX_SIGNS // max(n, 1)))
    for goal in (samples, 5 * samples, most):
        if not len(left) or min(goal, most) <= tried:
            continue
        hits[left] += _random_hits(values[:, left], min(goal, most) - tried, random)
        tried = min(goal, most)
        p = (1 + hits) / (1 + tried)
        for column in left.tolist():
            results[column] = Randomisation(float(p[column]), False, tried)
        left = left[hits[left] < ENOUGH]
    return results


def _exact(moving: Values) -> Randomisation:
    codes = np.arange(1 << len(moving))[:, None] >> np.arange(len(moving)) & 1
    sums = np.abs((1 - 2.0 * codes) @ moving)
    return Randomisation(float(np.mean(sums >= _limit(moving))), True, 0)


def _random_hits(
    values: Values, samples: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """How many of so many random sign assignments are as extreme as each column itself."""
    n, m = values.shape
    limit, whole = _limit(values), values.sum(axis=0)
    hits = np.zeros(m, dtype=np.int64)
    rows = max(1, BLOCK // max(n, m))
    for start in range(0, samples, rows):
        count = min(rows, samples - start)
        # Whole words, so that a block more or less draws the same signs.
        words = random.integers(0, 1 << 64, (count, -(-n // 64)), dtype=np.uint64)
        bits = np.unpackbits(words.view(np.uint8), axis=1)[:, :n]
        # The sum under random signs is twice that of the chosen ones less the whole.
        sums = 2 * (bits.astype(np.float64) @ values) - whole
        hits += np.count_nonzero(np.abs(sums) >= limit, axis=0)
    return hits


def _limit(values: Values) -> Values:
    """From where on a sum is as extreme as the observed one, of each column."""
    return np.asarray(
        np.abs(values.sum(axis=0)) - TOLERANCE * np.abs(values).sum(axis=0), dtype=np.float64
    )
