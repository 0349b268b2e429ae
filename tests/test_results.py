"""What a user holds: the same in memory and from files, and every view agrees with the table."""

import itertools
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray

import gdexp
from gdexp import api, columns, job
from gdexp.base import Ends, Outcome, Reason

RATES = [0.5, 0.1, 0.001]  # falling: axes keep the order given
RACE = api.experiment(
    ["two_wells", "paraboloid"],
    optimizer=["sgd", "adam"],
    grid={"learning_rate": RATES},
    draw={"momentum": "uniform:0:0.5"},
    start={"uniform": 4},
    replicates=2,
    stop_max_steps=300,
    stop_targets=[0.5, -100.0],
    trace_every=7,
    trace_runs=[0, 25, 95],
)
COLUMNS_OF_A_STATE = ["run", "step", "f", "grad_norm", "x"]


@pytest.fixture(scope="module")
def made():
    """RACE in memory, and the ends that the engine gave for it."""
    ends, table = [], columns.run_table

    def watched(*arguments):
        ends.append(arguments[-2:])  # the tile and its ends
        return table(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "run_table", watched)
        made = job.run(RACE, None)
    return made, [part for _, part in sorted(ends, key=lambda pair: pair[0])]  # in order of runs


@pytest.fixture(scope="module")
def memory(made):
    return made[0]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("race")
    job.run(RACE, directory)
    return directory


@pytest.fixture(scope="module", params=["memory", "files"])
def race(request, memory, directory):
    return memory if request.param == "memory" else gdexp.load(directory)


@pytest.fixture(scope="module")
def uneven():
    """Two groups whose axes differ: only sgd has momentum."""
    grid = {"learning_rate": [0.1, 0.01], "momentum": [0.0, 0.5, 0.9]}
    return gdexp.sweep("paraboloid", optimizer=["sgd", "adam"], grid=grid, start={"grid": 2})


@pytest.fixture(scope="module")
def zipped():
    return gdexp.sweep(
        "paraboloid",
        grid={"learning_rate": [0.1, 0.2, 0.3], "momentum": [0.0, 0.5, 0.9]},
        zip=["learning_rate", "momentum"],
        start=[[3, 3], [1, 0]],
        stop_targets=[0.0],
    )


@pytest.fixture(scope="module")
def mixed():
    """Points of one dimension and of two."""
    return gdexp.sweep(["parabola", "paraboloid"], stop_max_steps=3)


@pytest.fixture(scope="module")
def many():
    """More runs than a tile holds."""
    return gdexp.sweep("parabola", start={"uniform": 70_000}, stop_max_steps=1)


# -- the same in memory and in files -----------------------------------------------------------


def test_files_hold_the_bits_that_memory_holds(memory, directory):
    loaded = gdexp.load(directory)
    for table in ("runs", "traces"):
        kept, read = getattr(memory, table), getattr(loaded, table)
        assert kept.schema.equals(read.schema)
        assert columns.digest(kept) == columns.digest(read)
    assert [t["sha256"] for t in memory.manifest["tiles"]] == [
        t["sha256"] for t in loaded.manifest["tiles"]
    ]


def test_what_is_told_of_a_sweep_is_the_same(memory, directory):
    loaded = gdexp.load(str(directory))
    assert loaded.config == memory.config
    assert loaded.directory == directory
    timings = ("seconds", "compile_seconds", "runs_per_second")
    told, read = (
        {k: v for k, v in r.summary.items() if k not in timings} for r in (memory, loaded)
    )
    assert told == read
    pd.testing.assert_frame_equal(memory.to_pandas(), loaded.to_pandas())
    xarray.testing.assert_identical(memory.to_xarray(), loaded.to_xarray())


def test_every_part_of_a_folder_has_one_schema(directory):
    parts = sorted((directory / "runs").iterdir())
    schemas = [pq.read_schema(part) for part in parts]
    assert len(schemas) == 4
    assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)


def test_rows_are_the_ends_that_the_engine_gave(made):
    table, ends = made[0].runs, Ends(*map(np.concatenate, zip(*made[1], strict=True)))
    for name in ("f0", "f", "f_best", "grad_norm", "steps", "evaluations"):
        assert table[name].to_numpy().tobytes() == getattr(ends, name).tobytes()
    assert table["x"].to_pylist() == ends.x.tolist()
    assert table["reason"].to_pylist() == [Reason(code).label for code in ends.reason]
    assert table["outcome"].to_pylist() == [Reason(code).outcome for code in ends.reason]


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(gdexp.UsageError, match="it is not a gdexp output folder"):
        gdexp.load(tmp_path)


