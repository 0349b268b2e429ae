"""Samplers of starting points: each point from its index alone, and what each kind promises."""

import numpy as np
import pytest
from cases import sifted
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import qmc

from gdexp.base import Space, UsageError, card_of, discover
from gdexp.objectives.six_hump_camel import SixHumpCamel
from gdexp.starts import BoxStart, Start
from gdexp.starts.glorot import Glorot
from gdexp.starts.grid import Grid
from gdexp.starts.he import He
from gdexp.starts.lhs import Lhs
from gdexp.starts.normal import Normal
from gdexp.starts.own import Own
from gdexp.starts.points import Points
from gdexp.starts.sobol import Sobol
from gdexp.starts.uniform import Uniform

KINDS = discover("gdexp.starts", Start)
BOXED = {name: kind for name, kind in KINDS.items() if issubclass(kind, BoxStart)}
SQUARE = Space((-5.0, -5.0), (5.0, 5.0), (3.0, 3.0), {"W": (1, 2)})  # a matrix of two numbers
CAMEL = SixHumpCamel().space()  # [-3, 3] × [-2, 2]


def cube(dim, low=0.0, high=1.0):
    return Space((low,) * dim, (high,) * dim, (0.5,) * dim)


def sampler(kind):
    """A sampler of a kind, with points where it needs some."""
    needs_points = "points" in card_of(kind)
    return kind(points=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]) if needs_points else kind()


def all_of(start, space, seed=0):
    return start.at(np.arange(start.count(space)), space, seed)


# -- what every sampler keeps ------------------------------------------------------------------


@pytest.mark.parametrize("name", sifted(KINDS, 3))
@given(data=st.data(), seed=st.integers(0, 2**63 - 1))
def test_a_point_depends_on_its_own_index_alone(name, data, seed):
    start = sampler(KINDS[name])
    count = start.count(SQUARE)
    points = start.at(np.arange(count), SQUARE, seed)
    assert points.shape == (count, 2)
    assert points.dtype == np.float64
    index = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=30)))
    assert (start.at(index, SQUARE, seed) == points[index]).all()


@pytest.mark.parametrize("name", KINDS)
def test_a_sampler_has_no_state(name):
    start = sampler(KINDS[name])
    before = all_of(start, SQUARE, 1).copy()
    all_of(start, SQUARE, 2)
    assert (all_of(start, SQUARE, 1) == before).all()


@pytest.mark.parametrize("name", KINDS)
def test_another_seed_moves_every_point_or_none(name):
    start = sampler(KINDS[name])
    same = all_of(start, SQUARE, 1) == all_of(start, SQUARE, 2)
    assert same.all() or not same.any()
    assert not (same.any() and name in ("uniform", "normal", "sobol", "lhs"))


@pytest.mark.parametrize("name", BOXED)
@pytest.mark.parametrize("space", [cube(1), cube(3, -2.0, 7.0), CAMEL], ids=["1d", "3d", "camel"])
def test_points_lie_in_the_domain_and_fill_it(name, space):
    points = all_of(BOXED[name](num=64 if name != "grid" else 8), space)
    low, high = np.array(space.low), np.array(space.high)
    assert ((points >= low) & (points <= high)).all()
    assert (points.min(axis=0) < low + (high - low) / 8).all()
    assert (points.max(axis=0) > high - (high - low) / 8).all()


@pytest.mark.parametrize("name", BOXED)
@pytest.mark.parametrize(
    ("low", "high", "corners"),
    [
        (-1.0, None, [(-1, -1), (5, 5)]),
        (None, 0.0, [(-5, -5), (0, 0)]),
        ((1.0, -4.0), (2.0, 9.0), [(1, -4), (2, 9)]),
        ((1.0, -4.0), 6.0, [(1, -4), (6, 6)]),
    ],
)
def test_low_and_high_replace_the_domain_per_dimension(name, low, high, corners):
    inside = BOXED[name](num=16, low=low, high=high)
    inside.check(SQUARE)
    unit = all_of(BOXED[name](num=16), cube(2))
    assert all_of(inside, SQUARE) == pytest.approx(
        np.array(corners[0]) + unit * (np.array(corners[1]) - np.array(corners[0])), abs=1e-14
    )


