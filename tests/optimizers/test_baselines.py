"""The baselines of a lesson: random search, and Newton's method."""

import numpy as np
import pytest

import gdexp


@pytest.mark.slow
def test_random_search_is_the_best_of_as_many_points_as_steps():
    found = gdexp.sweep(
        "himmelblau",
        optimizer="random_search",
        replicates=400,
        stop_max_steps=50,
        trace_every=1,
    )
    frame, traces = found.to_pandas(), found.traces.to_pandas()
    assert (frame.evaluations == 51).all() and (frame.outcome == "unfinished").all()
    assert (traces.groupby("run").f.diff().dropna() <= 1e-4).all()  # x is rounded once more
    # P(no better than f0 within 50) follows from the share of the domain below it
    points = np.random.default_rng(0).uniform(-5, 5, (2, 10**6))
    x, y = points
    better = np.mean((x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2 < frame.f[0])
    assert (frame.f <= frame.f[0]).mean() == pytest.approx(1 - (1 - better) ** 50, abs=0.08)
    assert np.abs(np.stack(frame[["x_0", "x_1"]].to_numpy())).max() <= 5


@pytest.mark.slow
def test_random_search_looks_where_it_is_told():
    card = {"random_search": {"low": 2.0, "high": 3.0}}
    frame = gdexp.sweep("x + y", optimizer=card, start=[[9, 9]], stop_max_steps=200).to_pandas()
    assert 2 <= frame.x_0[0] < 2.4 and 2 <= frame.x_1[0] < 2.4


def test_newton_is_at_the_minimum_of_a_parabola_after_one_step():
    frame = gdexp.sweep("paraboloid", optimizer="newton", start={"uniform": 20}).to_pandas()
    assert (frame.steps == 1).all() and (frame.outcome == "converged").all()
    assert (frame.evaluations == 2 * 1 + 2).all()  # two points, and two columns of a Hessian


@pytest.mark.slow
def test_newton_goes_to_whatever_is_stationary_and_damped_it_descends():
    found = gdexp.sweep(
        "himmelblau",
        optimizer="newton",
        grid={"damping": [0.0, 200.0]},
        start={"uniform": 200},
        dtype="float64",
    )
    kinds = found.to_pandas().groupby("damping").kind.value_counts()
    assert {kind for damping, kind in kinds[kinds > 0].index if damping == 0} >= {
        "minimum",
        "saddle",
        "maximum",
    }
    assert kinds[200.0].idxmax() == "minimum" and kinds[200.0]["minimum"] > 190


@pytest.mark.slow
def test_all_race_from_the_same_starts():
    found = gdexp.sweep(
        "two_wells",
        optimizer=["sgd", "newton", "random_search"],
        start={"uniform": 40},
        grid={"learning_rate": [0.01, 0.05]},
        stop_targets=[31.0],
        stop_max_steps=300,
    )
    race = found.race(31.0).to_pandas()
    assert len(race) == 3 and set(race["rank"]) == {1, 2, 3}
