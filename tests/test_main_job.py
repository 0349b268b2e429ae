"""`python -m gdexp +sweep=lr_grid`, as a user runs it: real process, real files, real readers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import gdexp

COLUMNS = [
    *("run", "objective", "optimizer", "learning_rate", "start", "replicate", "x0", "x", "f0"),
    *("f", "f_best", "grad_norm", "steps", "evaluations", "outcome", "reason", "period"),
]


def call(*words, cwd, **options):
    """Runs `python -m gdexp WORDS` and returns the finished process."""
    command = [sys.executable, "-m", "gdexp", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, **options)


def inspect(folder, *flags):
    """What W&B's own reader tells of a run's folder."""
    wandb = Path(sys.executable).with_name("wandb")
    told = subprocess.run(
        [wandb, "leet", "inspect", *flags, "--json", folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return told.stdout


@pytest.fixture(scope="module")
def lr_grid(tmp_path_factory):
    """The process and the output directory of the main job."""
    cwd = tmp_path_factory.mktemp("lr_grid")
    done = call("+sweep=lr_grid", cwd=cwd)
    assert done.returncode == 0, done.stderr
    [directory] = cwd.glob("outputs/*/*")
    return done, directory


def test_every_file_of_the_contract_is_there(lr_grid):
    _, directory = lr_grid
    names = {path.name for path in directory.iterdir()}
    assert {"config.yaml", "manifest.json", "runs", "summary.json", "wandb", ".hydra"} <= names
    assert not list(directory.rglob(".*.parquet.*")), "no temporary file is left"


def test_runs_are_complete_numbered_and_in_order(lr_grid):
    _, directory = lr_grid
    runs = gdexp.load(directory).runs
    assert runs.column_names == COLUMNS
    assert runs["run"].to_pylist() == list(range(2 * 64 * 256))
    first, last = runs.slice(0, 1).to_pylist()[0], runs.slice(2 * 64 * 256 - 1).to_pylist()[0]
    assert (first["objective"], last["objective"]) == ("paraboloid", "two_wells")
    assert (first["learning_rate"], last["learning_rate"]) == (0.001, 1.0)
    assert first["x0"] == pytest.approx([-4.6875, -4.6875]), "the centre of the first cell"
    schemas = {str(pq.read_schema(p)) for p in (directory / "runs").iterdir()}
    assert len(schemas) == 1


def test_the_terminal_shows_what_the_files_say(lr_grid):
    done, directory = lr_grid
    summary = json.loads((directory / "summary.json").read_text())
    for group in summary["groups"]:
        rows = [s for s in done.stdout.splitlines() if s.startswith(f"{group['objective']} × ")]
        [line] = [row for row in rows if "16,384" in row]
        assert f"{100 * group['outcomes']['converged'] / 16384:.1f} %" in line
    assert str(directory.relative_to(directory.parents[2])) in done.stdout
    assert "Traceback" not in done.stderr


def test_the_manifest_says_what_made_it(lr_grid):
    _, directory = lr_grid
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert [p["lanes"] for p in manifest["programs"]] == [1024, 1024]
    assert manifest["versions"]["jax"]
    assert sum(tile["count"] for tile in manifest["tiles"]) == 2 * 64 * 256


def test_the_saved_config_is_whole_and_plain(lr_grid):
    _, directory = lr_grid
    text = (directory / "config.yaml").read_text()
    config = yaml.safe_load(text)
    assert "${" not in text
    assert "_target_" not in text
    assert config["sweep"] == "lr_grid"
    assert config["optimizer"]["sgd"] == {
        "learning_rate": 0.1,
        "momentum": None,
        "nesterov": False,
    }
    assert config["start"] == {"name": "grid", "num": 16, "low": None, "high": None}


def test_wandbs_own_reader_finds_config_summary_and_history(lr_grid):
    _, directory = lr_grid
    [folder] = (directory / "wandb").glob("offline-run-*")
    told = json.loads(inspect(folder, "--summary"))
    summary = json.loads((directory / "summary.json").read_text())
    assert told["config"]["stop"]["max_steps"] == 2000
    assert told["config"]["grid"] == {"learning_rate": "log:1e-3:1:64"}
    assert told["summary"]["outcomes/converged"] == summary["outcomes"]["converged"]
    assert told["summary"]["best/f"] == summary["best"]["f"]
    records = [json.loads(line) for line in inspect(folder).splitlines()]
    history = [record["history"]["item"] for record in records if record["type"] == "history"]
    done = [row["runs_done"] for row in history if "runs_done" in row]
    assert done == sorted(done)
    assert done[-1] == 2 * 64 * 256


def test_the_parquet_files_lie_in_the_wandb_run_as_well(lr_grid):
    _, directory = lr_grid
    [folder] = (directory / "wandb").glob("offline-run-*")
    for path in (directory / "runs").iterdir():
        copy = folder / "files" / "runs" / path.name
        assert not copy.is_symlink()
        assert copy.read_bytes() == path.read_bytes()
    [table] = (folder / "files" / "media" / "table").glob("runs_*")
    assert len(json.loads(table.read_text())["data"]) == 10_000


@pytest.mark.slow
def test_running_again_gives_the_same_tiles(lr_grid, tmp_path):
    _, directory = lr_grid
    done = call("+sweep=lr_grid", "wandb.mode=disabled", "hydra.run.dir=again", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tiles = [
        json.loads((d / "manifest.json").read_text())["tiles"]
        for d in (directory, tmp_path / "again")
    ]
    assert tiles[0] == tiles[1]
    assert not (tmp_path / "again" / "wandb").exists()


@pytest.mark.slow
def test_traces_hold_every_kth_state_of_the_runs_asked_for(tmp_path):
    done = call(
        *("+sweep=lr_grid", "start=own", "trace.every=10", "trace.runs=[0,5,64]"),
        *("wandb.mode=disabled", "hydra.run.dir=out"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = gdexp.load(tmp_path / "out")
    ends = {row["run"]: row for row in found.runs.to_pylist()}
    traced = found.traces.to_pylist()
    assert sorted({row["run"] for row in traced}) == [0, 5, 64]
    for run in (0, 5, 64):
        mine = [row for row in traced if row["run"] == run]
        assert [row["step"] for row in mine[:-1]] == list(range(0, ends[run]["steps"], 10))
        assert (mine[0]["x"], mine[0]["f"]) == (ends[run]["x0"], ends[run]["f0"])
        assert (mine[-1]["x"], mine[-1]["f"]) == (ends[run]["x"], ends[run]["f"])


@pytest.mark.slow
def test_a_million_runs_take_minutes_and_little_memory(tmp_path):
    resource = pytest.importorskip("resource", reason="POSIX tells a process's peak memory")
    words = ["objective=two_wells", "draw.learning_rate=loguniform:1e-3:0.5", "start=uniform"]
    words += ["start.num=1000000", "stop.max_steps=2000", "hydra.run.dir=out"]
    done = call(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    assert peak < 2e9
    runs = gdexp.load(tmp_path / "out").runs
    assert np.array_equal(runs["run"], np.arange(1_000_000))


PEAK = """
import sys, gdexp
from pathlib import Path
from gdexp.__main__ import main
assert main(sys.argv[1:]) == 0
assert len(gdexp.load("out").sample(100)) == 100
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak of a process alone")
@pytest.mark.parametrize("words", [[], ["store.columns=[outcome]"]], ids=["all", "outcome"])
def test_ten_million_runs_take_the_memory_of_one_million(tmp_path, words):
    peaks = []
    for count in (1_000_000, 10_000_000):
        folder = tmp_path / f"{count}"
        folder.mkdir()
        sweep = ["objective=parabola", "start=uniform", f"start.num={count}", *words]
        sweep += ["stop.max_steps=3", "wandb.mode=disabled", "hydra.run.dir=out"]
        command = [sys.executable, "-c", PEAK, *sweep]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < 1.1 * peaks[0]