@pytest.mark.parametrize("name", BOXED)
def test_a_box_without_width_is_a_point(name):
    assert (all_of(BOXED[name](num=4, low=2.0, high=2.0), SQUARE) == 2.0).all()


# -- each kind ---------------------------------------------------------------------------------


def test_uniform_points_are_uniform():
    points = all_of(Uniform(num=20_000), CAMEL)
    for column, low, high in zip(points.T, CAMEL.low, CAMEL.high, strict=True):
        assert stats.kstest(column, stats.uniform(low, high - low).cdf).pvalue > 0.01
    assert points.mean(axis=0) == pytest.approx([0, 0], abs=0.05)
    assert points.var(axis=0) == pytest.approx([36 / 12, 16 / 12], rel=0.03)


def test_normal_points_have_their_mean_and_deviation():
    points = all_of(Normal(num=20_000, mean=3.0, std=0.5), cube(3))
    for column in points.T:
        assert stats.kstest(column, stats.norm(3, 0.5).cdf).pvalue > 0.01
    assert points.mean() == pytest.approx(3, abs=0.01)
    assert points.std() == pytest.approx(0.5, rel=0.02)


def test_normal_points_are_the_quantiles_of_the_uniform_ones():
    standard = all_of(Normal(num=50), cube(2))
    assert stats.norm.cdf(standard) == pytest.approx(all_of(Uniform(num=50), cube(2)), abs=1e-14)
    scaled = all_of(Normal(num=50, mean=-1.0, std=3.0), cube(2))
    assert scaled == pytest.approx(3 * standard - 1, abs=1e-13)


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("num", [1, 2, 3, 100, 1000])
def test_sobol_points_are_those_of_scipy(dim, num):
    sequence = qmc.Sobol(dim, scramble=True, rng=np.random.default_rng(3))
    expected = sequence.random(2**10)[:num]
    assert (all_of(Sobol(num=num), cube(dim), seed=3) == expected).all()


def test_sobol_points_far_out_are_those_of_scipy():
    sequence = qmc.Sobol(2, scramble=True, rng=np.random.default_rng(0))
    sequence.fast_forward(10_000_000)
    far = Sobol(num=2**24).at(np.arange(10_000_000, 10_000_100), cube(2), 0)
    assert (far == sequence.random(100)).all()


def test_a_power_of_2_of_sobol_points_puts_one_into_each_slice():
    points = all_of(Sobol(num=256), cube(4))
    for column in points.T:
        assert sorted(np.floor(column * 256).astype(int)) == list(range(256))


@pytest.mark.parametrize(("num", "space"), [(1, cube(1)), (7, CAMEL), (50, cube(3, -1.0, 4.0))])
def test_a_latin_hypercube_has_one_point_in_each_slice(num, space):
    low, high = np.array(space.low), np.array(space.high)
    slices = np.floor((all_of(Lhs(num=num), space) - low) / (high - low) * num).astype(int)
    for column in slices.T:
        assert sorted(column) == list(range(num))


@pytest.mark.parametrize(
    ("num", "space", "expected"),
    [
        (4, cube(1), [[0.125], [0.375], [0.625], [0.875]]),
        (1, cube(3, -2.0, 6.0), [[2, 2, 2]]),
        (2, CAMEL, [[-1.5, -1], [-1.5, 1], [1.5, -1], [1.5, 1]]),
        (2, cube(3, 0.0, 4.0), np.array(np.meshgrid(*[[1, 3]] * 3, indexing="ij")).reshape(3, 8).T),
        (3, SQUARE, [[x, y] for x in (-10 / 3, 0, 10 / 3) for y in (-10 / 3, 0, 10 / 3)]),
    ],
)
def test_a_grid_begins_at_cell_centres_the_last_coordinate_fastest(num, space, expected):
    assert all_of(Grid(num=num), space) == pytest.approx(np.array(expected), abs=1e-14)