def test_it_says_what_it_is(race):
    assert str(race).startswith("<gdexp.Results ")
    assert "96 runs: " in str(race)


# -- runs and traces ---------------------------------------------------------------------------


def test_runs_are_numbered_in_order_over_every_axis(race):
    table = race.runs
    assert table["run"].to_pylist() == list(range(96))
    axes = [["two_wells", "paraboloid"], ["sgd", "adam"], RATES, range(4), range(2)]
    names = ["objective", "optimizer", "learning_rate", "start", "replicate"]
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    assert list(rows) == list(itertools.product(*axes))


def test_a_drawn_key_is_null_where_it_does_not_apply(race):
    rows = race.runs.select(["optimizer", "momentum"]).to_pylist()
    assert {row["momentum"] is None for row in rows if row["optimizer"] == "adam"} == {True}
    assert all(0 < row["momentum"] < 0.5 for row in rows if row["optimizer"] == "sgd")


def test_traces_begin_at_x0_and_end_where_their_runs_end(race):
    traces = race.traces.to_pandas()
    runs = race.runs.to_pandas().set_index("run")
    assert list(traces.columns) == COLUMNS_OF_A_STATE
    assert sorted(set(traces["run"])) == [0, 25, 95]
    for run, states in traces.groupby("run"):
        first, last, ended = states.iloc[0], states.iloc[-1], runs.loc[run]
        assert first["step"] == 0
        assert first["f"] == ended["f0"]
        assert first["x"].tolist() == ended["x0"].tolist()
        assert (last["f"], last["grad_norm"]) == (ended["f"], ended["grad_norm"])
        assert last["x"].tolist() == ended["x"].tolist()
        assert (states["step"].diff().dropna() > 0).all()
        assert set(states["step"].iloc[:-1] % 7) == {0}


def test_traces_that_were_not_asked_for_are_refused(uneven):
    with pytest.raises(gdexp.UsageError, match=r"no traces were recorded: add trace\.every=1"):
        uneven.traces  # noqa: B018


def test_a_single_run_has_its_path():
    found = gdexp.sweep("paraboloid", grid={"learning_rate": [0.1]})
    assert found.path.step.tolist() == list(range(48))
    assert found.path.x[-1].tolist() == found.runs["x"][0].as_py()
    assert found.path.f[-1] == found.runs["f"][0].as_py()
    assert str(found.path.outcome) == found.runs["outcome"][0].as_py() == "converged"


def test_a_sweep_has_no_path(race):
    assert race.path is None


def test_runs_of_two_tiles_are_one_table(many):
    assert many.runs["run"].to_pylist() == list(range(70_000))
    assert len(many.manifest["tiles"]) == 2


# -- a choice of columns -----------------------------------------------------------------------

CHOICES = [("outcome",), ("x", "f"), ("run", "momentum"), ("steps_to_target", "start", "reason")]


@pytest.fixture(scope="module", params=CHOICES, ids="+".join)
def choice(request):
    return request.param


@pytest.fixture(scope="module", params=["memory", "files"])
def chosen(request, choice, memory, directory, tmp_path_factory):
    """RACE as it is stored with `store.columns=choice`; its parts come in any order."""
    config = {**memory.config, "store": {"columns": list(choice)}}
    folder = tmp_path_factory.mktemp("chosen") if request.param == "files" else None
    found = gdexp.Results(directory=folder, manifest=memory.manifest, config=config)
    for part in (2, 0, 3, 1):
        table = pq.read_table(directory / "runs" / f"part-{part:06d}.parquet")
        found.add_runs(part, table.select([n for n in table.column_names if n in choice]))
    return found


def test_runs_have_the_columns_chosen_and_their_numbers(chosen, choice, memory):
    assert set(chosen.runs.column_names) == {"run", *choice}
    assert chosen.runs.equals(memory.runs.select(chosen.runs.column_names))
    assert chosen.select("run").equals(memory.runs.select(["run"]))
    assert chosen.sample(7).equals(memory.sample(7).select(chosen.runs.column_names))


