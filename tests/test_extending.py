"""A larger sweep takes what a smaller one has made, and has the bits of one made at once."""

import json
import shutil

import numpy as np
import pytest
from cases import sifted

import gdexp
from gdexp import __main__, api, columns, engine, job, plan
from gdexp.verify import NotTheSameError

GRID = {"learning_rate": [0.005, 0.3], "momentum": [0.0, 0.9]}


def few(directory=None, **keys):
    asked = {"optimizer": "sgd", "grid": GRID, "start": {"uniform": 40}, "stop_max_steps": 60}
    return job.run(api.experiment(["himmelblau", "beale"], **(asked | keys)), directory)


def more(**keys):
    """The larger sweep, made at once."""
    return few(**keys)


CHANGES = [  # changes, the same as arguments, runs taken of 320
    ({"start.num": 70}, {"start": {"uniform": 70}}, 320),
    ({"start.num": 10}, {"start": {"uniform": 10}}, 80),
    (
        {"grid.learning_rate": [0.1, 0.3, 0.5, 0.005]},
        {"grid": GRID | {"learning_rate": [0.1, 0.3, 0.5, 0.005]}},
        320,
    ),
    (
        {"grid.momentum": [0.9], "start.num": 50},
        {"grid": GRID | {"momentum": [0.9]}, "start": {"uniform": 50}},
        160,
    ),
    ({"grid.learning_rate": [0.1]}, {"grid": GRID | {"learning_rate": [0.1]}}, 0),
    ({"start.low": -1.0}, {"start": {"uniform": {"num": 40, "low": -1.0}}}, 0),
    ({"replicates": 2}, {"replicates": 2}, 320),
]


@pytest.fixture(scope="module")
def small():
    return few()


@pytest.mark.parametrize(
    ("changes", "keys", "taken"),
    sifted([pytest.param(*c, id=str(c[0])) for c in CHANGES], 9),
)
def test_it_has_the_bits_of_a_sweep_made_at_once(small, changes, keys, taken):
    found, wanted = gdexp.extend(small, changes), more(**keys)
    assert columns.digest(found.runs) == columns.digest(wanted.runs)
    assert found.manifest["taken"]["runs"] == taken
    assert found.minima.equals(wanted.minima) and found.labels.equals(wanted.labels)
    for told in (found.summary, wanted.summary):
        for timing in ("seconds", "compile_seconds", "runs_per_second"):
            told.pop(timing)
    assert found.summary == wanted.summary


def test_only_what_is_missing_is_descended(small, monkeypatch):
    made = []
    run = engine.stream.run

    def counted(tiles, devices, program, sign, settings, wanted):
        def noted(tile):
            made.append(len(wanted(tile)))
            return wanted(tile)

        return run(tiles, devices, program, sign, settings, noted)

    monkeypatch.setattr(engine.stream, "run", counted)
    found = gdexp.extend(small, {"start.num": 45})
    assert found.runs.num_rows == 360
    canaries, new = made[:2], made[2:]
    assert sum(new) == 40 and sum(canaries) <= 2 * 1024


@pytest.mark.parametrize("tile_runs", [64, pytest.param(16, marks=pytest.mark.slow)])
def test_it_takes_runs_into_tiles_of_any_size(small, monkeypatch, tile_runs):
    """One tile takes from several, and several from one."""
    changes = {"start.num": 70, "grid.learning_rate": [0.005, 0.1, 0.3]}
    wanted = more(start={"uniform": 70}, grid=GRID | {"learning_rate": [0.005, 0.1, 0.3]})
    assert len(list(small.plan.tiles())) == 2
    before = list(small.plan.tiles())
    monkeypatch.setattr(plan.Plan, "tiles", _tiles(tile_runs, before, small.plan))
    found = gdexp.extend(small, changes)
    assert columns.digest(found.runs) == columns.digest(wanted.runs)


def _tiles(size, before, planned):
    """A rule for tiles that leaves those of `planned` as they are."""

    def tiles(self):
        if self is planned:
            yield from before
            return
        part = 0
        for group in self.groups:
            for first in range(0, group.count, size):
                yield plan.Tile(
                    part, group.index, group.first + first, min(size, group.count - first)
                )
                part += 1

    return tiles


