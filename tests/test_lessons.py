"""The figures that the lessons and the issue name, by the words a user would type."""

import textwrap

import jax.numpy as jnp
import numpy as np
import pytest
from cases import sifted

import gdexp

LESSON = "(x-1)**2 + 4*(y+1)**2 + x*y/2"


def rows(objective, rates, start, **keys):
    keys = {"dtype": "float64", **keys}
    found = gdexp.sweep(objective, grid={"learning_rate": rates}, start=start, **keys)
    return found.runs.to_pylist()


@pytest.mark.slow
def test_parabola_from_both_sides_in_a_thousand_steps():
    found = rows("parabola", [0.01], [[10.0], [-10.0]], stop_max_steps=1000, stop_grad_tol=0)
    ends = [row["x"][0] for row in found]
    assert ends == pytest.approx([-1.4999999806458753, -1.5000000143052226], abs=1e-12)
    assert {row["reason"] for row in found} == {"max_steps"}


def test_paraboloid_at_three_learning_rates_is_three_rows_of_one_program():
    found = gdexp.sweep(
        "paraboloid",
        grid={"learning_rate": [0.01, 0.1, 0.5]},
        start=[[3, 3]],
        dtype="float64",
        stop_max_steps=50,
    )
    slow, good, fast = found.runs.to_pylist()
    assert len(found.manifest["programs"]) == 1
    assert (good["outcome"], good["reason"], good["steps"]) == ("converged", "grad_tol", 47)
    assert good["x"] == pytest.approx([1.2698904, -1.0793692], abs=1e-6)
    assert (slow["outcome"], slow["reason"], slow["steps"]) == ("unfinished", "max_steps", 50)
    assert slow["x"] == pytest.approx([1.7895058, -1.0585185], abs=1e-6)
    assert slow["f"] == pytest.approx(-0.3100954, abs=1e-6)
    assert (fast["outcome"], fast["reason"]) == ("diverged", "escaped")


def test_paraboloid_converges_at_the_slow_rate_when_given_time():
    [row] = rows("paraboloid", [0.01], [[3, 3]], stop_max_steps=1000)
    assert (row["outcome"], row["steps"]) == ("converged", 517)


def test_a_blow_up_keeps_the_last_finite_state():
    [row] = rows(
        "paraboloid",
        [0.5],
        [[3, 3]],
        stop_max_steps=100,
        stop_escape_radius=1e30,
        dtype="float32",
    )
    assert row["outcome"] == "diverged"
    assert np.isfinite([*row["x"], row["f"], row["grad_norm"], row["f_best"]]).all()
    assert row["f"] > 1e30


@pytest.mark.parametrize(
    ("start", "rate", "steps", "end"),
    [
        ([3.5, 4.0], 0.005, 41, "local"),
        ([-2.0, -2.0], 0.005, 32, "global"),
        ([-4.0, -4.0], 0.005, None, "global"),
        ([-4.0, -4.0], 0.01, None, "local"),
        ([-4.0, -4.0], 0.02, None, "diverged"),
    ],
)
def test_two_wells_by_start_and_learning_rate(start, rate, steps, end, two_wells):
    row = two_wells[(*start, rate)]
    assert steps in (None, row["steps"])
    if end == "diverged":
        assert row["outcome"] == "diverged"
        return
    x, f = {"local": (2.866025, 30.96539), "global": (-1.0, 0.0)}[end]
    assert row["outcome"] == "converged"
    assert row["x"] == pytest.approx([x, x], abs=5e-6)  # as far as grad_tol = 1e-4 reaches
    assert row["f"] == pytest.approx(f, abs=1e-6)


@pytest.fixture(scope="module")
def two_wells():
    starts = [[3.5, 4.0], [-2.0, -2.0], [-4.0, -4.0]]
    found = rows("two_wells", [0.005, 0.01, 0.02], starts)
    return {(*row["x0"], row["learning_rate"]): row for row in found}


def test_x2_sin_y_steps_along_its_gradient_down_and_up():
    x, y = 1.0, 0.5
    gradient = np.array([2 * x * np.sin(y), x**2 * np.cos(y)])
    for direction, sign in (("minimize", -1), ("maximize", 1)):
        [row] = rows("x2_sin_y", [0.1], [[x, y]], stop_max_steps=1, direction=direction)
        assert row["x"] == pytest.approx([x, y] + sign * 0.1 * gradient, abs=1e-14)
        assert row["f0"] == pytest.approx(x**2 * np.sin(y))
        assert row["f_best"] == row["f"], "each step improves, in its own direction"


