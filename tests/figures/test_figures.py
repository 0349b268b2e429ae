"""Figures show what the results hold, and every kind is drawn of every kind of sweep."""

import json

import numpy as np
import pyarrow.compute as pc
import pytest
from cases import sifted

import gdexp
from gdexp import figures
from gdexp.drawing import Band, Bars, Cells, Line, Rule
from gdexp.rendering import in_matplotlib, in_plotly

KINDS = figures.kinds()
WELLS = {
    "grid": {"learning_rate": [0.003, 0.02, 0.05]},
    "start": {"uniform": 8},
    "stop_max_steps": 200,
}
SWEEPS = {  # what is unusual about it -> how it is made
    "two optimizers": lambda: gdexp.sweep("two_wells", optimizer=["sgd", "adam"], **WELLS),
    "a lattice": lambda: gdexp.sweep(
        "two_wells", grid={"learning_rate": [0.02]}, start={"grid": 5}, stop_max_steps=200
    ),
    "one dimension": lambda: gdexp.sweep(
        "double_well", grid={"learning_rate": [0.05, 0.2]}, start={"uniform": 6}
    ),
    "a hundred dimensions": lambda: gdexp.sweep(
        {"quadratic": {"dim": 100}}, grid={"learning_rate": [0.01, 0.05]}, start={"uniform": 4}
    ),
    "all diverge": lambda: gdexp.sweep(
        "paraboloid", grid={"learning_rate": [5.0, 9.0]}, start={"uniform": 4}
    ),
    "a maximisation": lambda: gdexp.sweep(
        "4 - x**2 - y**2",
        direction="maximize",
        grid={"learning_rate": [0.1, 0.2]},
        start={"uniform": 4},
    ),
    "one run": lambda: gdexp.sweep("himmelblau"),
    "nothing but starts": lambda: gdexp.sweep("himmelblau", start={"uniform": 5}),
    "a schedule's number": lambda: gdexp.sweep(
        "paraboloid",
        schedule="exponential",
        grid={"learning_rate": [0.1], "decay_rate": [0.9, 0.99]},
        stop_max_steps=30,
    ),
}
FIRST = ("two optimizers", "one dimension", "all diverge")  # in every run
made = {}


def sweep(name):
    if name not in made:
        made[name] = SWEEPS[name]()
    return made[name]


def drawing(name, kind, **options):
    """A figure, of the first optimizer where it needs one; None where it is refused with reason."""
    found = sweep(name)
    if name == "two optimizers" and kind in ("animate", "basins", "outcome_map", "thresholds"):
        options = {"optimizer": "sgd"} | options
    if name == "two optimizers" and kind == "trajectories":
        options = {"optimizer": "sgd"} | options
    return figures.of(kind)(found, **options)


REFUSED = {  # kind -> the sweeps that it is not for
    "thresholds": {"one run", "nothing but starts"},
    "race": {"one run", "a schedule's number"},
    "waterfall": {"all diverge", "nothing but starts", "one run"},  # none of which stays
}


@pytest.mark.parametrize(
    ("kind", "name"),
    sifted(
        [(kind, name) for kind in KINDS for name in SWEEPS],
        # an animation is the trajectories of many runs, and takes the longest
        [(kind, name) for kind in KINDS if kind != "animate" for name in FIRST],
    ),
)
def test_every_figure_is_drawn_of_every_sweep(kind, name):
    if name in REFUSED.get(kind, ()):
        with pytest.raises(gdexp.UsageError):
            drawing(name, kind)
        return
    shown = drawing(name, kind)
    assert shown.title and shown.told and shown.marks and shown.x.label and shown.y.label
    text = in_plotly.figure(shown).to_json()
    told = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert len(told["data"]) >= len([m for m in shown.marks if not isinstance(m, Rule)])
    assert any(_has_numbers(mark) for mark in shown.marks), "nothing is seen"
    assert in_matplotlib.figure(shown).axes