@pytest.mark.slow
def test_targets_cycles_and_points_come_along():
    keys = {"start": [[0.5], [0.8]], "stop_targets": [0.2, 1e-9], "dtype": "float64"}
    small = gdexp.sweep("double_well", grid={"learning_rate": [0.1, 1.1]}, **keys)
    assert set(small.runs["outcome"].to_pylist()) >= {"cycling", "converged"}
    found = gdexp.extend(small, {"start.points": [[0.5], [0.8], [-1.2]]})
    keys["start"] = [[0.5], [0.8], [-1.2]]
    wanted = gdexp.sweep("double_well", grid={"learning_rate": [0.1, 1.1]}, **keys)
    assert columns.digest(found.runs) == columns.digest(wanted.runs)
    assert found.manifest["taken"]["runs"] == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "noisy",
    [
        {"gradient": {"autodiff": {"noise": 0.5}}},
        pytest.param({"optimizer": "noisy_sgd"}, marks=pytest.mark.slow),
    ],
)
def test_noise_follows_from_the_place_in_the_sweep_and_is_made_again(noisy):
    """It comes from a run's number: taken is what has the same."""
    keys = {"grid": {"learning_rate": [0.01, 0.02]}, **noisy}
    small = gdexp.sweep("paraboloid", start={"uniform": 30}, stop_max_steps=20, **keys)
    found = gdexp.extend(small, {"start.num": 50})
    wanted = gdexp.sweep("paraboloid", start={"uniform": 50}, stop_max_steps=20, **keys)
    assert columns.digest(found.runs) == columns.digest(wanted.runs)
    assert found.manifest["taken"]["runs"] == 30


@pytest.mark.slow
def test_so_do_numbers_that_are_drawn():
    keys = {"draw": {"learning_rate": "uniform:0:0.1"}}
    small = gdexp.sweep("paraboloid", start={"uniform": 30}, **keys)
    found = gdexp.extend(small, {"start.num": 50})
    wanted = gdexp.sweep("paraboloid", start={"uniform": 50}, **keys)
    assert columns.digest(found.runs) == columns.digest(wanted.runs)
    assert found.manifest["taken"]["runs"] == 30


# -- from files, by the command ----------------------------------------------------------------


@pytest.fixture
def say(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def say(*words):
        try:
            code = __main__.main(["resume", *map(str, words)])
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        return code, out + err

    return say


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder that no test may change."""
    return few(tmp_path_factory.mktemp("stored") / "few").directory


@pytest.fixture
def folder(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "few")


@pytest.mark.slow
def test_the_command_writes_a_folder_of_its_own(say, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, told = say("few", "start.num=70", "grid.learning_rate=0.3,0.005,0.1", "hydra.run.dir=new")
    assert code == 0 and "results: new" in told
    found = gdexp.load("new")
    rates = [0.3, 0.005, 0.1]
    wanted = more(start={"uniform": 70}, grid=GRID | {"learning_rate": rates})
    assert columns.digest(found.runs) == columns.digest(wanted.runs)
    assert found.manifest["taken"]["runs"] == 320
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert __main__.main(["reproduce", "new"]) == 0


@pytest.mark.slow
def test_damaged_files_are_not_taken(say, folder):
    part = folder / "runs" / "part-000001.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    assert say("few", "start.num=50", "hydra.run.dir=new")[0] == 0
    found = gdexp.load("new")
    assert columns.digest(found.runs) == columns.digest(more(start={"uniform": 50}).runs)
    assert found.manifest["taken"]["runs"] == 160


def test_a_sweep_that_was_cut_short_gives_what_it_has(say, folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"complete": False, "tiles": [], "programs": []}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "runs" / "part-000000.parquet").unlink()
    assert say("few", "start.num=50", "hydra.run.dir=new")[0] == 0
    assert gdexp.load("new").manifest["taken"]["runs"] == 160


def test_other_bits_are_refused_and_nothing_is_left(say, folder, monkeypatch):
    stored = columns.ends_of

    def changed(table):
        ends = stored(table)
        return ends._replace(f=ends.f + np.float32(1e-3))

    monkeypatch.setattr(columns, "ends_of", changed)
    code, told = say("few", "start.num=50", "hydra.run.dir=new")
    assert code == 3 and "NOT THE SAME BITS here: 160 runs of few differ" in told
    assert not (folder.parent / "new").exists()
    with pytest.raises(NotTheSameError):
        gdexp.extend(gdexp.load("few"), {"start.num": 50})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["start.nmu=9"], "did you mean start.num?"),
        (
            ["stop.max_steps=9"],
            "(these can grow: start.num, start.low, start.high, grid.learning_rate",
        ),
        (["start.num=many"], "start.num=many is not a number"),
        (["grid.learning_rate=log:0:1:3"], "type lin:0:1:3"),
        (["hydra.run.dir=new"], "what is there to be more of?"),
        (["start.num=50", "hydra.run.dir=few"], "few already holds a sweep"),
    ],
)
def test_wrong_words_are_refused(say, folder, words, told):
    code, said = say("few", *words)
    assert code == 2 and told in said
    assert [path.name for path in folder.parent.iterdir()] == ["few"]


def test_a_sweep_that_kept_some_columns_only_cannot_be_extended(tmp_path):
    some = few(tmp_path / "few", store_columns=["outcome", "x"])
    with pytest.raises(gdexp.UsageError, match="kept only some columns"):
        gdexp.extend(some, {"start.num": 50})
    shutil.rmtree(tmp_path / "few")
