"""Paired tests, intervals and effect sizes, against scipy and published examples."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xret.eval.significance import (
    bootstrap_intervals,
    cohens_d,
    hedges_g,
    holm,
    paired_t,
)

DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48.0])
"""Cross- less self-fertilised maize, eighths of an inch (Fisher, Design of Experiments, 1935)."""

SLEEP = np.array([-1.2, -2.4, -1.3, -1.3, 0.0, -1.0, -1.8, -0.8, -4.6, -1.4])
"""Extra sleep under two drugs (Student, Biometrika, 1908)."""


def test_t_finds_the_published_values() -> None:
    assert paired_t(DARWIN) == pytest.approx(0.0497, abs=5e-5)  # t = 2.148, 14 degrees
    assert paired_t(SLEEP) == pytest.approx(0.002833, abs=5e-7)  # t = -4.0621, 9 degrees


def test_effect_sizes_of_the_published_values() -> None:
    assert cohens_d(SLEEP) == pytest.approx(-4.0621 / math.sqrt(10), abs=1e-4)
    assert hedges_g(SLEEP) == pytest.approx(-4.0621 / math.sqrt(10) * (1 - 3 / 35), abs=1e-4)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9, 0.6]) == [1.0, 1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@given(p_values=st.lists(st.floats(0, 1), max_size=12))
@settings(deadline=None)
def test_holm_is_monotone_between_the_raw_value_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for (p, adj), (other, other_adj) in itertools.product(
        zip(p_values, adjusted, strict=True), repeat=2
    ):
        assert p <= adj <= min(1.0, p * len(p_values)) + 1e-12
        assert p >= other or adj <= other_adj


@pytest.mark.parametrize("n", [2, 3, 5, 10, 50, 500, 5000])
@pytest.mark.parametrize("shift", [0.0, 0.1, 1.0, 3.0])
def test_t_is_that_of_scipy(n: int, shift: float) -> None:
    differences = np.random.default_rng(n).normal(shift, 1, n)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert paired_t(differences) == pytest.approx(expected, rel=1e-8, abs=1e-300)


def test_a_seed_repeats_and_another_differs() -> None:
    values = np.random.default_rng(5).normal(0.1, 1, 60)
    columns = values[:, None]
    assert (bootstrap_intervals(columns, seed=1) == bootstrap_intervals(columns, seed=1)).all()
    assert (bootstrap_intervals(columns, seed=1) != bootstrap_intervals(columns, seed=2)).all()


def test_tests_are_two_sided() -> None:
    values = np.random.default_rng(8).normal(0.4, 1, 14)
    assert paired_t(values) == paired_t(-values)


def test_nothing_differs_or_nothing_varies() -> None:
    assert paired_t(np.zeros(50)) is cohens_d(np.zeros(50)) is None
    assert paired_t(np.full(50, 0.1)) is hedges_g(np.full(50, 0.1)) is None
    assert paired_t(np.array([0.5])) is None
    assert bootstrap_intervals(np.full((5, 1), 0.1)).tolist() == [[0.1, 0.1]]
    assert bootstrap_intervals(np.array([[0.7]])).tolist() == [[0.7, 0.7]]


@pytest.mark.parametrize("n", [20, 200])
def test_intervals_are_those_of_scipy(n: int) -> None:
    """BCa of a skewed sample, as effectiveness values are; the same resamples, digit by digit."""
    values = np.random.default_rng(n).beta(0.4, 0.9, (n, 2))
    ours = bootstrap_intervals(values, samples=3_000, seed=4)
    for column in range(2):
        theirs = stats.bootstrap(
            (values[:, column],), np.mean, method="BCa", n_resamples=3_000, rng=4
        ).confidence_interval
        assert ours[column] == pytest.approx([theirs.low, theirs.high], rel=1e-9)


def test_an_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(11)
    samples = random.beta(0.5, 1.5, (40, 600))  # 600 samples of 40 queries; the mean is 0.25
    ends = bootstrap_intervals(samples, samples=800)
    covered = np.mean((ends[:, 0] <= 0.25) & (ends[:, 1] >= 0.25))
    assert 0.90 <= covered <= 0.98


def test_an_interval_holds_its_mean() -> None:
    values = np.random.default_rng(2).random((9, 30)) > 0.85
    ends = bootstrap_intervals(values.astype(float))
    means = values.mean(axis=0)
    assert (ends[:, 0] <= means).all()
    assert (means <= ends[:, 1]).all()
