"""Curves are quantiles of replayed runs, on which no failed run is lost."""

import numpy as np
import pytest

import gdexp
from gdexp import api, engine, plan
from gdexp.analysis import curves
from gdexp.base import Ends, Reason
from gdexp.followup import curves as followup

RATES = [0.02, 0.1, 0.3]


@pytest.fixture(scope="module")
def found():
    return gdexp.sweep(
        ["paraboloid", "two_wells"],
        grid={"learning_rate": RATES},
        start={"uniform": 30},
        stop_max_steps=200,
        trace_every=1,
    )


def test_every_step_of_them_is_what_the_traces_say(found):
    table, traces, runs = found.curves.to_pandas(), found.traces.to_pandas(), found.to_pandas()
    assert (table["sample"] == 30).all()  # there are no more: all of them
    assert table.step.unique().tolist() == curves.log_spaced(200).tolist()
    for key, rows in table.groupby(["objective", "learning_rate"]):
        mine = runs[(runs.objective == key[0]) & (runs.learning_rate == key[1])].set_index("run")
        paths = traces[traces.run.isin(mine.index)]
        for row in rows.itertuples():
            now = paths[paths.step <= row.step].groupby("run").last()
            over = (mine.steps <= row.step) & (mine.outcome != "unfinished")
            lost = over & (mine.outcome == "diverged")
            assert row.diverged == pytest.approx(lost.mean())
            assert row.converged == pytest.approx((over & (mine.outcome == "converged")).mean())
            assert row.alive == pytest.approx(1 - over.mean())
            f = np.sort(np.where(lost, np.inf, now.f))
            for name, place in (("f_q05", 1), ("f_q50", 14), ("f_q95", 28)):
                assert getattr(row, name) == f[place]


def test_pooled_curves_are_of_all_points_together(found):
    traces, runs = found.traces.to_pandas(), found.to_pandas()
    told = curves.pooled(found.curves.schema.metadata)
    assert [(t["objective"], t["learning_rate"], t["sample"]) for t in told] == [
        (name, rate, 90 if rate is None else 30)
        for name in ("paraboloid", "two_wells")
        for rate in (None, *RATES)
    ]
    for one in told:
        mine = runs[runs.objective == one["objective"]].set_index("run")
        if one["learning_rate"] is not None:
            mine = mine[mine.learning_rate == one["learning_rate"]]
        paths = traces[traces.run.isin(mine.index)]
        for place in (0, 4, len(one["step"]) - 1):
            step = one["step"][place]
            now = paths[paths.step <= step].groupby("run").last()
            lost = (mine.steps <= step) & (mine.outcome == "diverged")
            assert one["diverged"][place] == pytest.approx(lost.mean())
            f = np.sort(np.where(lost, np.inf, now.f))
            median = f[len(f) // 2 - 1]
            assert one["f_q50"][place] == (median if np.isfinite(median) else None)


def test_a_sample_is_of_all_points_alike_and_fills_one_batch():
    asked = api.experiment(
        "paraboloid",
        grid={"learning_rate": np.geomspace(1e-3, 1, 300)},
        start={"uniform": 1000},
        stop_max_steps=20,
    )
    planned = plan.make(asked)
    [group] = planned.groups
    runs, points = followup.sample(group, 1024)
    assert runs.shape == (64, 16) and (runs // 1000 == points[:, None]).all()
    assert len(set((runs % 1000)[0])) == 16 and (runs % 1000 == runs[0] % 1000).all()
    table = followup.table(engine.Engine(asked, planned))
    assert table.schema.metadata[b"further_runs"] == b"1024"
    assert len(set(table["learning_rate"].to_pylist())) == 64


def test_a_folder_has_them_as_a_file(tmp_path):
    from gdexp import job

    asked = api.experiment("parabola", grid={"learning_rate": [0.1, 1.5]}, stop_max_steps=9)
    made = job.run(asked, tmp_path / "there")
    again = gdexp.load(tmp_path / "there")
    assert (tmp_path / "there" / "curves.parquet").exists()
    assert again.curves.equals(made.curves)
    assert again.curves.column_names[:8] == [
        *("objective", "optimizer", "learning_rate", "step", "sample"),
        *("alive", "converged", "diverged"),
    ]


def test_under_maximisation_the_lost_are_least():
    found = gdexp.sweep("-x**4", direction="maximize", grid={"learning_rate": [9.0]}, start=[[3.0]])
    last = found.curves.to_pylist()[-1]
    assert last["diverged"] == 1 and last["f_q50"] == -np.inf and last["grad_norm_q50"] == np.inf


@pytest.mark.slow
def test_groups_whose_axes_differ_and_a_drawn_number_have_their_columns():
    found = gdexp.sweep(
        "parabola",
        optimizer=["sgd", "adam"],
        grid={"b1": [0.5, 0.9]},
        draw={"learning_rate": "loguniform:1e-3:0.1"},
        stop_max_steps=3,
    )
    table = found.curves.to_pandas()
    assert table[table.optimizer == "sgd"].b1.isna().all()
    assert set(table[table.optimizer == "adam"].b1) == {0.5, 0.9}
    assert "learning_rate" not in table


def test_steps_are_spaced_by_their_logarithm():
    steps = curves.log_spaced(100_000)
    assert (steps[0], steps[1], steps[-1]) == (0, 1, 100_000) and len(steps) < 70
    ratio = steps[30:] / steps[29:-1]
    assert ratio.max() / ratio.min() < 1.1
    assert curves.log_spaced(1).tolist() == [0, 1]


def test_bands_by_hand():
    reason = np.array([[0, 0, 0, 0], [Reason.GRAD_TOL, Reason.ESCAPED, 0, Reason.NO_PROGRESS]])
    f = np.array([[4.0, 3.0, 2.0, 1.0], [0.0, 99.0, 1.0, 2.0]])
    none = np.zeros((2, 4))
    found = curves.bands(Ends(none, none, f, f, f, none, none, reason, none, none), 2, 1.0)
    assert found.alive.tolist() == [[1, 1], [0, 0.5]]
    assert found.converged.tolist() == [[0, 0], [0.5, 0]]
    assert found.diverged.tolist() == [[0, 0], [0.5, 0]]
    assert found.f[1, 0].tolist() == [0, 0, 0, np.inf, np.inf]
    assert found.f[1, 1].tolist() == [1, 1, 1, 2, 2]
