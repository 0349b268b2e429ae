"""Thresholds found by descending agree with those of linear theory, wherever there is one."""

import numpy as np
import pytest
from cases import sifted

import gdexp
from gdexp.analysis import stability, thresholds
from gdexp.base import UsageError

L = 8.04138127  # the largest curvature of paraboloid, published in DESIGN
RATES = np.geomspace(0.01, 1, 24)


def found(objective="paraboloid", precision=1e-6, **keys):
    """The rows of thresholds() of a sweep over RATES."""
    keys = {"grid": {"learning_rate": RATES}, "start": {"grid": 4}, "stop_max_steps": 300} | keys
    return gdexp.sweep(objective, **keys).thresholds(precision).to_pylist()


def test_gradient_descent_on_the_paraboloid_is_lost_at_two_over_l():
    whole, local = found()
    assert (whole["minimum_id"], local["minimum_id"]) == (None, 0)
    for row in (whole, local):
        assert row["low"] <= 2 / L * (1 + 1e-8) and row["high"] >= 2 / L * (1 - 1e-8)
        assert row["high"] / row["low"] - 1 <= 1e-6
        assert row["low"] < row["learning_rate"] < row["high"]
    assert local["theory"] == pytest.approx(2 / L, rel=1e-8) and local["formula"] == "2/L"
    assert local["rate"] == pytest.approx(local["rate_theory"], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("nesterov", "formula"),
    [
        (True, lambda b: (2 + 2 * b) / ((1 + 2 * b) * L)),
        (False, lambda b: 2 * (1 + b) / L),
    ],
)
def test_momentum_moves_the_threshold_as_published(nesterov, formula):
    rows = found(
        optimizer={"sgd": {"nesterov": nesterov}},
        grid={"learning_rate": RATES, "momentum": [0.5, 0.9]},
    )
    assert [(r["momentum"], r["minimum_id"]) for r in rows] == [
        (0.5, None),
        (0.9, None),
        (0.5, 0),
        (0.9, 0),
    ]
    for row in rows:
        wanted = formula(row["momentum"])
        assert row["low"] <= wanted * (1 + 1e-8) and wanted * (1 - 1e-8) <= row["high"]
    for row in rows[2:]:
        assert row["theory"] == pytest.approx(formula(row["momentum"]), rel=1e-8)
        assert row["rate"] == pytest.approx(row["rate_theory"], rel=0.03)


@pytest.mark.slow
def test_each_minimum_has_the_threshold_of_its_own_sharpness():
    rows = found("himmelblau", 1e-5, grid={"learning_rate": [0.005]}, start={"grid": 8})
    sharpness = np.array([133.7856, 80.5501, 82.2843, 105.4189])
    assert sorted(r["learning_rate"] for r in rows) == pytest.approx(
        sorted(2 / sharpness), rel=2e-5
    )
    for row in rows:
        assert row["learning_rate"] == pytest.approx(row["theory"], rel=1e-5)


@pytest.mark.slow
def test_a_cycle_beside_a_minimum_is_no_return():
    """Above the threshold runs on beale settle 3.7e-3 from the minimum, all in sight of it."""
    rows = found(
        "beale", 1e-5, grid={"learning_rate": [0.01]}, start={"uniform": 10}, stop_max_steps=9999
    )
    [row] = [row for row in rows if row["minimum_id"] is not None]
    assert row["low"] <= row["theory"] * (1 + 1e-9) and row["theory"] <= row["high"] * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("last", [1.2, 1.9])  # cycles, and chaos
def test_a_slow_way_into_a_cycle_is_no_convergence(last):
    rows = found("double_well", grid={"learning_rate": [0.5, 0.8, last]}, start={"uniform": 64})
    for row in rows:
        assert row["learning_rate"] == pytest.approx(1, rel=2e-6)


@pytest.mark.slow
def test_there_is_no_theory_of_a_momentum_of_one_and_what_is_left_out_is_said():
    table = gdexp.sweep(
        "parabola",
        grid={"learning_rate": [0.1, 0.2], "momentum": [0.5, 1.0, 1.2]},
        start={"uniform": 4},
    ).thresholds(1e-3)
    assert table["momentum"].to_pylist() == [0.5]
    left = table.schema.metadata[b"left_out"].decode()
    assert "most runs converge at no rate, from 0.1 on: take smaller ones" in left
    assert "most runs converge still at the largest rate, 0.2: take larger ones" in left
    adam = gdexp.sweep("parabola", optimizer="adam", grid={"learning_rate": [0.1, 0.2]})
    assert b"no linear theory" in adam.thresholds().schema.metadata[b"left_out"]
    zipped = gdexp.sweep(
        "parabola",
        grid={"learning_rate": [0.1, 0.2], "momentum": [0.5, 0.6]},
        zip=["learning_rate", "momentum"],
    )
    assert b"advances together" in zipped.thresholds().schema.metadata[b"left_out"]