def test_every_view_of_chosen_columns_is_part_of_the_whole(chosen, choice, memory):
    frame, dataset = chosen.to_pandas(), chosen.to_xarray()
    pd.testing.assert_frame_equal(frame, memory.to_pandas()[list(frame.columns)])
    names = [n for n in ("run", *choice) if n not in dataset.coords]
    xarray.testing.assert_identical(dataset, memory.to_xarray()[names])
    assert set(dataset.coords) == {"objective", "optimizer", "learning_rate", "start", "replicate"}


def test_a_column_that_was_not_kept_is_refused(chosen, choice):
    told = rf"'f0' was not kept: name it in store\.columns .* \(there: .*{choice[0]}"
    with pytest.raises(gdexp.UsageError, match=told):
        chosen.select("run", "f0")


def test_columns_are_selected_in_the_order_asked_for(race):
    assert race.select("f", "run").equals(race.runs.select(["f", "run"]))
    told = r"runs have no column 'outcomes': did you mean outcome\? \(there: run, obj"
    with pytest.raises(gdexp.UsageError, match=told):
        race.select("outcomes")


def test_runs_keep_their_numbers_where_parts_are_missing(uneven, tmp_path):
    """As in a sweep cut short, or one that others still work on."""
    config = {**uneven.config, "store": {"columns": ["outcome"]}}
    found = gdexp.Results(directory=tmp_path, manifest=uneven.manifest, config=config)
    with pytest.raises(gdexp.UsageError, match="nothing has been run yet"):
        found.select("outcome")
    found.add_runs(1, uneven.runs.slice(24, 8).select(["outcome"]))
    assert found.runs["run"].to_pylist() == list(range(24, 32))
    assert set(found.sample(32)["run"].to_pylist()) == set(range(24, 32))
    with pytest.raises(gdexp.UsageError, match="only 8 of 32 runs are here"):
        found.to_xarray()


def test_a_sweep_of_outcomes_alone_costs_less_than_a_byte_a_run(many, tmp_path):
    asked = api.experiment(
        "parabola", start={"uniform": 70_000}, stop_max_steps=1, store_columns=["outcome"]
    )
    found = job.run(asked, tmp_path)
    size = sum(path.stat().st_size for path in (tmp_path / "runs").iterdir())
    assert size < 70_000
    assert found.runs.equals(many.runs.select(["run", "outcome"]))
    assert gdexp.load(tmp_path).summary["outcomes"] == many.summary["outcomes"]


# -- samples -----------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_a_sample_takes_one_run_of_each_stretch(many, most):
    chosen = many.sample(most)["run"].to_numpy()
    edges = np.linspace(0, 70_000, most + 1)
    assert (np.searchsorted(edges, chosen, "right") - 1).tolist() == list(range(most))
    assert many.sample(most).equals(many.sample(most))


def test_a_sample_of_more_than_there_are_is_all(race):
    for most in (96, 10_000):
        sample = race.sample(most)
        assert columns.digest(sample) == columns.digest(race.runs)
    assert race.sample(10).schema.equals(race.runs.schema)


# -- pandas ------------------------------------------------------------------------------------


def test_a_frame_has_a_column_for_each_coordinate(race):
    frame, table = race.to_pandas(), race.runs
    lists = ("x0", "x", "steps_to_target")  # two coordinates, two targets
    spread = [
        new
        for name in table.column_names
        for new in ([f"{name}_0", f"{name}_1"] if name in lists else [name])
    ]
    assert list(frame.columns) == [*spread, "kind", "minimum_id"]
    for name in ("x0", "x"):
        points = np.array(table[name].to_pylist(), np.float32)
        assert (frame[[f"{name}_0", f"{name}_1"]].to_numpy() == points).all()
        assert frame[f"{name}_0"].dtype == np.float32
    assert frame["outcome"].tolist() == table["outcome"].to_pylist()
    assert frame["f"].tolist() == table["f"].to_pylist()


def test_words_of_a_frame_are_categories_without_what_cannot_be(race):
    counts = race.to_pandas()["outcome"].value_counts()
    assert set(counts.index) == set(map(str, Outcome))
    assert "running" not in race.to_pandas()["reason"].cat.categories


