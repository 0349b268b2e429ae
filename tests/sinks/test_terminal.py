"""What a person reads: numbers that are true, lines that can be copied."""

import io

import numpy as np
import pytest
from rich.console import Console

import gdexp
from gdexp import api, plan
from gdexp.base import Outcome
from gdexp.sinks import Status, terminal


def text(*renderables, width=120):
    """What a terminal of that width shows."""
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    for renderable in renderables:
        console.print(renderable, soft_wrap=isinstance(renderable, str))
    return out.getvalue()


@pytest.fixture(scope="module")
def sweep():
    return gdexp.sweep(
        ["paraboloid", "himmelblau"],
        grid={"learning_rate": [1e-3, 0.01, 0.1, 0.24, 0.26, 1.0]},
        start={"grid": 4},
        stop_max_steps=300,
    )


def test_the_table_says_what_the_runs_say(sweep):
    lines = table(sweep).splitlines()
    assert lines[0].split()[:4] == ["objective", "×", "optimizer", "runs"]
    runs = sweep.runs.to_pylist()
    for line, name in zip(lines[1:], ("paraboloid", "himmelblau"), strict=True):
        mine = [r for r in runs if r["objective"] == name]
        assert line.startswith(f"{name} × sgd")
        assert str(len(mine)) in line.split()
        for outcome in ("converged", "diverged", "unfinished"):
            share = 100 * sum(r["outcome"] == outcome for r in mine) / len(mine)
            if share:
                assert f"{share:.1f} %" in line or share == 100
        steps = [r["steps"] for r in mine if r["outcome"] == "converged"]
        assert f" {np.median(steps):.7g} " in line
        best = min(r["f"] for r in mine if r["outcome"] != "diverged")
        assert f"{best:.7g}" in line
    assert "0.24 to 0.26" in lines[1]


def test_only_outcomes_that_occur_have_a_column(sweep):
    header = table(sweep).splitlines()[0]
    occur = set(sweep.runs["outcome"].to_pylist())
    assert occur < set(map(str, Outcome))
    for outcome in map(str, Outcome):
        assert (outcome in header) == (outcome in occur)


def table(results, width=120):
    console = Console(width=width)
    return text(*terminal.summary_lines(results.summary, console), width=width)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_narrow_terminal_loses_nothing(sweep, width):
    shown = table(sweep, width)
    assert "…" not in shown
    for turn in sweep.summary["thresholds"]:
        assert "{:.4g} to {:.4g}".format(*turn["learning_rate"]) in shown
    if width >= 80:
        assert all(len(line) <= width for line in shown.splitlines())


@pytest.mark.parametrize(
    ("count", "total", "shown"),
    [
        (0, 10, "–"),
        (10, 10, "100 %"),
        (1, 10**6, "<0.1 %"),
        (10**6 - 1, 10**6, ">99.9 %"),
        (1, 3, "33.3 %"),
    ],
)
def test_a_share_is_none_or_all_only_if_it_is(count, total, shown):
    assert terminal._share(count, total) == shown


def test_a_single_run_shows_its_path():
    found = gdexp.sweep("paraboloid")
    lines = text(terminal.path_table(found.path)).splitlines()
    assert lines[1].split() == ["0", "(3,", "3)", "72.5", "33.9"]
    assert lines[-2].split()[0] == "47"
    assert "converged (grad_tol)" in lines[-1]
    assert len(lines) <= terminal.MOST_STATES + 2


@pytest.mark.parametrize("max_steps", [0, 1, 2, 500])
def test_paths_of_any_length_begin_and_end_right(max_steps):
    path = gdexp.descend("rosenbrock", [-1.2, 1.0], learning_rate=1e-3, stop_max_steps=max_steps)
    steps = [int(line.split()[0]) for line in text(terminal.path_table(path)).splitlines()[1:-1]]
    assert (steps[0], steps[-1]) == (0, max_steps)
    assert steps == sorted(set(steps))


def test_progress_tells_count_speed_time_left_and_outcomes():
    status = Status(250, 1000, 2.0, {"converged": 200, "diverged": 50, "unfinished": 0})
    told = terminal._status(status, rich=False)
    assert told == ("250/1,000 · 0:06 left · converged 80 % · diverged 20 % · 125 runs/s")


def test_before_the_first_run_ends_no_time_is_promised():
    assert "? left" in terminal._status(Status(0, 10, 1.0, {}), rich=False)