@pytest.mark.slow
def test_formula_file_callable_and_card_end_at_the_same_points(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        textwrap.dedent("""
            def f(x, y):
                return (x - 1) ** 2 + 4 * (y + 1) ** 2 + x * y / 2
        """)
    )

    def vector(x):
        return (x[0] - 1) ** 2 + 4 * (x[1] + 1) ** 2 + jnp.prod(x) / 2

    ways = ["paraboloid", LESSON, f"{file}:f", vector, lambda x, y: eval_lesson(x, y)]
    rates = [0.01, 0.1, 0.2]
    ends = [[row["x"] for row in rows(way, rates, [[3, 3], [-2, 1]])] for way in ways]
    for other in ends[1:]:
        assert np.asarray(other) == pytest.approx(np.asarray(ends[0]), abs=1e-12)


def eval_lesson(x, y):
    return (x - 1) ** 2 + 4 * (y + 1) ** 2 + x * y / 2


def test_the_turn_of_the_paraboloid_lies_around_two_over_its_curvature():
    found = gdexp.sweep(
        "paraboloid", grid={"learning_rate": np.geomspace(1e-3, 1, 64)}, stop_max_steps=2000
    )
    [turn] = found.summary["thresholds"]
    below, above = turn["learning_rate"]
    curvature = np.linalg.eigvalsh([[2, 0.5], [0.5, 8]])[-1]
    assert below < 2 / curvature < above


def test_learning_rate_zero_is_legal_and_stays():
    [row] = rows("paraboloid", [0.0], [[3, 3]], stop_max_steps=10)
    assert (row["x"], row["steps"], row["outcome"]) == ([3.0, 3.0], 10, "unfinished")


@pytest.mark.parametrize("rate", sifted([0.02, 0.1, 0.19], 3))
def test_quadratic_descends_in_closed_form(rate):
    """x_k = (1 − ηλ)^k x_0 along each eigenvector."""
    start = np.array([1.0, -2.0])
    [row] = rows(
        {"quadratic": {"condition_number": 10.0}},
        [rate],
        [start.tolist()],
        stop_max_steps=37,
        stop_grad_tol=0,
    )
    curvature = np.array([1.0, 10.0])
    assert row["x"] == pytest.approx((1 - rate * curvature) ** 37 * start, rel=1e-11)
    assert row["f"] == pytest.approx(0.5 * np.sum(curvature * np.asarray(row["x"]) ** 2))


def test_heavy_ball_on_a_parabola_follows_its_recurrence():
    """x_{k+1} = x_k − η λ x_k + β (x_k − x_{k−1}) (Polyak 1964)."""
    path = gdexp.descend(
        {"quadratic": {"dim": 1, "condition_number": 4.0}},
        [1.0],
        learning_rate=0.1,
        momentum=0.9,
        stop_max_steps=50,
        stop_grad_tol=0,
        dtype="float64",
    )
    curvature = path.f[0] * 2 / path.x[0, 0] ** 2
    expected = [1.0, 1.0 - 0.1 * curvature]
    while len(expected) < 51:
        x, before = expected[-1], expected[-2]
        expected.append(x - 0.1 * curvature * x + 0.9 * (x - before))
    assert path.x[:, 0] == pytest.approx(expected, abs=1e-13)


@pytest.mark.slow
def test_a_linear_map_is_learned_from_its_gradient():
    found = gdexp.sweep(
        "linear_map",
        grid={"learning_rate": [0.01]},
        dtype="float64",
        stop_grad_tol=0,
        stop_max_steps=30,
        stop_targets=[1.3],
    )
    [path] = found.replay(0)
    assert path.f[:3] == pytest.approx([125.25, 90.493125, 65.3812828125], abs=1e-6)
    assert found.runs["steps_to_target"].to_pylist() == [[15]]


@pytest.mark.slow
def test_the_linear_map_is_as_sharp_as_it_should_be():
    found = gdexp.sweep("linear_map", grid={"learning_rate": [0.1, 0.14]}, dtype="float64")
    [point] = found.minima.to_pylist()
    assert point["kind"] == "degenerate"
    assert point["stability_threshold"] == pytest.approx(0.1333333, abs=1e-7)
    assert found.runs["outcome"].to_pylist() == ["converged", "diverged"]


@pytest.mark.slow
def test_the_bias_of_a_line_takes_its_time():
    [row] = rows("linear_regression", [0.001], "own", stop_max_steps=3000)
    assert 20 - row["x"][1] == pytest.approx(20 * 0.998**3000, abs=1e-9)
    assert 20 - row["x"][1] == pytest.approx(0.0493, abs=5e-5)
    assert row["x"][0] == pytest.approx(2.0, abs=1e-9)


def test_goldfield_ends_on_the_side_where_it_began():
    starts = [[0.1, -0.1], [0.1, 0.1]]
    found = rows("goldfield", [0.01], starts, stop_max_steps=300)
    ends = np.array([row["x"] for row in found])
    expected = np.array([[-0.9801415, -0.9916825], [0.9951788, 0.9979977]])
    assert ends == pytest.approx(expected, abs=1e-6)