def test_a_shorter_point_has_no_value_in_a_longer_ones_column(mixed):
    frame = mixed.to_pandas()
    assert frame["x0_1"].isna().tolist() == [True, False]
    assert frame["x_1"].isna().tolist() == [True, False]
    assert frame["x0_0"].tolist() == [3, 3]


@pytest.mark.parametrize(
    ("dim", "names"), [(16, [f"x_{i}" for i in range(16)]), (17, ["x"])], ids=["16", "17"]
)
def test_a_frame_keeps_lists_from_17_dimensions_on(dim, names):
    found = gdexp.Results(directory=None, manifest={"runs": 2}, config={})
    points = np.arange(2.0 * dim).reshape(2, dim)
    found.add_runs(0, pa.table({"run": [0, 1], "x0": list(points), "x": list(points), "f": [0, 1]}))
    frame = found.to_pandas()
    assert list(frame.columns) == ["run", *(n.replace("x", "x0") for n in names), *names, "f"]
    assert (np.stack(frame[names].to_numpy().ravel()).ravel() == points.ravel()).all()


# -- xarray ------------------------------------------------------------------------------------


def at(dataset, row, axes):
    """The entry of a dataset at the coordinates of a row of the table."""
    return dataset.sel({axis: row[axis] for axis in axes if axis in dataset.dims})


def test_every_value_of_a_dataset_lies_at_its_runs_coordinates(race):
    dataset = race.to_xarray()
    axes = ["objective", "optimizer", "learning_rate", "start", "replicate"]
    assert isinstance(dataset, xarray.Dataset)
    assert list(dataset.sizes.values()) == [2, 2, 3, 4, 2, 2, 2]
    assert list(dataset.sizes) == [*axes, "dim", "target"]
    assert dataset["f"].dims == tuple(axes)
    for row in race.runs.to_pylist():
        entry = at(dataset, row, axes)
        for name in ("run", "f0", "f", "f_best", "grad_norm", "steps", "outcome", "reason"):
            assert entry[name].item() == row[name] or math.isnan(row[name])
        for name in ("x0", "x"):
            assert entry[name].values.tolist() == row[name]
        assert entry["steps_to_target"].values.tolist() == [
            -1 if step is None else step for step in row["steps_to_target"]
        ]
        assert row["momentum"] is None or entry["momentum"].item() == row["momentum"]
        assert row["momentum"] is not None or np.isnan(entry["momentum"].item())


def test_axes_of_a_dataset_keep_the_order_given(race):
    dataset = race.to_xarray()
    assert dataset["objective"].values.tolist() == ["two_wells", "paraboloid"]
    assert dataset["optimizer"].values.tolist() == ["sgd", "adam"]
    assert dataset["learning_rate"].values.tolist() == RATES
    assert dataset["start"].values.tolist() == [0, 1, 2, 3]
    assert dataset["f"].dtype == np.float32
    assert dataset["run"].dtype == np.int64
    assert "period" not in dataset


def test_groups_with_different_axes_are_branches_of_a_tree(uneven):
    tree = uneven.to_xarray()
    assert isinstance(tree, xarray.DataTree)
    branches = {name: tree["paraboloid"][name].to_dataset() for name in ("sgd", "adam")}
    assert branches["sgd"]["f"].dims == ("learning_rate", "momentum", "start", "replicate")
    assert branches["adam"]["f"].dims == ("learning_rate", "start", "replicate")
    axes = ["learning_rate", "momentum", "start", "replicate"]
    for row in uneven.runs.to_pylist():
        entry = at(branches[row["optimizer"]], row, axes)
        assert entry["run"].item() == row["run"]
        assert entry["x"].values.tolist() == row["x"]


def test_points_of_different_dimensions_are_branches_of_a_tree(mixed):
    tree = mixed.to_xarray()
    assert tree["parabola/sgd"]["x"].shape == (1, 1, 1)
    assert tree["paraboloid/sgd"]["x"].shape == (1, 1, 2)
    assert tree["paraboloid/sgd"]["run"].item() == 1


