"""Counter-based numbers: a point of a stream is a function of seed, stream and index alone."""

import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gdexp.random import exp, uniforms

SEEDS = st.integers(0, 2**63 - 1)


@given(
    SEEDS, st.lists(st.integers(0, 2**62), min_size=1, max_size=20), st.integers(1, 9), st.randoms()
)
def test_a_point_depends_on_its_own_index_alone(seed, index, num, random):
    points = uniforms(seed, "start", np.array(index), num)
    assert points.shape == (len(index), num)
    order = random.sample(range(len(index)), len(index))
    assert (uniforms(seed, "start", np.array(index)[order], num) == points[order]).all()
    for i, point in zip(index, points, strict=True):
        assert (uniforms(seed, "start", np.array([i]), num)[0] == point).all()


@pytest.mark.parametrize("num", [1, 4, 5, 8])
def test_points_are_one_philox_sequence(num):
    """Salmon et al. (2011), as numpy makes it: the top 52 bits of each word, and half a step."""
    key = np.array([7, zlib.crc32(b"start")], np.uint64)
    words = np.random.Philox(key=key).random_raw(100 * num).reshape(100, num)
    expected = np.ldexp((words >> np.uint64(12)).astype(float) + 0.5, -52)
    assert (uniforms(7, "start", np.arange(100), num) == expected).all()


RNG = np.random.default_rng(0)
SHAPES = {  # of index: those that a tile asks for, and others
    "consecutive": np.arange(70_000) + 2**40,
    "each start for two replicates": np.arange(2000).repeat(2) + 9,
    "all starts again and again": np.resize(np.arange(300), 2000),
    "the same, begun in the middle": np.resize(np.arange(300), 2000)[137:],
    "the last starts and the first": np.r_[5000:6000, 0:1000],
    "the same, for two replicates": np.r_[5000:6000, 0:1000].repeat(2),
    "falling": np.arange(500)[::-1],
    "in no order": RNG.permutation(500),
    "far apart": RNG.integers(0, 2**62, 500),
    "a few twice": RNG.integers(0, 1000, 500),
    "one": np.array([2**62]),
}


@pytest.mark.parametrize("index", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("num", [1, 2, 9])
def test_whatever_the_order_of_the_points_each_has_its_own_words(index, num):
    key = np.array([3, zlib.crc32(b"start")], np.uint64)
    points = uniforms(3, "start", index, num)
    assert points.shape == (len(index), num)
    for i in {0, len(index) - 1, *RNG.integers(len(index), size=99)}:
        count, passed = divmod(int(index[i]) * num, 4)
        counter = np.array([*divmod(count, 2**64)[::-1], 0, 0], np.uint64)
        words = np.random.Philox(key=key, counter=counter).random_raw(passed + num)[passed:]
        assert (points[i] == np.ldexp((words >> np.uint64(12)).astype(float) + 0.5, -52)).all()


def test_they_are_uniform_and_neither_0_nor_1():
    numbers = uniforms(0, "start", np.arange(20_000), 3)
    assert numbers.min() > 0
    assert numbers.max() < 1
    for column in numbers.T:
        assert stats.kstest(column, "uniform").pvalue > 0.01
    assert numbers.mean(axis=0) == pytest.approx([1 / 2] * 3, abs=0.01)
    assert numbers.var(axis=0) == pytest.approx([1 / 12] * 3, abs=0.002)
    assert np.corrcoef(numbers.T)[np.triu_indices(3, 1)] == pytest.approx([0] * 3, abs=0.03)


def test_the_least_and_the_largest_word_stay_inside(monkeypatch):
    class Extremes:
        def random_raw(self, count):
            return np.resize(np.array([0, 2**64 - 1], np.uint64), count)

    monkeypatch.setattr("gdexp.random._generator", lambda *_: Extremes())
    low, high = uniforms(0, "start", np.arange(1), 2)[0]
    assert (low, high) == (2.0**-53, 1 - 2.0**-53)


@given(SEEDS, SEEDS)
def test_seeds_and_streams_have_nothing_in_common(one, other):
    index = np.arange(8)
    points = uniforms(one, "start", index, 1)
    assert not np.isin(points, uniforms(one, "draw.learning_rate", index, 1)).any()
    assert one == other or not np.isin(points, uniforms(other, "start", index, 1)).any()


def test_an_index_beyond_the_counters_first_word_is_served():
    far = np.array([2**62 - 1, 2**62])  # 2^62 points of 6 counts each: some above 2^64
    points = uniforms(0, "start", far, 24)
    assert not np.isin(points[0], points[1]).any()
    assert (uniforms(0, "start", far[1:], 24)[0] == points[1]).all()


@given(st.floats(-700, 700))
def test_exp_is_right_to_the_last_digits(x):
    assert float(exp(np.array([x]))[0]) == pytest.approx(math.exp(x), rel=5e-16)


def test_exp_of_0_is_1_and_rises():
    x = np.linspace(-30, 30, 10_001)
    assert exp(np.zeros(1)).tolist() == [1.0]
    assert (np.diff(exp(x)) > 0).all()