def _has_numbers(mark):
    each = {
        Line: lambda: np.isfinite(np.asarray(mark.y, float)),
        Band: lambda: np.isfinite(np.asarray(mark.high, float)),
        Bars: lambda: np.isfinite(np.asarray(mark.value, float)),
        Cells: lambda: np.asarray(mark.value, float) >= -1,
    }
    return type(mark) in each and each[type(mark)]().any()


def test_a_map_shows_the_map():
    found = sweep("two optimizers")
    shown = drawing("two optimizers", "outcome_map")
    expected = found.map("learning_rate", "start", optimizer="sgd")
    [cells] = shown.marks
    assert (cells.value == expected.value).all() and cells.names == expected.names
    assert shown.data["outcome"].to_pylist() == [
        expected.names[place] for place in expected.value.ravel()
    ]
    [heat] = in_plotly.figure(shown).data
    assert [text for row in heat.text for text in row] == shown.data["outcome"].to_pylist()


def test_a_large_map_is_thinned_and_says_so():
    found = gdexp.sweep(
        "parabola",
        grid={"learning_rate": np.linspace(0.01, 1.2, 300)},
        start={"uniform": 2},
        stop_max_steps=5,
    )
    shown = figures.of("outcome_map")(found)
    [cells] = shown.marks
    assert cells.value.shape == (2, 256) and "of 2 × 300" in shown.told
    assert cells.x[0] == 0.01 and cells.x[-1] == 1.2


def test_paths_begin_and_end_where_the_runs_do():
    found = sweep("two optimizers")
    shown = drawing("two optimizers", "trajectories", num=5)
    stored = {row["run"]: row for row in found.runs.to_pylist()}
    states = shown.data.to_pandas()
    assert len(set(states["outcome"])) == len(
        set(found.runs.filter(pc.equal(found.runs["optimizer"], "sgd"))["outcome"].to_pylist())
    )
    for run, rows in states.groupby("run"):
        first, last = rows.iloc[0], rows.iloc[-1]
        assert [first["x_0"], first["x_1"]] == stored[run]["x0"]
        assert [last["x_0"], last["x_1"]] == stored[run]["x"]
        assert last["outcome"] == stored[run]["outcome"]
        # the last state of one that diverged is that before it was no longer finite
        assert 0 <= stored[run]["steps"] - last["step"] <= (last["outcome"] == "diverged")


@pytest.mark.parametrize("kind", ["waterfall", "success", "race"])
def test_of_many_runs_a_sample_is_drawn_and_told(kind, monkeypatch):
    rates = {"learning_rate": [0.01]}
    found = gdexp.sweep("himmelblau", grid=rates, start={"uniform": 500}, stop_max_steps=50)
    assert "sample" not in figures.of(kind)(found).told
    for module in ("__init__", kind):
        name = "gdexp.figures" if module == "__init__" else f"gdexp.figures.{module}"
        monkeypatch.setattr(f"{name}.MOST_RUNS", 100)
    assert "a sample of 100 runs" in figures.of(kind)(found).told


def test_sorted_ends_are_the_values_sorted():
    found, shown = sweep("two optimizers"), drawing("two optimizers", "waterfall")
    for optimizer in ("sgd", "adam"):
        runs = found.to_pandas()
        kept = runs[(runs["optimizer"] == optimizer) & (runs["outcome"] != "diverged")]
        mine = shown.data.filter(pc.equal(shown.data["optimizer"], optimizer))
        assert mine["f"].to_pylist() == sorted(kept["f"])


def test_shares_by_learning_rate_are_counts():
    found, shown = sweep("two optimizers"), drawing("two optimizers", "thresholds")
    runs = found.to_pandas()
    runs = runs[runs["optimizer"] == "sgd"]
    share = (runs["outcome"] == "diverged").groupby(runs["learning_rate"]).mean()
    assert shown.data["diverged"].to_pylist() == share.tolist()
    rules = [mark for mark in shown.marks if isinstance(mark, Rule)]
    at_minima = sorted(rule.at for rule in rules if rule.label.startswith("2/L"))
    known = sorted(row["stability_threshold"] for row in found.minima.to_pylist())
    assert at_minima == pytest.approx(known, rel=1e-2)


