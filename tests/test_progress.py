"""Cycles that are proved, points that do not move, and what is neither."""

import numpy as np
import pytest

import gdexp
from gdexp.base import Outcome, Reason


def column(found, name):
    return np.array(found.runs[name].to_pylist(), object)


def one(objective, rate, x0, **keys):
    """Outcome, reason, period and steps of a single run."""
    row = gdexp.sweep(objective, grid={"learning_rate": [rate]}, start=[x0], **keys).runs
    return tuple(row[name][0].as_py() for name in ("outcome", "reason", "period", "steps"))


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_two_over_the_curvature_along_the_top_eigenvector_is_a_cycle_of_two(dtype):
    """x ↦ x − (2/L) L x = −x, exactly: f = 4x² + y²/2 has L = 8 along x."""
    outcome, reason, period, _ = one("4*x**2 + y**2/2", 0.25, (3.0, 0.0), dtype=dtype)
    assert (outcome, reason, period) == ("cycling", "cycle", 2)


def orbit(rate, x, steps):
    for _ in range(steps):
        x = x - rate * (x**3 - x)
    return x


@pytest.mark.parametrize(("rate", "period"), [(1.1, 2), (1.27, 4), (1.2975, 8)])
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_growing_rates_double_the_period_of_a_double_well(rate, period, dtype):
    found = one("double_well", rate, (0.5,), dtype=dtype, stop_max_steps=20_000)
    assert found[:3] == ("cycling", "cycle", period)
    x = orbit(rate, 0.5, 20_000)
    after = [orbit(rate, x, n) for n in range(1, 9)]
    assert np.argmin(np.abs(np.array(after) - x) > 1e-6) + 1 == period


@pytest.mark.slow
def test_a_cycle_with_momentum_is_of_point_and_velocity():
    """x ↦ (1 + β) x − β x₋₁ − η L x has the root −1 at η = 2 (1 + β) / L."""
    found = gdexp.sweep(
        "x**2/2",
        optimizer={"sgd": {"momentum": 0.5}},
        grid={"learning_rate": [3.0]},
        start=[[1.0]],
        dtype="float64",
        stop_max_steps=5000,
    ).runs
    assert found["outcome"][0].as_py() == "cycling"
    assert found["period"][0].as_py() == 2


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        ("adam", "constant"),
        pytest.param("sgd", "cosine", marks=pytest.mark.slow),
        pytest.param("noisy_sgd", "constant", marks=pytest.mark.slow),
    ],
)
def test_no_cycle_is_claimed_with_a_count_or_noise(optimizer, schedule):
    found = gdexp.sweep(
        "x**2/2",
        optimizer=optimizer,
        schedule=schedule,
        grid={"learning_rate": np.geomspace(0.1, 2.0, 16)},
        start=[[1.0], [3.0]],
        stop_max_steps=2000,
        stop_grad_tol=0,
    )
    assert "cycling" not in set(column(found, "outcome"))


@pytest.mark.slow
def test_a_rate_too_small_to_move_the_point_stalls():
    assert one("x**2/2", 1e-12, (1.0,))[:2] == ("stalled", "no_progress")
    found = gdexp.sweep(
        "x**2/2", optimizer="adam", grid={"learning_rate": [1e-12]}, start=[[1.0]]
    ).runs
    assert found["reason"][0].as_py() == "no_progress"
    assert 100 <= found["steps"][0].as_py() < 120


@pytest.mark.slow
def test_a_rate_of_zero_that_a_count_gives_is_no_stall():
    """Cosine decay ends at zero: what stands still then has not stalled."""
    found = gdexp.sweep(
        "x**2/2",
        schedule={"cosine": {"decay_steps": 50.0}},
        grid={"learning_rate": [1e-3]},
        start=[[1.0]],
    ).runs
    assert found["outcome"][0].as_py() == "unfinished"
    adam = gdexp.sweep("x**2/2", optimizer="adam", grid={"learning_rate": [0.0]}, start=[[1.0]])
    assert adam.runs["outcome"][0].as_py() == "unfinished"
    sgd = one("x**2/2", 0.0, (1.0,))
    assert sgd[:2] == ("stalled", "no_progress")


def test_rounding_about_a_minimum_is_no_cycle():
    """With no tolerance descent ends by hopping between neighbours: it gets nowhere."""
    found = gdexp.sweep(
        "himmelblau",
        grid={"learning_rate": np.geomspace(1e-3, 1e-2, 8)},
        start={"uniform": 64},
        stop_grad_tol=0,
        stop_max_steps=20_000,
    )
    outcome, period = column(found, "outcome"), column(found, "period")
    assert "cycling" not in set(outcome)
    assert (outcome == "stalled").mean() > 0.9
    assert set(period) == {None}


def test_a_replayed_run_ends_as_the_sweep_had_it():
    keys = {"stop_max_steps": 3000, "trace_every": 7}
    found = gdexp.sweep("double_well", grid={"learning_rate": [1.1, 1.27, 0.3]}, **keys)
    ends, traces = found.runs, found.traces
    for run in range(3):
        mine = traces.filter(np.array(traces["run"]) == run)
        assert mine["step"][-1].as_py() == ends["steps"][run].as_py()
        assert mine["x"][-1].as_py() == ends["x"][run].as_py()


def test_reasons_follow_from_outcomes():
    assert Reason.CYCLE.outcome is Outcome.CYCLING
    assert Reason.NO_PROGRESS.outcome is Outcome.STALLED
