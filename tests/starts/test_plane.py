"""Slices: what varies in the plane, and what stays."""

import numpy as np
import pytest

import gdexp
from gdexp.base import Space, UsageError
from gdexp.starts.plane import Plane

SPACE = Space((-5.0, -4.0, -3.0), (5.0, 4.0, 3.0), (1.0, 2.0, 3.0))


def points(plane, seed=0):
    plane.check(SPACE)
    return plane.at(np.arange(plane.count(3)), SPACE, seed)


def test_two_coordinates_run_over_their_domain_and_the_rest_stays():
    found = points(Plane(num=4, along=(2, 0)))
    assert (found[:, 1] == 2.0).all()
    assert np.unique(found[:, 2]).tolist() == [-2.25, -0.75, 0.75, 2.25]
    assert np.unique(found[:, 0]).tolist() == [-3.75, -1.25, 1.25, 3.75]
    assert found[1, 2] == found[0, 2] and found[1, 0] > found[0, 0]  # the second is the faster
    assert list(Plane(num=4, along=(2, 0)).axes(SPACE)) == ["x0_2", "x0_0"]


def test_directions_are_added_to_a_point():
    plane = Plane(num=2, point=(0.0, 0.0, 1.0), along=((1, 0, 0), (0, 2, 2)), low=-2, high=2)
    assert points(plane).tolist() == [[-1, -2, -1], [-1, 2, 3], [1, -2, -1], [1, 2, 3]]
    assert {k: v.tolist() for k, v in plane.axes(SPACE).items()} == {
        "along_0": [-1, 1],
        "along_1": [-1, 1],
    }


def test_random_directions_are_orthonormal_and_follow_the_seed():
    plane = Plane(num=2, point=0.0, along="random")
    found = points(plane, 3)
    one, other = found[3] - found[1], found[3] - found[2]
    assert np.linalg.norm(one) == pytest.approx(1) and np.linalg.norm(other) == pytest.approx(1)
    assert one @ other == pytest.approx(0, abs=1e-12)
    assert (found == points(plane, 3)).all() and (found != points(plane, 4)).any()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"along": (0, 0)}, "names no two coordinates"),
        ({"along": (0, 3)}, "names no two coordinates of 0 to 2"),
        ({"along": ((1, 0), (0, 1))}, "directions of 3 numbers"),
        ({"along": "randm"}, "type random"),
        ({"point": (1.0, 2.0)}, "start.point has 2 numbers, it takes 3"),
        ({"low": 2.0, "high": 1.0}, "is above"),
        ({"low": (1.0, 2.0, 3.0)}, "start.low has 3 numbers, it takes 2"),
    ],
)
def test_wrong_planes_are_refused(keys, told):
    with pytest.raises(UsageError, match=told):
        Plane(**keys).check(SPACE)


@pytest.mark.parametrize("along", [[[1, 0], [0]], [0, [1, 0]], [1], 3, [[[1]], [[2]]]])
def test_what_is_neither_coordinates_nor_directions_is_refused(along):
    with pytest.raises(UsageError, match=r"start\.along"):
        gdexp.sweep("himmelblau", start={"plane": {"num": 2, "along": along}}, stop_max_steps=1)


@pytest.mark.slow
def test_the_point_and_the_directions_tell_a_callables_dimensions():
    def f(x):
        return (x * x).sum()

    for plane in (
        {"point": [1, 2, 3, 4], "low": [-1, -1], "high": [1, 1]},
        {"along": np.eye(4)[:2]},
    ):
        found = gdexp.sweep(f, start={"plane": {"num": 2} | plane}, stop_max_steps=1)
        assert len(found.runs["x0"][0]) == 4


def test_a_line_has_no_plane():
    with pytest.raises(UsageError, match="start=plane needs two dimensions"):
        gdexp.sweep("parabola", start="plane")


def test_a_slice_is_a_map():
    found = gdexp.sweep(
        {"rosenbrock": {"dim": 5}},
        optimizer={"sgd": {"learning_rate": 1e-3}},
        start={"plane": {"num": 6, "along": [1, 3], "low": -2}},
        stop_max_steps=20,
    )
    shown = found.map("x0_3", "x0_1", "f0")
    assert shown.value.shape == (6, 6) and shown.y[0] < shown.y[1]
    frame = found.to_pandas()
    assert (frame.groupby("start").first()[["x0_0", "x0_2", "x0_4"]].nunique() == 1).all()
    assert found.config["start"]["along"] == [1, 3]