def test_curves_are_those_of_the_table():
    found, shown = sweep("two optimizers"), drawing("two optimizers", "curves")
    lines = [mark for mark in shown.marks if isinstance(mark, Line)]
    table = found.curves.to_pandas()
    for line in lines:
        optimizer, rate = line.name.split(": learning_rate ")
        rows = table[(table["optimizer"] == optimizer) & (table["learning_rate"] == float(rate))]
        assert (line.x == rows["step"] + 1).all()
        there = np.isfinite(line.y)
        assert line.y[there] == pytest.approx(rows["f_q50"].to_numpy()[there])
        others = table[table["optimizer"] == optimizer].groupby("learning_rate")["f_q50"].last()
        assert rows["f_q50"].iloc[-1] == others.min()


def test_each_start_has_the_minimum_of_its_run():
    found, shown = sweep("a lattice"), drawing("a lattice", "basins")
    [cells, _] = shown.marks
    expected = found.map("x0_0", "x0_1", "minimum_id").value
    told = np.array([cells.names[place] for place in cells.value.ravel()])
    for one, other in zip(told, expected.ravel(), strict=True):
        assert one == "diverged" if other < 0 else one.startswith(f"{other}: f = ")


def test_a_race_shows_the_distribution():
    found, shown = sweep("two optimizers"), drawing("two optimizers", "race")
    assert shown.data.equals(found.distribution())
    assert {m.name.split(":")[0] for m in shown.marks if isinstance(m, Line)} == {"sgd", "adam"}


def test_frames_of_an_animation_hold_runs_that_go_on():
    shown = drawing("two optimizers", "animate", num=6)
    assert len(shown.frames) == len(shown.steps) and shown.steps[0] == "0"
    made = in_plotly.figure(shown)
    assert [frame.name for frame in made.frames] == list(shown.steps)
    assert all(len(f.data) == len(shown.frames[0]) == len(f.traces) for f in made.frames)


@pytest.mark.parametrize("form", sifted(["png", "svg", "gif"], 3))
def test_pictures_are_written(form, tmp_path):
    path = tmp_path / f"figure.{form}"
    in_matplotlib.save(drawing("a lattice", "animate" if form == "gif" else "basins"), path)
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "gif": b"GIF89a"}[form]
    assert path.read_bytes().startswith(begins)


def test_names_are_shown_letter_by_letter():
    hostile = "<b>$x^2$</b>&amp;\n<script>"
    shown = drawing("a lattice", "basins")._replace(title=hostile)
    text = in_plotly.figure(shown).layout.title.text
    assert not set("<>$\n") & set(text) and "&lt;script&gt;" in text
    assert in_matplotlib.plain("$x$") == r"\$x\$"


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("trajectory", {}, "did you mean trajectories"),
        ("trajectories", {"num": 0}, "give num=1 to 200"),
        ("trajectories", {}, "choose one objective and optimizer"),
        ("animate", {"num": 501}, "at most 500"),
        ("curves", {"value": "g"}, "type one of f, grad_norm"),
        ("curves", {"objective": "parabola"}, "no objective 'parabola'"),
        ("success", {"x": "momentum"}, "no axis 'momentum'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(kind, options, told):
    with pytest.raises(gdexp.UsageError, match=told):
        figures.of(kind)(sweep("two optimizers"), **options)


def test_they_are_plotlys_in_a_notebook():
    found = sweep("two optimizers")
    assert dir(found.plot) == list(KINDS)
    assert found.plot.race.__doc__ == figures.of("race").__doc__
    assert found.plot.race().to_plotly_json()["data"]
    with pytest.raises(gdexp.UsageError, match="did you mean race"):
        found.plot.rase()
