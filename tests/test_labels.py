"""What a sweep says of the points it ended at."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from cases import sifted

import gdexp
from gdexp import job, labels
from gdexp.api import experiment
from gdexp.base import UsageError

SHARPNESS = {  # of Himmelblau's minima: the largest eigenvalue of [[12x² + 4y − 42, 4x + 4y], ...]
    (3.0, 2.0): 82.2843,
    (3.584428, -1.848127): 105.4189,
    (-3.779310, -3.283186): 133.7856,
    (-2.805118, 3.131313): 80.5501,
}


@pytest.fixture(scope="module")
def himmelblau():
    return gdexp.sweep("himmelblau", grid={"learning_rate": [0.003, 0.01]}, start={"uniform": 500})


def test_himmelblau_has_four_minima_of_the_right_sharpness(himmelblau):
    found = himmelblau.minima.to_pylist()
    assert {row["kind"] for row in found} == {"minimum"}
    assert [row["minimum_id"] for row in found] == [0, 1, 2, 3]
    for row in found:
        point = tuple(np.round(row["x"], 6))
        assert row["sharpness"] == pytest.approx(SHARPNESS.pop(point), abs=1e-4)
        assert row["stability_threshold"] == pytest.approx(2 / row["sharpness"])
        assert row["share_low"] < row["share"] < row["share_high"]
    assert not SHARPNESS
    assert himmelblau.summary["stationary"]["himmelblau"]["minima"] == 4


def test_each_run_has_the_minimum_it_ended_at(himmelblau):
    frame = himmelblau.to_pandas()
    minima = {row["minimum_id"]: row for row in himmelblau.minima.to_pylist()}
    for number, rows in frame.groupby("minimum_id"):
        assert len(rows) == minima[number]["runs"]
        away = np.hypot(*(rows[["x_0", "x_1"]] - minima[number]["x"]).to_numpy().T)
        assert away.max() == pytest.approx(minima[number]["radius"], abs=1e-6)
        assert away.max() < 1e-3
    assert frame["kind"].isna().sum() == 0


def test_runs_begun_on_saddles_stay_there():
    saddles = [p.x for p in gdexp_objective("himmelblau").stationary() if p.kind == "saddle"]
    found = gdexp.sweep(
        "himmelblau", grid={"learning_rate": [0.01]}, start=saddles, dtype="float64"
    )
    assert found.labels["kind"].to_pylist() == ["saddle"] * 4
    assert len(found.minima) == 4


def gdexp_objective(name):
    from gdexp.base import Objective, discover

    return discover("gdexp.objectives", Objective)[name]()


def test_a_flat_exponential_yields_no_minimum():
    found = gdexp.sweep(
        "exp(-x)", grid={"learning_rate": [0.1, 1.0]}, start={"uniform": 50}, stop_max_steps=5000
    )
    assert set(found.labels["kind"].to_pylist()) == {"unresolved"}
    assert len(found.minima) == 0


@pytest.mark.slow
def test_what_would_take_too_long_is_told_to_be_left_out(monkeypatch):
    """By runs × dimensions × examples; a small model's ends are told whatever their number."""

    def told(runs):
        found = gdexp.sweep(
            "linear_regression", grid={"learning_rate": [0.1]}, start={"uniform": runs}
        )
        told = found.summary["stationary"]["linear_regression"]["told"]
        kind = "minimum" if told else "unresolved"
        assert set(found.labels["kind"].to_pylist()) == {kind}
        return told

    monkeypatch.setattr(labels, "MOST_WORK", 10 * 2 * 100)
    assert told(11)
    monkeypatch.setattr(labels, "SMALL", 199)
    assert told(10) and not told(11)


def test_an_objectives_own_numbers_have_catalogues_of_their_own():
    """½ Σ λᵢ (xᵢ − shift)² is least at the shift."""
    found = gdexp.sweep("quadratic", grid={"shift": [1.0, 2.0], "learning_rate": [0.05, 0.1]})
    assert [row["x"][0] for row in found.minima.to_pylist()] == pytest.approx([1, 2])
    assert found.labels["minimum_id"].to_pylist() == [0, 0, 1, 1]


