"""Shares, costs and distributions, against other formulas, simulation and published definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gdexp.analysis.statistics import distribution, profile, quantiles, success, wilson

ONE = np.zeros


@pytest.mark.parametrize(("part", "whole"), [(0, 10), (3, 10), (10, 10), (500, 1000)])
def test_wilson_is_scipys(part, whole):
    low, high = wilson(np.array([part]), whole)
    expected = stats.binomtest(part, whole).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_share_of_nothing_is_not_a_number():
    assert np.isnan(wilson(np.array([0]), 0)).all()


def test_expected_running_time_counts_what_failed_with_all_that_it_spent():
    spent = np.array([10, 20, 100, 100])
    found = success(ONE(4, int), 1, spent, np.array([True, True, False, False]))
    assert (found.runs[0], found.reached[0], found.share[0]) == (4, 2, 0.5)
    assert found.expected[0] == (10 + 20 + 100 + 100) / 2


def test_failures_alone_bound_the_cost_from_below():
    found = success(np.array([0] * 20), 2, np.full(20, 5.0), np.zeros(20, bool))
    assert found.expected[0] == found.expected_high[0] == np.inf and np.isnan(found.expected[1])
    assert found.expected_low[0] == pytest.approx(100 / (20 * found.share_high[0]))
    assert found.share[0] == 0 and np.isnan(found.share[1])


def test_one_run_says_nothing_of_the_spread():
    found = success(np.array([0]), 1, np.array([16.0]), np.array([True]))
    assert (found.expected[0], found.expected_low[0], found.expected_high[0]) == (16, 0, np.inf)


def test_the_interval_of_the_expected_running_time_covers_it():
    """Runs that succeed with a known chance at a known cost, 400 times over."""
    rng = np.random.default_rng(0)
    points, each, chance, cost, budget = 400, 200, 0.3, 50.0, 200.0
    reached = rng.random(points * each) < chance
    spent = np.where(reached, rng.uniform(0, 2 * cost, points * each), budget)
    found = success(np.repeat(np.arange(points), each), points, spent, reached)
    truth = (chance * cost + (1 - chance) * budget) / chance
    covered = (found.expected_low <= truth) & (truth <= found.expected_high)
    assert 0.91 < covered.mean() < 0.99


def test_points_are_told_apart():
    point = np.array([2, 0, 2, 0, 0])
    spent = np.array([7.0, 1, 9, 2, 3])
    reached = np.array([True, True, False, False, True])
    found = success(point, 3, spent, reached)
    assert found.runs.tolist() == [3, 0, 2]
    assert found.reached.tolist() == [2, 0, 1]
    assert found.expected[[0, 2]].tolist() == [3.0, 16.0]


def test_a_distribution_ends_at_the_share_that_ever_succeeds():
    found = distribution(np.array([3, 1, 3, 99, 99]), np.array([True, True, True, False, False]))
    assert found.cost.tolist() == [0, 1, 3]
    assert found.share.tolist() == [0, 0.2, 0.6]
    assert ((found.low <= found.share) & (found.share < found.high)).all()
    never = distribution(np.array([5.0]), np.array([False]))
    assert (never.cost.tolist(), never.share.tolist(), never.low.tolist()) == ([0], [0], [0])


costs = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 50), st.booleans()), min_size=1, max_size=60
)


@given(costs)
def test_quantiles_are_those_of_all_runs_with_failures_last(rows):
    point, cost, reached = (np.array(column) for column in zip(*rows, strict=True))
    wanted = np.array([0.25, 0.5, 1.0])
    found = quantiles(point, 4, cost, reached, wanted)
    for p in range(4):
        mine = np.where(reached, cost, np.inf)[point == p]
        for q, value in zip(wanted, found[p], strict=True):
            if not len(mine):
                assert np.isnan(value)
                continue
            assert value in mine
            assert (mine <= value).mean() >= q > (mine < value).mean()


def test_profiles_are_those_of_dolan_and_more():
    cost = np.array([[1.0, 4.0, np.inf, np.inf], [2.0, 2.0, 3.0, np.inf]])
    shares = profile(cost, np.array([1.0, 2.0, 1e9]))
    assert shares.tolist() == [[0.25, 0.5, 0.5], [0.5, 0.75, 0.75]]
