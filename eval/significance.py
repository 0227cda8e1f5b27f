"""Student's test, Holm's correction, intervals and effect sizes over the values of queries.

NumPy only. Every random draw comes from a seed that the caller gives and the report records.
The randomisation test is in `randomisation.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = [
    "BOOTSTRAP_SAMPLES",
    "bootstrap_intervals",
    "cohens_d",
    "hedges_g",
    "holm",
    "paired_t",
    "pooled_lower_bounds",
]

Values = npt.NDArray[np.float64]

BOOTSTRAP_SAMPLES = 2_000
BLOCK = 1 << 22
"""Resampled values held in memory at once."""

TOLERANCE = 1e-9
"""Relative; sums of the same numbers in another order are the same sum."""


def paired_t(differences: Values) -> float | None:
    """Two-sided p-value of Student's paired t-test; None where the differences do not vary.

    >>> round(paired_t(np.array([1.0, 2.0, 3.0])), 4)  # t = 2 / (1 / sqrt(3))
    0.0742
    """
    n = len(differences)
    spread = _spread(differences)
    if spread is None:
        return None
    t = float(np.mean(differences)) / (spread / math.sqrt(n))
    freedom = n - 1
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def cohens_d(differences: Values) -> float | None:
    """Cohen's d of paired samples (d_z): the mean difference in its standard deviations.

    None where the differences do not vary.

    >>> cohens_d(np.array([1.0, 2.0, 3.0]))
    2.0
    """
    spread = _spread(differences)
    return None if spread is None else float(np.mean(differences)) / spread


def hedges_g(differences: Values) -> float | None:
    """Cohen's d without its bias in small samples: d * (1 - 3 / (4 * (n - 1) - 1)).

    >>> round(hedges_g(np.array([1.0, 2.0, 3.0, 4.0])), 4)  # 2.5 / 1.2910 * (1 - 3 / 11)
    1.4084
    """
    d = cohens_d(differences)
    return None if d is None else d * (1 - 3 / (4 * (len(differences) - 1) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979): controls the chance of any false discovery.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    order = sorted(range(len(p_values)), key=lambda position: p_values[position])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for step, position in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - step) * p_values[position]))
        adjusted[position] = highest
    return adjusted


def bootstrap_intervals(
    values: Values, *, seed: int = 0, samples: int = BOOTSTRAP_SAMPLES, level: float = 0.95
) -> npt.NDArray[np.float64]:
    """Bias-corrected and accelerated bootstrap intervals of means (Efron 1987), (m, 2).

    values: (n, m), a query a row; the m columns are resampled together. Where a column does
    not vary, or all its resampled means lie on one side, the interval is the percentile one.
    """
    random = np.random.default_rng(seed)
    n, m = values.shape
    means = np.empty((samples, m))
    rows = max(1, BLOCK // max(n, 1))
    for start in range(0, samples, rows):
        count = min(rows, samples - start)
        drawn = random.integers(0, n, (count, n))
        weights = np.zeros((count, n))
        np.add.at(weights, (np.arange(count)[:, None], drawn), 1.0)
        means[start : start + count] = weights @ values / n
    ends = np.empty((m, 2))
    for column in range(m):
        shares = _accelerated(values[:, column], means[:, column], level)
        ends[column] = np.quantile(means[:, column], shares)
    observed = values.mean(axis=0)
    # Rounding may leave a mean that does not vary a last digit outside its own interval.
    return np.stack([np.minimum(ends[:, 0], observed), np.maximum(ends[:, 1], observed)], axis=1)


def pooled_lower_bounds(groups: Sequence[Values], *, level: float = 0.95) -> list[float]:
    """A lower bound of each group's mean, after all have lent one another their strength.

    Groups are taken as draws from one population whose mean and spread come from all of them
    (DerSimonian and Laird 1986); a group of few values is drawn to the others the more, the more
    alike they are. groups: one or more values each. Returns the lower ends of intervals.
    """
    means = np.array([group.mean() for group in groups])
    overall = max(float(np.var(np.concatenate(groups))), TOLERANCE)
    # A few values that happen to be the same do not say that all are.
    errors = np.array(
        [
            max(group.var(ddof=1) if len(group) > 1 else overall, overall / 10) / len(group)
            for group in groups
        ]
    )
    weights = 1 / errors
    fixed = weights @ means / weights.sum()
    spread = weights @ (means - fixed) ** 2 - (len(groups) - 1)
    scale = weights.sum() - (weights @ weights) / weights.sum()
    between = max(spread / scale, 0.0) if scale > 0 else 0.0
    trust = 1 / (errors + between)
    centre = trust @ means / trust.sum()
    share = between / (between + errors)
    pooled = share * means + (1 - share) * centre
    deviation = np.sqrt(share * errors + (1 - share) ** 2 / trust.sum())
    bounds: list[float] = (pooled - NormalDist().inv_cdf((1 + level) / 2) * deviation).tolist()
    return bounds


def _accelerated(values: Values, means: Values, level: float) -> tuple[float, float]:
    """Which quantiles of the resampled means bound the interval of one column."""
    tail = (1 - level) / 2
    observed = values.mean()
    centred = observed - values
    # A resample of every query once has the mean itself, but for the last digit.
    same = np.abs(means - observed) <= TOLERANCE * np.max(np.abs(values), initial=0.0)
    below = np.mean((means < observed) & ~same) + np.mean(same) / 2
    squares = float(np.sum(centred**2))
    if squares <= 0 or not 0 < below < 1:
        return tail, 1 - tail
    # The jackknife's means differ from the mean by centred / (n - 1); the factor cancels.
    acceleration = -float(np.sum(centred**3)) / (6 * squares**1.5)
    normal = NormalDist()
    bias = normal.inv_cdf(float(below))

    def share(quantile: float) -> float:
        moved = bias + normal.inv_cdf(quantile)
        return normal.cdf(bias + moved / (1 - acceleration * moved))

    return share(tail), share(1 - tail)


def _spread(differences: Values) -> float | None:
    """Their standard deviation, n - 1 below the line; None for fewer than 2 or no variation."""
    if len(differences) < 2:
        return None
    spread = float(np.std(differences, ddof=1))
    return spread if spread > TOLERANCE * float(np.max(np.abs(differences))) else None


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / max(1 - (a + b) * x / (a + 1), tiny)
    total = d
    for step in range(1, 10_000):
        for factor in (
            step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step)),
            -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1)),
        ):
            d = 1 / _away_from_zero(1 + factor * d, tiny)
            c = _away_from_zero(1 + factor / c, tiny)
            total *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * total


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
