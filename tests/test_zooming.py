"""A zoom is the sweep that one would have typed for its window."""

import numpy as np
import pytest

import gdexp
from gdexp import zooming
from gdexp.base import UsageError


@pytest.fixture(scope="module")
def coarse():
    return gdexp.sweep(
        "himmelblau",
        grid={"learning_rate": np.geomspace(1e-3, 0.1, 5), "momentum": [0.0, 0.5]},
        start={"grid": 4},
        stop_max_steps=50,
        seed=3,
        trace_every=10,
        trace_runs=[150],
    )


def test_new_ends_are_spaced_as_the_axis_was(coarse):
    asked = zooming.experiment(coarse, {"learning_rate": (0.01, 0.02), "momentum": (0.1, 0.3)}, 3)
    assert asked.grid["learning_rate"] == pytest.approx(np.geomspace(0.01, 0.02, 3))
    assert asked.grid["momentum"] == pytest.approx([0.1, 0.2, 0.3])
    assert (asked.start.num, asked.seed, asked.trace.every) == (4, 3, 0)


def test_one_value_ends_an_axis_and_others_stay(coarse):
    asked = zooming.experiment(coarse, {"momentum": 0.5})
    assert asked.grid["momentum"].tolist() == [0.5]
    assert (asked.grid["learning_rate"] == coarse.experiment.grid["learning_rate"]).all()


def test_a_window_of_starts_is_a_grid_of_its_own(coarse):
    fine = gdexp.zoom(coarse, {"x0_0": (0, 2), "learning_rate": 0.01, "momentum": 0}, num=8)
    shown = fine.map("x0_0", "x0_1", "steps")
    assert shown.x == pytest.approx(0.125 + 0.25 * np.arange(8))
    assert (shown.y.min(), shown.y.max()) == pytest.approx((-4.375, 4.375))  # all of the domain
    assert fine.manifest["runs"] == 64


def test_the_bits_of_a_run_that_both_have_are_the_same(coarse):
    """A window whose cells include those of the sweep."""
    same = gdexp.zoom(coarse, {"x0_0": (-5, 5), "x0_1": (-5, 5)})
    for name in ("x", "f", "steps"):
        assert same.runs[name].equals(coarse.runs[name])


def test_it_is_written_where_it_is_told_to(coarse, tmp_path):
    gdexp.zoom(coarse, {"momentum": 0.0}, directory=tmp_path / "fine")
    assert gdexp.load(tmp_path / "fine").manifest["runs"] == 80
    with pytest.raises(UsageError, match="already holds a sweep"):
        gdexp.zoom(coarse, {"momentum": 0.0}, directory=tmp_path / "fine")


def test_what_is_no_axis_is_said(coarse):
    with pytest.raises(UsageError, match="no axis 'x0_2' to zoom into: did you mean x0_"):
        gdexp.zoom(coarse, {"x0_2": (0, 1)})


@pytest.mark.slow
def test_no_axis_moves_that_was_not_named(coarse):
    two = gdexp.sweep(["himmelblau", "griewank"], start={"grid": 4}, stop_max_steps=2)
    with pytest.raises(UsageError, match="domains of their own"):
        gdexp.zoom(two, {"x0_0": (-1, 1)})
    with pytest.raises(UsageError, match="give it two ends"):
        gdexp.zoom(coarse, {"x0_0": 0.5})


def test_a_file_that_has_changed_is_not_run(tmp_path):
    from gdexp import api, job

    code = tmp_path / "mine.py"
    code.write_text("def f(x):\n    return (x * x).sum()\n")
    card = {"file": {"path": f"{code}:f", "dim": 2}}
    job.run(api.experiment(card, grid={"learning_rate": [0.1, 0.2]}), tmp_path / "sweep")
    code.write_text("def f(x):\n    return (x * x).sum() * 2\n")
    with pytest.raises(UsageError, match="has changed since the sweep"):
        gdexp.load(tmp_path / "sweep", allow_code=True).race()


@pytest.mark.slow
def test_a_callable_is_zoomed_into_and_code_of_others_is_not_run(tmp_path):
    found = gdexp.sweep(lambda x, y: x**2 + y**2, grid={"learning_rate": [0.1, 0.2, 0.3]})
    assert gdexp.zoom(found, {"learning_rate": (0.1, 0.2)}, num=5).manifest["runs"] == 5
    (tmp_path / "mine.py").write_text("def f(x):\n    return (x * x).sum()\n")
    from gdexp import api, job

    asked = api.experiment(
        {"file": {"path": f"{tmp_path}/mine.py:f", "dim": 2}}, grid={"learning_rate": [0.1, 0.2]}
    )
    job.run(asked, tmp_path / "sweep")
    with pytest.raises(UsageError, match="allow_code=True"):
        gdexp.zoom(gdexp.load(tmp_path / "sweep"), {"learning_rate": 0.1})
    trusted = gdexp.load(tmp_path / "sweep", allow_code=True)
    assert gdexp.zoom(trusted, {"learning_rate": 0.1}).manifest["runs"] == 1
