"""Runs on their way to a W&B server: a small one on loopback, that works or does not."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import wandb_server

import gdexp
from gdexp import __main__, store

WANDB = Path(sys.executable).with_name("wandb")
ROOT = Path(__file__).parents[2]
SWEEP = ["objective=booth", "grid.learning_rate=log:0.01:0.1:4", "start=uniform", "start.num=8"]


def led_to(server, home):
    """An environment whose W&B account is at a server."""
    users = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    account = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": "b" * 40}
    return users | account | {"HOME": str(home), "WANDB_ERROR_REPORTING": "false"}


def gdexp_says(*words, cwd, env=None):
    return subprocess.run(
        [sys.executable, "-m", "gdexp", *words],
        cwd=cwd,
        env=(env or dict(os.environ)) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def arrives(server):
    """Whether the server is told, within a minute, that a run is complete."""
    return server.ended.wait(60)


def sync(folder, server, home):
    """What the README says: from within the run's folder."""
    command = [WANDB, "sync", "."]
    done = subprocess.run(
        command, cwd=folder, env=led_to(server, home), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep's folder, moved after it was written."""
    here = tmp_path_factory.mktemp("written")
    gdexp_says(*SWEEP, "hydra.run.dir=sweep", cwd=here)
    moved = tmp_path_factory.mktemp("moved") / "elsewhere"
    shutil.move(here / "sweep", moved)
    return moved


def test_a_moved_folder_is_uploaded_whole(swept, tmp_path):
    [folder] = (swept / "wandb").glob("offline-run-*")
    with wandb_server.serving() as server:
        told = sync(folder, server, tmp_path)
        assert arrives(server)
    assert "Finished syncing" in told and server.unknown == []
    [(number, run)] = server.runs.items()
    assert folder.name.endswith(number)
    assert (run["project"], run["displayName"]) == ("gdexp", "sweep")

    progress = [row["runs_done"] for row in server.history if "runs_done" in row]
    assert progress[-1] == 32
    curves = [row for row in server.history if "step" in row]
    steps = gdexp.load(swept).curves["step"].unique().to_pylist()
    assert [row["step"] for row in curves] == steps
    assert curves[0]["curves/booth/sgd/alive"] == 1.0
    assert any("learning_rate_0p1" in key for key in curves[0])
    assert server.summary["outcomes/converged"] == 32

    files = {name: content for name, content in server.files.items() if "parquet" in name}
    stored = {path.relative_to(swept).as_posix(): path for path in swept.rglob("*.parquet")}
    stored = {name: path for name, path in stored.items() if not name.startswith("wandb")}
    assert files == {name: path.read_bytes() for name, path in stored.items()}
    [artifact] = server.artifacts.values()
    assert artifact["committed"] and artifact["entry"] == files
    [manifest] = artifact["manifest"].values()
    assert set(json.loads(manifest)["contents"]) == set(files)

    media = sorted(name.split("/")[-1].split("_")[0] for name in server.files if "media" in name)
    for name in ("runs", "minima", "basins", "curves", "success"):
        assert name in media
    table = next(json.loads(c) for n, c in server.files.items() if "/table/runs_" in n)
    assert [row[0] for row in table["data"]] == list(range(32))


@pytest.mark.slow  # W&B sends history every 15 seconds
def test_online_a_run_arrives_while_it_is_written(tmp_path):
    text = """
import pathlib, sys, time
from gdexp.sinks._wandb import Found, WandbRun
run = WandbRun(pathlib.Path("sweep"), {"a": 1}, mode="online", project="ours", name="at a name")
run.progress(1, 2, 1.0, {"converged": 1})
print("logged", flush=True)
sys.stdin.readline()
run.finish(Found({"answer": 42}))
for _ in range(600):
    if "no answer" not in run.where:
        break
    time.sleep(0.1)
print(run.where)
"""
    with wandb_server.serving() as server:
        env = led_to(server, tmp_path) | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", text],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "logged\n"
            until = time.monotonic() + 60
            while not server.history and time.monotonic() < until:
                time.sleep(0.1)
            assert [row["runs_done"] for row in server.history] == [1]
            assert not server.ended.is_set()
            told, _ = process.communicate("\n")
        assert f"{server.url}/{wandb_server.ENTITY}/ours/runs/" in told
        assert arrives(server)
        assert server.summary["answer"] == 42


def uploads(folder):
    """The processes that upload from below a folder."""
    for stat in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            ours = (stat.parent / "cwd").readlink().is_relative_to(folder)
            if ours and b"_wandb/uploading.py" in stat.read_bytes():
                yield int(stat.parent.name)


@contextlib.contextmanager
def ending_uploads(folder):
    """Ends what still tries to upload from below a folder: no test leaves a process behind."""
    try:
        yield
    finally:
        for process in uploads(folder):
            with contextlib.suppress(OSError):
                os.killpg(process, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize("behaviour", ["hang", "error", "close"])
def test_a_server_that_does_not_work_costs_one_line(behaviour, tmp_path):
    with wandb_server.serving(behaviour) as server, ending_uploads(tmp_path):
        env = led_to(server, tmp_path)
        done = gdexp_says(*SWEEP, "wandb.mode=online", "hydra.run.dir=s", cwd=tmp_path, env=env)
        until = time.monotonic() + 60
        while not server.asked and time.monotonic() < until:  # it may be later than the sweep
            time.sleep(0.1)
        assert server.asked, "it was tried"
        if behaviour == "hang":  # the others may have given up
            [process] = uploads(tmp_path)
            assert os.sched_getscheduler(process) == os.SCHED_IDLE, "a sweep goes before it"
    found = gdexp.load(tmp_path / "s")
    assert found.manifest["complete"] and found.runs.num_rows == 32
    assert (tmp_path / "s" / "report.html").exists()
    told = [line for line in (done.stdout + done.stderr).splitlines() if "W&B" in line]
    [folder] = (tmp_path / "s" / "wandb").glob("offline-run-*")
    assert len(told) == 1 and f"(cd {folder} && wandb sync .)" in told[0]
    with wandb_server.serving() as later:
        sync(folder, later, tmp_path)
        assert arrives(later)
    assert later.summary["outcomes/converged"] == 32


@pytest.mark.slow
def test_a_run_is_promoted_and_a_sweep_made_again(swept, tmp_path):
    gdexp_says("replay", str(swept), "3", "--wandb", cwd=tmp_path)
    gdexp_says("report", str(swept), "--wandb", cwd=tmp_path)
    with wandb_server.serving() as server:
        folders = sorted((swept / "wandb").glob("offline-run-*"))
        assert (swept / "wandb" / "latest-run").readlink() == Path(folders[-1].name)
        promoted, again = folders[-2:]
        sync(promoted, server, tmp_path)
    [run] = server.runs.values()
    assert (run["displayName"], run["groupName"]) == ("run 3", "elsewhere")
    row = gdexp.load(swept).runs.slice(3, 1).to_pylist()[0]
    states = [r for r in server.history if "path/f" in r]
    assert [state["step"] for state in states] == list(range(row["steps"] + 1))
    assert (states[-1]["path/f"], states[-1]["path/x_0"]) == (row["f"], row["x"][0])
    assert server.summary["outcome"] == row["outcome"]
    with wandb_server.serving() as server:
        sync(again, server, tmp_path)
    assert server.summary["outcomes/converged"] == 32
    images = [content for name, content in server.files.items() if name.endswith(".png")]
    figures = [name for name in server.files if name.endswith(".plotly.json")]
    assert len(images) == len(figures) > 3
    assert all(content.startswith(b"\x89PNG") for content in images)


def test_nothing_is_written_or_read_through_a_link(swept, tmp_path):
    folder, outside = tmp_path / "copy", tmp_path / "outside"
    shutil.copytree(swept, folder, symlinks=True)
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (folder / "extra.parquet").symlink_to(outside / "secret")
    (folder / "traces").mkdir(exist_ok=True)
    (folder / "traces" / "part-000000.parquet").symlink_to(outside / "secret")
    names = {path.name for path in store.tables(folder)}
    assert names == {"part-000000.parquet", "labels.parquet", "minima.parquet", "curves.parquet"}
    assert all(not path.is_symlink() for path in store.tables(folder))
    shutil.rmtree(folder / "wandb")
    (folder / "wandb").symlink_to(outside)
    for words in (["replay", str(folder), "3", "--wandb"], ["report", str(folder), "--wandb"]):
        assert __main__.main(words) == 2
    assert [path.name for path in outside.iterdir()] == ["secret"]


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["[x,outcome]", "[x]", "[f]", "[outcome]", "[run]"])
def test_with_some_columns_alone_a_sweep_has_its_report_and_its_run(kept, tmp_path, capfd):
    words = [*SWEEP, f"store.columns={kept}", f"hydra.run.dir={tmp_path / 's'}"]
    assert __main__.main(words) == 0
    told = capfd.readouterr()
    assert "failed" not in told.err and "could not be made" not in told.err
    assert "Left out" in (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    [folder] = (tmp_path / "s" / "wandb").glob("offline-run-*")
    assert (folder / "files" / "runs" / "part-000000.parquet").exists()
