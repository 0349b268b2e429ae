"""Where convergence is lost, on cases made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp.analysis.thresholds import turn

CASES = {  # rates, diverged of 4 at each, the turn
    "from none to all": ([0.1, 0.2, 0.3], [0, 0, 4], (0.2, 0.3)),
    "half is most": ([0.1, 0.2, 0.3], [0, 2, 4], (0.1, 0.2)),
    "less than half is not": ([0.1, 0.2, 0.3], [0, 1, 4], (0.2, 0.3)),
    "never": ([0.1, 0.2, 0.3], [0, 1, 1], None),
    "from the first": ([0.1, 0.2, 0.3], [4, 4, 4], None),
    "only at the least": ([0.1, 0.2, 0.3], [4, 0, 0], None),
    "the first of two": ([0.1, 0.2, 0.3, 0.4], [0, 4, 0, 4], (0.1, 0.2)),
    "after an early one": ([0.1, 0.2, 0.3], [4, 0, 4], (0.2, 0.3)),
    "falling rates": ([0.3, 0.2, 0.1], [4, 0, 0], (0.2, 0.3)),
    "mixed rates": ([0.2, 0.3, 0.1], [0, 4, 0], (0.2, 0.3)),
    "rates below zero and zero": ([-1.0, 0.0, 1.0], [0, 0, 4], (0.0, 1.0)),
    "one rate": ([0.1], [4], None),
    "a rate given twice": ([0.1, 0.2, 0.2, 0.3], [0, 4, 0, 4], (0.1, 0.2)),
    "a rate given twice, few lost": ([0.1, 0.2, 0.2, 0.3], [0, 3, 0, 4], (0.2, 0.3)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_turn_is_the_first_pair_between_which_most_begin_to_diverge(name):
    rates, diverged, expected = CASES[name]
    assert turn(np.array(rates), np.array(diverged), np.full(len(rates), 4)) == expected


def test_each_rate_is_judged_by_its_own_number_of_runs():
    assert turn(np.array([0.1, 0.2, 0.3]), np.array([3, 3, 3]), np.array([9, 7, 6])) == (0.2, 0.3)


def test_a_rate_that_was_not_tried_is_passed_over():
    assert turn(np.array([0.1, 0.2, 0.3]), np.array([0, 0, 2]), np.array([2, 0, 2])) == (0.1, 0.3)
    assert turn(np.array([0.1, 0.2]), np.array([0, 0]), np.array([0, 0])) is None


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=1), st.randoms())
def test_the_order_of_the_rates_does_not_matter(pairs, random):
    def of(pairs):
        rates, diverged = np.array(pairs).T
        return turn(rates / 10, diverged, np.full(len(pairs), 4))

    mixed = random.sample(pairs, len(pairs))
    assert of(mixed) == of(pairs)