def test_plain_lines_come_seldom_where_there_is_no_terminal(capsys, monkeypatch):
    asked = api.experiment("parabola")
    sink = terminal.Terminal(asked, plan.make(asked), None)
    for _ in range(50):
        sink.progress(Status(1, 10, 1.0, {"converged": 1}))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(terminal, "PLAIN_SECONDS", 0.0)
    sink.progress(Status(5, 10, 1.0, {"converged": 5}))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "gdexp: 5/10 · 0:01 left · converged 100 % · 5 runs/s\n")


def test_the_last_lines_can_be_copied(sweep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep_in_folder = type(
        "R",
        (),
        {
            "summary": sweep.summary,
            "config": sweep.config,
            "manifest": sweep.manifest,
            "directory": tmp_path / "a" / ("b" * 90),
        },
    )
    lines = text(*terminal.closing(sweep_in_folder), width=60).splitlines()
    assert f"results: a/{'b' * 90}" in lines
    assert any(line.endswith(f'gdexp.load("a/{"b" * 90}").runs') for line in lines)


def test_a_race_of_long_names_fits_eighty_columns():
    best = {"run": 0, "f": 1.063211e-08, "x": [1.0, 1.0]}
    outcomes = {"converged": 30, "diverged": 3011, "stalled": 0, "cycling": 0, "unfinished": 5151}
    group = {"objective": "rosenbrock", "runs": 8192, "outcomes": outcomes, "best": best}
    group["median_steps"] = 3639.5
    groups = [group | {"optimizer": name} for name in ("sgd", "adabelief")]
    turn = {"objective": "rosenbrock", "optimizer": "sgd", "learning_rate": [0.002626, 0.003535]}
    results = type("R", (), {"summary": {"groups": groups, "thresholds": [turn]}})
    lines = table(results, width=80).splitlines()
    assert all(len(line) <= 80 for line in lines)
    header, *rows = lines[:3]
    for word in ("objective × optimizer", "converged", "diverged", "unfinished", "best f", "steps"):
        assert word in header
    for row in rows:
        for word in ("8,192", "0.4 %", "36.8 %", "62.9 %", "1.063e-08", "3639.5"):
            assert word in row


def test_the_map_says_where_along_the_learning_rate_runs_end_how(sweep):
    lines = list(terminal.outcome_maps(sweep.summary))
    plain = text(*lines).splitlines()
    runs = sweep.runs.to_pylist()
    rates = sorted({r["learning_rate"] for r in runs})
    wide, at = 4, 14
    assert [line for line in plain if "×" in line] == ["paraboloid × sgd", "himmelblau × sgd"]
    drawn = {}
    for line in plain:
        if "×" in line:
            name = line.split()[0]
        elif line[:13].strip() in set(map(str, Outcome)):
            drawn[name, line[:13].strip()] = line[at : at + wide * len(rates)].ljust(24)
    occur = {(r["objective"], r["outcome"]) for r in runs}
    assert set(drawn) == occur
    for (name, outcome), blocks in drawn.items():
        for i, rate in enumerate(rates):
            mine = [r for r in runs if (r["objective"], r["learning_rate"]) == (name, rate)]
            share = sum(r["outcome"] == outcome for r in mine) / len(mine)
            [block] = set(blocks[wide * i : wide * (i + 1)])
            level = terminal.LEVELS.index(block)
            assert (level == 0) == (share == 0) and (level == 8) == (share == 1)
            assert share in (0, 1) or abs(level - 1 - 7 * share) <= 1
    assert plain[-1].startswith("learning rate 0.001") and plain[-1].endswith(" 1")


def test_a_map_of_many_learning_rates_is_as_wide_as_a_terminal_and_loses_none():
    rates = np.geomspace(1e-3, 1, 1000)
    counts = {"learning_rate": rates.tolist(), "converged": [1] * 999 + [0]}
    counts |= {"diverged": [0] * 999 + [1], "unfinished": [0] * 1000}
    group = {"objective": "f", "optimizer": "sgd", "by_learning_rate": counts}
    lines = text(*terminal.outcome_maps({"groups": [group] * 7})).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("3 other pairs" in line for line in lines)
    blocks = [line[14:].ljust(64) for line in lines[2:4]]
    assert blocks == ["█" * 63 + "▇", " " * 63 + "▁"]


def test_one_learning_rate_has_no_map():
    found = gdexp.sweep("parabola", grid={"learning_rate": [0.1]}, start={"uniform": 4})
    assert list(terminal.outcome_maps(found.summary)) == []