def test_a_grid_has_its_number_of_cells_in_every_dimension():
    assert [Grid(num=16).count(cube(dim)) for dim in (1, 2, 3)] == [16, 256, 4096]


def test_own_is_the_objectives_customary_start():
    assert all_of(Own(), CAMEL).tolist() == [[2.0, 1.0]]


def test_points_are_those_named():
    named = [[3.0, 3.0], [-2.0, 0.0]]
    assert all_of(Points(points=named), SQUARE).tolist() == named
    assert all_of(Points(points=np.array(named)), SQUARE).tolist() == named


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (Points(), "start=points needs points: type start=points 'start.points="),
        (Points(points=[]), "needs points"),
        (Points(points=[[1.0, 2.0], [3.0]]), r"\[3.0\] is not a point of 2 numbers.*\[\[3,3\]\]"),
        (Points(points=np.ones((1, 3))), r"\[1.0, 1.0, 1.0\] is not a point of 2 numbers"),
        (Points(points=np.ones(2)), r"1.0 is not a point of 2 numbers"),
        (Points(points=[[1.0, np.nan]]), "not finite"),
        (Normal(std=-1.0), "start.std=-1.0 is negative"),
        (Uniform(low=(1.0,)), "start.low has 1 numbers, the objective has 2 dimensions"),
        (Lhs(high=(1.0, 2.0, 3.0)), "start.high has 3 numbers"),
        (Grid(low=6.0), r"start.low=\[6.0, 6.0\] is above start.high=\[5.0, 5.0\]"),
        (Uniform(low=(0.0, 2.0), high=1.0), "is above"),
        (Grid(num=2**32), r"2\^64|4294967296\^2 points.*lower start.num"),
        (Lhs(num=2**26), "start=lhs is drawn as a whole.*start=sobol"),
        (Sobol(num=2**30 + 1), "start=sobol reaches 1073741824 points"),
    ],
)
def test_a_sampler_that_cannot_serve_an_objective_is_refused(start, told):
    with pytest.raises(UsageError, match=told):
        start.check(SQUARE)


@pytest.mark.parametrize("name", KINDS)
def test_every_sampler_serves_a_square_as_it_comes(name):
    sampler(KINDS[name]).check(SQUARE)


LAYERS = Space(
    (-1.0,) * 5310,
    (1.0,) * 5310,
    (0.0,) * 5310,
    {"one.W": (100, 50), "one.b": (50,), "two.W": (50, 5), "two.b": (10,)},
    "he",
)


@pytest.mark.parametrize(
    ("kind", "variances"),
    [(Glorot, (2 / 150, 2 / 55)), (He, (2 / 100, 2 / 50))],
)
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_an_initialiser_gives_matrices_their_variance_and_leaves_the_rest_zero(
    kind, variances, distribution
):
    points = all_of(kind(num=40, distribution=distribution), LAYERS)
    matrices = points[:, :5000], points[:, 5050:5300]
    for matrix, variance in zip(matrices, variances, strict=True):
        count = matrix.size
        assert abs(matrix.mean()) < 5 * np.sqrt(variance / count)
        assert matrix.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / count))
        limit = np.sqrt(3 * variance)  # of a uniform distribution
        assert (np.abs(matrix).max() <= limit) == (distribution == "uniform")
    assert not points[:, 5000:5050].any() and not points[:, 5300:].any()
    assert len(np.unique(points[:, 0])) == 40


def test_own_draws_from_the_initialiser_of_a_model():
    assert (all_of(Own(num=3), LAYERS, 7) == all_of(He(num=3), LAYERS, 7)).all()


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (Own(num=2), "type start=uniform start.num=2"),
        (Glorot(), "start=glorot draws the matrices of a learning problem"),
        (He(distribution="cauchy"), "is not one of uniform, normal"),
    ],
)
def test_a_draw_that_cannot_be_is_refused(start, told):
    with pytest.raises(UsageError, match=told):
        start.check(CAMEL)
