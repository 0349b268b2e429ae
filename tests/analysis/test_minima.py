"""Kinds and catalogues, from nothing but points and what is about them."""

import jax.numpy as jnp
import numpy as np
import pytest
from cases import sifted
from hypothesis import given
from hypothesis import strategies as st

from gdexp.analysis import minima
from gdexp.analysis.minima import KINDS, NEAR, Ends, catalogue, kinds
from gdexp.base import Objective, discover
from gdexp.curvature import Curvature

OBJECTIVES = discover("gdexp.objectives", Objective)


def settle_of(function):
    curvature = Curvature(lambda x, _: function(x))
    return lambda x, reach=NEAR: curvature.settle(x, np.empty((len(x), 0)), reach)


def kind_of(function, *points):
    x = np.array(points, float)
    return [str(KINDS[i]) for i in kinds(x, settle_of(function)(x))]


@pytest.mark.parametrize("name", sifted(OBJECTIVES, 3))
def test_every_known_stationary_point_has_its_kind_at_any_scale(name):
    objective = OBJECTIVES[name]()
    known = objective.stationary()
    x = np.array([point.x for point in known]).reshape(len(known), objective.dim)
    curvature = Curvature(lambda x, scale: scale[0] * objective(x))
    for scale in (1.0, 1e-6, 1e6):
        found = kinds(x, curvature.settle(x, np.full((len(x), 1), scale)))
        assert [str(KINDS[i]) for i in found] == [point.kind for point in known], scale


def test_a_small_gradient_alone_is_no_minimum():
    assert kind_of(lambda x: jnp.exp(-x[0]), [9.3], [30.0], [99.0]) == ["unresolved"] * 3
    assert kind_of(lambda x: 1e-9 * x[0], [0.0], [5.0]) == ["unresolved"] * 2
    himmelblau = OBJECTIVES["himmelblau"]()
    assert kind_of(lambda x: 1e-6 * himmelblau(x), [2.5, 2.0], [0.0, 0.0]) == ["unresolved"] * 2


def test_a_fourth_power_is_degenerate():
    assert kind_of(lambda x: x[0] ** 4, [0.0], [1e-3]) == ["degenerate"] * 2
    assert kind_of(lambda x: x[0] ** 2 + x[1] ** 4, [0.0, 1e-3]) == ["degenerate"]


def ends_of(x, width):
    ends = Ends(width, np.shape(x)[1])
    ends.add(np.asarray(x), np.zeros(len(x)))
    return ends


def test_the_catalogue_does_not_depend_on_the_order_of_runs():
    rng = np.random.default_rng(0)
    known = np.array([p.x for p in OBJECTIVES["himmelblau"]().stationary()])
    x = known[rng.integers(len(known), size=3000)] + rng.normal(scale=1e-3, size=(3000, 2))
    norm = rng.random(3000).round(2)
    made = []
    for parts in (1, 7, 100):
        ends, order = Ends(1e-4, 2), rng.permutation(3000)
        for part in np.array_split(order, parts):
            ends.add(x[part], norm[part])
        made.append(catalogue(ends, settle_of(OBJECTIVES["himmelblau"]()), 1e-3))
    assert len(made[0].x) == 9
    for other in made[1:]:
        for one, two in zip(made[0][:6], other[:6], strict=True):
            assert np.array_equal(one, two)


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 2, st.integers(0, 2)), min_size=1, max_size=60))
def test_of_each_cell_the_least_is_kept(rows):
    points = np.array(rows, float)
    x, norm = points[:, :2] * 0.4, points[:, 2]
    ends = Ends(1.0, 2)
    ends.add(x, norm)
    expected = {}
    for point, n in zip(x, norm, strict=True):
        cell = tuple(np.floor(point))
        expected[cell] = min(expected.get(cell, (9,)), (n, *point))
    assert {tuple(p) for p in ends.x} == {kept[1:] for kept in expected.values()}
    assert len(ends.x) == len(expected)


def test_points_come_in_the_order_of_their_values():
    known = OBJECTIVES["six_hump_camel"]().stationary()
    found = catalogue(
        ends_of([p.x for p in known], 1e-4), settle_of(OBJECTIVES["six_hump_camel"]()), 1e-3
    )
    assert (np.diff(found.f) > -1e-9).all()
    assert found.minima == {"tenfold": 6, "tolerance": 6, "tenth": 6}


def test_a_valley_is_one_continuum():
    """(x² + y² − 1)² is least on a circle, of which 40 points were met."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = catalogue(ends_of(circle, 1e-4), settle_of(lambda x: (x @ x - 1) ** 2), 1e-3)
    assert [KINDS[k] for k in found.kind] == ["degenerate"]
    assert len(found.members) == 40
    assert found.place(circle + 1e-4).tolist() == [0] * 40


def test_two_valleys_with_a_hill_between_are_two():
    x = [[side, y] for side in (-1.0, 1.0) for y in np.linspace(-3, 3, 13)]
    found = catalogue(ends_of(x, 1e-4), settle_of(lambda x: (x[0] ** 2 - 1) ** 2), 1e-3)
    assert [KINDS[k] for k in found.kind] == ["degenerate"] * 2


def test_minima_nearer_than_the_tolerance_are_told_by_a_finer_one():
    """(x² − a²)² has minima at ±a."""
    a = 3e-4
    found = catalogue(
        ends_of([[-a], [a]], 1e-4), settle_of(lambda x: (x[0] ** 2 / a**2 - 1) ** 2), 1e-3
    )
    assert found.minima == {"tenfold": 1, "tolerance": 1, "tenth": 2}


def test_nothing_comes_of_nothing():
    found = catalogue(Ends(1e-4, 2), settle_of(lambda x: x @ x), 1e-3)
    assert len(found.x) == 0
    assert found.place(np.zeros((3, 2))).tolist() == [-1] * 3
    ends = Ends(1e-4, 1)
    ends.add(np.array([[np.nan], [np.inf]]), np.zeros(2))
    assert len(ends.x) == 0


def test_kinds_are_those_of_the_table():
    assert list(map(str, minima.KINDS)) == [
        "minimum",
        "saddle",
        "maximum",
        "degenerate",
        "unresolved",
    ]
