"""The randomisation test, against scipy, a plain loop and a published example."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xret.eval.randomisation import paired_randomisation, paired_randomisations

DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48.0])
"""Cross- less self-fertilised maize, eighths of an inch (Fisher, Design of Experiments, 1935)."""


def test_randomisation_finds_fishers_1726_of_32768() -> None:
    assert paired_randomisation(DARWIN) == (1726 / 32768, True, 0)


@given(
    differences=st.lists(
        st.sampled_from([-0.5, -0.25, 0.0, 0.125, 0.25, 0.3, 1 / 3]), min_size=1, max_size=10
    )
)
@settings(deadline=None)
def test_the_exact_test_counts_every_sign_assignment(differences: list[float]) -> None:
    """Against the plain loop, differences of 0 and all."""
    observed = abs(sum(differences))
    hits = sum(
        abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= observed - 1e-9
        for signs in itertools.product((1, -1), repeat=len(differences))
    )
    p, exact, _ = paired_randomisation(np.array(differences))
    assert exact
    assert p == pytest.approx(hits / 2 ** len(differences))


def test_the_exact_test_is_that_of_scipy() -> None:
    values = np.random.default_rng(3).normal(0.3, 1, 12)
    expected = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=math.inf
    ).pvalue
    assert paired_randomisation(values)[0] == pytest.approx(expected)


def test_random_assignments_come_near_the_exact_p() -> None:
    values = np.append(np.random.default_rng(5).normal(0.4, 1, 16), 0.2)  # 17: one too many
    exact = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=math.inf
    ).pvalue
    p, all_tried, _ = paired_randomisation(values, seed=1)
    assert not all_tried
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000))


def test_a_monte_carlo_p_is_never_zero() -> None:
    assert paired_randomisation(np.ones(50), samples=999).p == 1 / 1_000_001


def test_a_seed_repeats_and_another_differs() -> None:
    values = np.random.default_rng(5).normal(0.1, 1, 60)
    assert paired_randomisation(values, seed=1) == paired_randomisation(values, seed=1)
    assert paired_randomisation(values, seed=1) != paired_randomisation(values, seed=2)


def test_the_test_is_two_sided() -> None:
    for n in (14, 40):
        values = np.random.default_rng(8).normal(0.4, 1, n)
        assert paired_randomisation(values) == paired_randomisation(-values)


@pytest.mark.parametrize("noise", [0.0, 1e-17, -1e-17])
def test_a_difference_of_the_last_digit_is_none(noise: float) -> None:
    assert paired_randomisation(np.full(50, noise)) == (1.0, True, 0)
    differences = np.array([0.5] * 5 + [noise] * 60)
    assert paired_randomisation(differences) == (2 / 2**5, True, 0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_number_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="no finite number"):
        paired_randomisation(np.array([0.5, wrong]))


def test_more_samples_are_drawn_where_hardly_any_is_as_extreme() -> None:
    even = np.random.default_rng(1).normal(0, 1, 40)
    at_floor = paired_randomisation(np.ones(40))
    assert (at_floor.p, at_floor.samples, at_floor.at_floor) == (1 / 1_000_001, 1_000_000, True)
    assert paired_randomisation(even).samples == 20_000
    rare = paired_randomisation(np.concatenate([np.ones(17), -np.ones(3)]))
    tail = 2 * stats.binom.cdf(3, 20, 0.5)
    assert (rare.samples, rare.at_floor) == (20_000, False)
    assert rare.p == pytest.approx(tail, rel=0.3)
    rarer = paired_randomisation(np.concatenate([np.ones(19), -np.ones(1)]))
    assert rarer.samples == 1_000_000
    assert rarer.p == pytest.approx(2 * stats.binom.cdf(1, 20, 0.5), rel=0.5)


def test_a_column_is_tested_as_it_is_by_itself() -> None:
    draw = np.random.default_rng(3)
    columns = np.column_stack(
        [draw.normal(0.2, 1, 70), np.ones(70), np.zeros(70), draw.normal(0.5, 1, 70)]
    )
    columns[12:, 0] = 0
    alone = [paired_randomisation(column, seed=4) for column in columns.T]
    assert paired_randomisations(columns, seed=4) == alone
    assert [one.exact for one in alone] == [True, False, True, False]
