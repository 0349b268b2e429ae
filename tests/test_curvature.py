"""Newton's method to stationary points of every kind, in float64."""

import jax.numpy as jnp
import numpy as np
import pytest
from cases import sifted

from gdexp import curvature
from gdexp.base import Objective, discover
from gdexp.curvature import DENSE, Curvature

OBJECTIVES = discover("gdexp.objectives", Objective)


def about(function, x, reach=np.inf):
    x = np.atleast_2d(np.array(x, float))
    return Curvature(lambda x, _: function(x)).settle(x, np.empty((len(x), 0)), reach)


@pytest.mark.parametrize("name", ["himmelblau", "six_hump_camel", "three_hump_camel", "beale"])
def test_it_comes_back_to_every_published_point(name):
    objective = OBJECTIVES[name]()
    known = [point for point in objective.stationary() if point.kind != "degenerate"]
    x = np.array([point.x for point in known])
    found = about(objective, x + 1e-4)
    np.testing.assert_allclose(found.x, x, atol=1e-9)
    np.testing.assert_allclose(found.f, [point.f for point in known], atol=1e-8)


def test_eigenvalues_are_those_of_the_hessian():
    """Of ½ xᵀ A x they are those of A, which a rotation leaves as they are."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    values = np.array([-3.0, 0.5, 1.0, 20.0, 400.0])
    a = turn @ np.diag(values) @ turn.T
    found = about(lambda x: x @ a @ x / 2, np.ones(5))
    np.testing.assert_allclose(found.eigenvalues[0], values, rtol=1e-10)
    np.testing.assert_allclose(found.x[0], 0, atol=1e-10)
    assert found.grad_norm[0, 1] < 1e-10 < found.grad_norm[0, 0]


def test_a_line_of_stationary_points_is_reached_where_it_is_near():
    """x² sin y is flat on x = 0: a point beside it moves there and hardly along it."""
    found = about(lambda x: x[0] ** 2 * jnp.sin(x[1]), (1e-4, 0.7))
    np.testing.assert_allclose(found.x[0], (0, 0.7), atol=1e-6)
    assert abs(found.eigenvalues[0, 0]) < 1e-10


def test_where_nothing_is_stationary_it_runs_away():
    found = about(lambda x: jnp.exp(-x[0]), [9.0])
    assert found.first[0] > 0.4
    assert abs(found.x[0, 0] - 9.0) > 5


def test_many_dimensions_are_done_by_products():
    dim = DENSE + 20
    values = np.linspace(1, 50, dim)
    values[0] = -2.0
    found = about(lambda x: (jnp.asarray(values) * (x - 1) ** 2).sum() / 2, np.full(dim, 1.001))
    np.testing.assert_allclose(found.x[0], 1, atol=1e-9)
    np.testing.assert_allclose(found.eigenvalues[0], [-2, 50], rtol=1e-8)


@pytest.mark.parametrize("dim", [2, DENSE + 6])
def test_points_are_followed_within_reach_and_no_farther(dim):
    near, far = np.full(dim, 1.001), np.full(dim, 3.0)
    found = about(lambda x: ((x - 1) ** 2).sum() + ((x - 1) ** 4).sum(), [near, far], 0.01)
    np.testing.assert_allclose(found.x, [np.ones(dim), far], atol=1e-9)
    assert found.first[0] < 0.01 * (1 + np.linalg.norm(near))
    assert found.first[1] > 0.01 * (1 + np.linalg.norm(far))
    assert found.grad_norm[0, 1] < 1e-8 < found.grad_norm[1, 1]


@pytest.mark.parametrize(
    "name", sifted(["rosenbrock", "rastrigin", "ackley", "styblinski_tang"], 4)
)
def test_the_first_step_is_longer_than_its_first_iterates(name):
    function = OBJECTIVES[name](dim=6)
    x = np.random.default_rng(1).uniform(-2, 2, (50, 6))
    made = Curvature(lambda x, _: function(x))
    first = made.settle(x, np.empty((50, 0)), 0.0).first
    least = made._called(curvature._beginnings, x, np.empty((50, 0)))[2]
    assert (least <= first * (1 + 1e-9)).all()
    assert (least > 0.3 * first).mean() > 0.5


def test_numbers_are_those_of_the_point():
    found = Curvature(lambda x, own: (x[0] - own[0]) ** 2).settle([[0.0], [0.0]], [[1.0], [2.0]])
    np.testing.assert_allclose(found.x, [[1], [2]])