def test_a_catalogue_names_the_numbers_of_the_objective_as_the_axes_do():
    def bowl(x, *, curvature=1.0, runs=0.0):
        return curvature * (x - runs) ** 2

    grid = {"curvature": [1.0, 2.0], "runs": [0.0, 3.0], "learning_rate": [0.1]}
    found = gdexp.sweep(bowl, grid=grid)
    rows = found.minima.to_pylist()
    assert [(row["curvature"], row["bowl.runs"], row["runs"]) for row in rows] == [
        (1.0, 0.0, 1),
        (1.0, 3.0, 1),
        (2.0, 0.0, 1),
        (2.0, 3.0, 1),
    ]
    assert all(row["sharpness"] == pytest.approx(2 * row["curvature"]) for row in rows)
    assert found.summary["stationary"]["bowl"]["functions"] == 4


@pytest.mark.slow
def test_where_each_run_draws_its_own_objective_there_are_kinds_alone():
    found = gdexp.sweep(
        "quadratic",
        grid={"learning_rate": [0.05, 0.1]},
        start={"uniform": 20},
        draw={"shift": "uniform:1:2"},
    )
    assert set(found.labels["kind"].to_pylist()) == {"minimum"}
    assert set(found.labels["minimum_id"].to_pylist()) == {None}


def test_files_say_what_memory_says(tmp_path, himmelblau):
    asked = experiment("himmelblau", grid={"learning_rate": [0.003, 0.01]}, start={"uniform": 500})
    job.run(asked, tmp_path)
    found = gdexp.load(tmp_path)
    assert found.labels.equals(himmelblau.labels)
    assert found.minima.equals(himmelblau.minima)
    assert pq.read_table(tmp_path / "labels.parquet").column_names == ["run", "kind", "minimum_id"]


def test_without_the_points_there_are_no_labels():
    found = gdexp.sweep("parabola", grid={"learning_rate": [0.1, 0.2]}, store_columns=["run", "f"])
    with pytest.raises(UsageError, match=r"store\.columns"):
        _ = found.minima


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rate"),  # far below 2 / the largest curvature where the starts lie
    [
        ("himmelblau", 3e-3),
        ("six_hump_camel", 1e-3),
        ("three_hump_camel", 3e-4),
        ("styblinski_tang", 5e-3),
        ("beale", 1e-5),
        ("goldstein_price", 1e-6),
        ("matyas", 0.5),
        ("booth", 0.05),
        ("double_well", 0.1),
        ("rosenbrock", 5e-4),
    ],
)
def test_of_a_hundred_thousand_runs_none_is_called_what_it_is_not(name, rate):
    objective = gdexp_objective(name)
    known = np.array([p.x for p in objective.stationary() if p.kind == "minimum"])
    found = gdexp.sweep(
        name,
        start={"uniform": 100_000},
        draw={"learning_rate": f"loguniform:{rate / 10}:{rate}"},
        stop_max_steps=20_000,
    )
    frame = found.to_pandas()
    assert not (frame["outcome"] == "cycling").any()
    called = frame[frame["kind"] == "minimum"]
    x = called[[f"x_{i}" for i in range(objective.dim)]].to_numpy()
    away = np.linalg.norm(x[:, None] - known, axis=2).min(axis=1)
    assert (away <= 0.011 * (1 + np.linalg.norm(x, axis=1))).all()
    minima = [row["x"] for row in found.minima.to_pylist() if row["kind"] == "minimum"]
    assert np.linalg.norm(np.array(minima)[:, None] - known, axis=2).min(axis=1).max() < 1e-6
    arrived = frame["outcome"].isin(["converged", "stalled"])
    if name != "beale":  # on its plains no update moves a run, and no stationary point is near
        assert (frame["kind"][arrived] != "unresolved").mean() > 0.99


@pytest.mark.parametrize(
    ("objective", "num", "minima"),
    sifted(
        [
            ("six_hump_camel", 16, 6),
            ("styblinski_tang", 8, 4),
            pytest.param("rastrigin", 64, 121, marks=pytest.mark.slow),
        ],
        2,
    ),
)
def test_a_sweep_finds_all_the_minima_there_are(objective, num, minima):
    found = gdexp.sweep(
        objective,
        optimizer={"sgd": {"learning_rate": 0.002}},
        start={"grid": num},
        stop_max_steps=4000,
    )
    kinds = found.minima["kind"].to_pylist()
    assert kinds.count("minimum") == minima
    assert found.summary["stationary"][objective]["minima"] == minima