def test_runs_without_outcomes_have_none():
    few = gdexp.sweep("parabola", grid={"learning_rate": [0.1, 1.5]}, store_columns=["run", "f"])
    with pytest.raises(UsageError, match="'outcome' was not kept"):
        few.thresholds()


@pytest.mark.slow
def test_a_maximum_has_one_under_maximisation():
    [row] = found("-3*x**2 - y**2", direction="maximize", grid={"learning_rate": [0.01]})
    assert row["low"] < 2 / 6 < row["high"]


@pytest.mark.slow
def test_where_there_is_no_theory_the_sweep_still_has_a_threshold():
    [row] = found(optimizer="rmsprop", precision=1e-3, stop_max_value=1e3)
    assert row["theory"] is None and row["minimum_id"] is None
    assert RATES[0] < row["low"] < row["high"] <= row["low"] * 1.001


@pytest.mark.slow
def test_a_drawn_learning_rate_and_one_that_loses_nothing_have_no_bracket():
    assert found(grid={}, draw={"momentum": "uniform:0:0.5"}) == []
    [row] = found(grid={"learning_rate": [0.01, 0.02]})
    assert row["minimum_id"] == 0


def test_what_it_took_is_told():
    table = gdexp.sweep("paraboloid", grid={"learning_rate": [0.1]}, start="own").thresholds(1e-3)
    assert int(table.schema.metadata[b"further_runs"]) > 3
    assert table.schema.metadata[b"precision"] == b"0.001"


@pytest.mark.parametrize("precision", sifted([0, 1e-10, 1, float("nan")], 4))
def test_a_precision_beyond_float64_is_refused(precision):
    with pytest.raises(UsageError, match="precision"):
        found(precision=precision)


def test_bisection_ends_on_the_edge_whatever_the_bracket():
    edges = np.array([0.3, 7.0, 7.0])
    low, high = thresholds.bisect(
        lambda case, rate: rate >= edges[case],
        np.array([0.1, 1.0, 6.999]),
        np.array([1.0, 1e6, 7.0]),
        1e-9,
    )
    assert ((low < edges) & (edges <= high)).all() and (high / low - 1 <= 1e-9).all()


def test_a_bracket_is_widened_until_it_holds_or_given_up():
    edges = np.array([0.3, 30.0, 1e9])
    low, high = thresholds.widen(
        lambda case, rate: rate >= edges[case], np.full(3, 1.0), np.full(3, 2.0)
    )
    assert low[0] < 0.3 <= high[0] and low[1] < 30 <= high[1]
    assert np.isnan(high[2])


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("name", stability.LAWS)
def test_theory_agrees_with_the_recurrence_that_it_is_about(name, beta):
    law, curvatures = stability.LAWS[name], np.array([1.0, 10.0])
    beta = 0.0 if name == "gradient descent" else beta
    limit = law.threshold(10.0, beta)
    assert stability.rate(law, limit, beta, curvatures) == pytest.approx(1)
    assert stability.rate(law, 1.001 * limit, beta, curvatures) > 1
    for rate in np.array([0.1, 0.5, 0.9]) * limit:
        pairs = [law.recurrence(rate * curvature, beta) for curvature in curvatures]
        companions = np.array([[[a, b], [1, 0]] for a, b in pairs])
        assert stability.rate(law, rate, beta, curvatures) == pytest.approx(
            np.abs(np.linalg.eigvals(companions)).max()
        )


def test_the_observed_rate_is_that_of_the_envelope():
    step = np.arange(200)
    assert stability.observed_rate(step, 0.9**step, 0) == pytest.approx(0.9)
    wave = 0.9**step * np.abs(np.cos(0.3 * step + 1))
    assert stability.observed_rate(step, wave, 0) == pytest.approx(0.9, rel=2e-3)
    floored = np.maximum(0.9**step, 1e-4)
    assert stability.observed_rate(step, floored, 1.01e-4) == pytest.approx(0.9)
    assert stability.observed_rate(step[:2], step[:2] + 1.0, 0) is None
    assert stability.observed_rate(step[:0], step[:0] + 1.0, 0) is None