def test_zipped_keys_are_two_coordinates_of_one_dimension(zipped):
    dataset = zipped.to_xarray()
    both = "learning_rate+momentum"
    assert dataset["f"].dims == ("objective", "optimizer", both, "start", "replicate")
    assert dataset["learning_rate"].dims == dataset["momentum"].dims == (both,)
    assert dataset["momentum"].values.tolist() == [0.0, 0.5, 0.9]
    for row in zipped.runs.to_pylist():
        [place] = np.flatnonzero(dataset["learning_rate"].values == row["learning_rate"])
        entry = dataset.isel({both: place}).sel(start=row["start"])
        assert entry["run"].item() == row["run"]
        assert entry["momentum"].item() == row["momentum"]
        assert entry["x"].values.ravel().tolist() == row["x"]


def test_views_say_what_to_install(race, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(gdexp.UsageError, match=r"this needs xarray: pip install 'gdexp\[frames\]'"):
        race.to_xarray()


# -- summary -----------------------------------------------------------------------------------


def test_counts_of_the_summary_are_those_of_the_table(race):
    frame = race.to_pandas()
    summary = race.summary
    assert summary["runs"] == len(frame) == 96
    assert summary["outcomes"] == frame["outcome"].value_counts().to_dict()
    assert list(summary["outcomes"]) == [str(outcome) for outcome in Outcome]
    groups = frame.groupby(["objective", "optimizer"], observed=True, sort=False)
    for told, (names, rows) in zip(summary["groups"], groups, strict=True):
        assert (told["objective"], told["optimizer"]) == names
        assert told["runs"] == len(rows)
        assert told["outcomes"] == rows["outcome"].value_counts().to_dict()
        counts = rows["reason"].value_counts()
        assert told["reasons"] == counts[counts > 0].to_dict()


def test_median_steps_of_the_summary_are_those_of_converged_runs(race):
    frame = race.to_pandas()
    for told in race.summary["groups"]:
        mine = (frame["objective"] == told["objective"]) & (frame["optimizer"] == told["optimizer"])
        steps = frame["steps"][mine & (frame["outcome"] == "converged")]
        assert told["median_steps"] == (None if steps.empty else steps.median())


def best_of(frame, sign=1):
    kept = frame[frame["outcome"] != "diverged"]
    return kept.loc[(sign * kept["f"]).idxmin()]


def test_the_best_run_of_the_summary_has_the_least_value_of_those_that_did_not_diverge(race):
    frame = race.to_pandas()
    best = best_of(frame)
    assert race.summary["best"] == {
        "run": best["run"],
        "f": best["f"],
        "objective": best["objective"],
        "optimizer": best["optimizer"],
    }
    for told in race.summary["groups"]:
        mine = (frame["objective"] == told["objective"]) & (frame["optimizer"] == told["optimizer"])
        best = best_of(frame[mine])
        assert told["best"] == {"run": best["run"], "f": best["f"], "x": [best["x_0"], best["x_1"]]}


def test_the_best_run_of_a_maximisation_has_the_largest_value():
    found = gdexp.sweep(
        "-(x-1)**2", direction="maximize", grid={"learning_rate": [0.01, 0.3]}, stop_max_steps=20
    )
    best = best_of(found.to_pandas(), sign=-1)
    assert found.summary["best"]["run"] == best["run"] == 1
    assert found.summary["best"]["f"] == best["f"] == found.runs["f_best"][1].as_py()


def test_thresholds_of_the_summary_lie_between_the_rates_where_most_begin_to_diverge(race):
    frame = race.to_pandas()
    lost = (frame["outcome"] == "diverged").groupby(
        [frame["objective"], frame["optimizer"], frame["learning_rate"]], observed=True
    )
    expected = []
    for objective, optimizer in itertools.product(["two_wells", "paraboloid"], ["sgd", "adam"]):
        most = [lost.mean()[objective, optimizer, rate] >= 0.5 for rate in sorted(RATES)]
        for low, high, before, after in zip(
            sorted(RATES), sorted(RATES)[1:], most, most[1:], strict=False
        ):
            if after and not before:
                expected.append(
                    {"objective": objective, "optimizer": optimizer, "learning_rate": [low, high]}
                )
    assert race.summary["thresholds"] == expected
    assert expected


def test_a_summary_is_plain(race):
    def plain(value):
        if isinstance(value, dict):
            return all(type(k) is str and plain(v) for k, v in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return value is None or type(value) in (str, int, float, bool)

    assert plain(race.summary)
    assert plain(race.manifest)
    assert plain(race.config)


def test_runs_are_an_arrow_table(race):
    assert isinstance(race.runs, pa.Table)
    assert race.runs["f"].num_chunks == 1
