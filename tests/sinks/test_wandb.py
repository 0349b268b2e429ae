"""The W&B run of a sweep, read back with W&B's own reader. Nothing here needs a network."""

import gc
import json
import math
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gdexp.drawing import Axis, Drawing, Line
from gdexp.rendering import in_plotly
from gdexp.sinks._wandb import MAX_ROWS, Found, WandbRun
from gdexp.sinks._wandb.plain import SPREAD, columns

WANDB = Path(sys.executable).with_name("wandb")
ROOT = Path(__file__).parents[2]
LABELS = {"project": "landscapes", "name": "first look", "group": "lecture 3", "tags": ["a", "b"]}

CONFIG = {
    "objective": {"two_wells": {"a": 0.1 + 0.2, "tilt": 5e-324}},
    "grid": {"learning_rate": [0.001, 0.5], "sgd.momentum": [0.0, 0.9]},
    "start": {"points": [[3.0, 3.0], [-2.0, 0.0]], "num": None},
    "seed": 2**60 + 1,
    "report": True,
}
OUTCOMES = {"converged": 60, "diverged": 40}
SUMMARY = {
    "outcomes": OUTCOMES,
    "best": {"run": 7, "f": -1.5, "x": [0.1 + 0.2, -1.0]},
    "thresholds": {"two_wells": {"sgd": math.nan, "adam": -math.inf}},
    "runs_per_second": 1e6,
}
SAMPLE = pa.table(
    {
        "run": [0, 1],
        "optimizer": ["sgd", "adam"],
        "sgd.momentum": [0.9, None],
        "x0": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        "x": [[0.5, math.nan], [math.inf]],
        "wide": [[0.0] * SPREAD + [math.nan], None],
        "f": [math.nan, 0.25],
    }
)
MINIMA = pa.table({"objective": ["two_wells"], "x": [[1.0, -1.0]], "radius": [math.inf]})
HISTORY = [
    {"step": 0, "curves/two_wells/sgd/alive": 1.0, "curves/two_wells/sgd/f_q50": 3.5},
    {"step": 10, "curves/two_wells/sgd/alive": 0.5, "curves/two_wells/sgd/f_q50": math.inf},
]
LINE = Line(np.array([0.0, 1.0, 2.0]), np.array([1.0, math.nan, math.inf]), "<b>&")
DRAWING = Drawing("f > 0", "", Axis("x"), Axis("y"), (LINE,), SAMPLE)
FIGURES = {"figures/one": in_plotly.to_json([DRAWING])[1:-1]}


def reader(*arguments, home):
    """Runs W&B's command line with an empty home."""
    environment = {key: value for key, value in os.environ.items() if "WANDB" not in key}
    environment |= {"HOME": str(home), "WANDB_ERROR_REPORTING": "false"}
    done = subprocess.run(
        [WANDB, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def summarized(path, home):
    return json.loads(reader("leet", "inspect", "--summary", "--json", path, home=home))


def records(path, home, kind):
    lines = reader("leet", "inspect", "--json", path, home=home).splitlines()
    parsed = [json.loads(line) for line in lines]
    return [record[kind] for record in parsed if record["type"] == kind]


def history(path, home):
    rows = [record["item"] for record in records(path, home, "history")]
    return [{key: value for key, value in row.items() if key[0] != "_"} for row in rows]


def rows_of_progress(count):
    """The history that `count` calls `progress(k, 100, 2.5 * k, ...)` should leave."""
    return [
        {"runs_done": k, "runs_total": 100, "runs_per_second": 2.5 * k, "outcomes/converged": k}
        for k in range(count)
    ]


def write_parts(directory):
    (directory / "runs").mkdir(parents=True)
    parts = [directory / "runs" / f"part-{i:05}.parquet" for i in range(3)]
    for part in parts:
        pq.write_table(SAMPLE, part)
    return parts


def start(directory, **changes):
    return WandbRun(directory, CONFIG, **{"mode": "offline", **LABELS, **changes})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, its sweep's directory, and moved away from where it was written."""
    directory = tmp_path_factory.mktemp("written") / "sweep"
    parts = write_parts(directory)
    run = start(directory)
    for k in range(4):
        run.progress(k, 100, 2.5 * k, {"converged": k})
    run.finish(Found(SUMMARY, HISTORY, {"runs": SAMPLE, "minima": MINIMA}, FIGURES, parts))
    moved = tmp_path_factory.mktemp("moved") / "elsewhere"
    shutil.move(directory, moved)
    return moved / "wandb" / run.folder.name


def test_the_reader_shows_config_labels_and_summary_as_logged(finished, home):
    shown = summarized(finished, home)
    assert shown["config"] == CONFIG
    assert (shown["project"], shown["name"], shown["tags"]) == (
        "landscapes",
        "first look",
        ["a", "b"],
    )
    assert (shown["state"], shown["exit_code"], shown["console_lines"]) == ("finished", 0, 0)
    [run] = records(finished, home, "run")
    assert run["run_group"] == "lecture 3"
    logged = {key: value for key, value in shown["summary"].items() if key[0] != "_"}
    assert [logged.pop(name)["nrows"] for name in ("runs", "minima")] == [2, 1]
    assert logged.pop("figures/one")["_type"] == "plotly-file"
    assert logged == {
        "outcomes/converged": 60,
        "outcomes/diverged": 40,
        "best/run": 7,
        "best/f": -1.5,
        "best/x": [0.1 + 0.2, -1.0],
        "thresholds/two_wells/sgd": "NaN",
        "thresholds/two_wells/adam": "-Infinity",
        "runs_per_second": 1e6,
        "runs_done": 3,
        "runs_total": 100,
    }


def test_history_has_a_row_a_call_then_the_curves_by_step(finished, home):
    rows = history(finished, home)
    assert rows[:4] == rows_of_progress(4)
    assert rows[4:6] == [HISTORY[0], {"step": 10, "curves/two_wells/sgd/alive": 0.5}]
    assert [next(iter(row)).partition(".")[0] for row in rows[6:]] == ["runs", "minima", *FIGURES]
    metrics = records(finished, home, "metric")
    axes = {m["glob_name"]: m["step_metric"] for m in metrics if m.get("glob_name")}
    assert axes == {"outcomes/*": "runs_done", "curves/*": "step", "path/*": "step"}


def test_tables_spread_short_lists_and_hold_only_finite_numbers(finished):
    tables = {
        file.name.split("_")[0]: json.loads(file.read_text())
        for file in (finished / "files" / "media" / "table").iterdir()
    }
    names = ["run", "optimizer", "sgd.momentum", "x0_0", "x0_1", "x0_2", "x_0", "x_1", "f"]
    assert tables["runs"]["columns"] == names
    assert tables["runs"]["data"] == [
        [0, "sgd", 0.9, 1.0, 2.0, 3.0, 0.5, None, None],
        [1, "adam", None, 4.0, 5.0, 6.0, None, None, 0.25],
    ]
    assert tables["minima"]["data"] == [["two_wells", 1.0, -1.0, None]]


def test_a_column_that_is_called_like_a_coordinate_keeps_its_name():
    table = pa.table({"x_0": [3.0], "x": [[1.0, 2.0]]})
    assert columns(table) == {"x_0": [3.0], "x[0]": [1.0], "x_1": [2.0]}


def test_figures_are_plotly_with_finite_numbers(finished):
    [file] = (finished / "files" / "media" / "plotly").rglob("*.json")
    told = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert told == json.loads(FIGURES["figures/one"])
    assert told["data"][0]["y"] == [1.0, None, None]


def test_files_lie_inside_the_run_and_are_registered_for_sync(finished, home):
    parts = sorted((finished.parents[1] / "runs").iterdir())
    inside = sorted((finished / "files" / "runs").iterdir())
    assert [file.name for file in inside] == [part.name for part in parts]
    for file, part in zip(inside, parts, strict=True):
        assert file.is_file() and not file.is_symlink()
        assert file.read_bytes() == part.read_bytes()
    registered = [item["path"] for r in records(finished, home, "files") for item in r["files"]]
    assert [path for path in registered if path.startswith("runs/")] == [
        f"runs/{part.name}" for part in parts
    ]
    assert all((finished / "files" / path).is_file() for path in registered)


@pytest.mark.slow
def test_the_folder_can_be_moved_and_holds_nothing_else(finished, home):
    assert sorted(path.name for path in finished.parent.iterdir()) == ["latest-run", finished.name]
    assert sorted(path.name for path in finished.iterdir()) == [
        "files",
        f"run-{finished.name.split('-')[-1]}.wandb",
    ]
    assert (finished.parent / "latest-run").readlink() == Path(finished.name)
    assert summarized(finished.parent, home)["config"] == CONFIG  # by way of latest-run
    [artifact] = records(finished, home, "artifact")
    paths = {entry["path"]: entry["local_path"] for entry in artifact["manifest"]["contents"]}
    parts = [f"runs/part-{i:05}.parquet" for i in range(3)]
    assert paths == {part: f"files/{part}" for part in parts}  # seen from the run's folder
    lists = subprocess.run(
        [WANDB, "sync", "--dry-run", finished],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "WANDB_ERROR_REPORTING": "false"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Would sync 1 run(s)" in lists.stderr


def test_files_are_copied_where_links_are_impossible(tmp_path, monkeypatch):
    def refuse(*_args, **_keywords):
        raise OSError("links are for other file systems")

    parts = write_parts(tmp_path)
    run = start(tmp_path)
    monkeypatch.setattr(os, "link", refuse)
    run.finish(Found(files=parts))
    for part in parts:
        copy = run.folder / "files" / "runs" / part.name
        assert copy.read_bytes() == part.read_bytes()
        assert not copy.samefile(part)


def test_abort_keeps_the_history(tmp_path, home):
    run = start(tmp_path)
    run.progress(0, 100, 0.0, {"converged": 0})
    run.abort(130)
    run.progress(1, 100, 2.5, {"converged": 1})  # closed: does nothing
    run.abort(1)
    assert history(run.folder, home) == rows_of_progress(1)
    assert summarized(run.folder, home)["exit_code"] == 130


def test_it_opens_while_the_caller_goes_on(tmp_path, home, monkeypatch):
    go, opens = threading.Event(), WandbRun._open
    monkeypatch.setattr(WandbRun, "_open", lambda *words: (go.wait(60), opens(*words)))
    monkeypatch.setenv("WANDB_NAME", "of the user")
    before = dict(os.environ)
    run = start(tmp_path)
    assert "WANDB_NAME" not in os.environ
    go.set()
    run.progress(0, 100, 0.0, {"converged": 0})
    assert dict(os.environ) == before
    run.abort(0)
    assert history(run.folder, home) == rows_of_progress(1)


def test_what_is_cut_short_while_it_opens_is_closed(tmp_path, home):
    before = dict(os.environ)
    run = start(tmp_path)
    run.abort(130)
    assert summarized(run.folder, home)["exit_code"] == 130
    assert dict(os.environ) == before
    assert sorted(path.name for path in (tmp_path / "wandb").iterdir()) == [
        "latest-run",
        run.folder.name,
    ]


def test_config_is_cut_below_three_levels_to_text(tmp_path, home):
    config = {"a": {"b": {"c": {"d": {"e": [1, None, math.inf]}}, "z": "ü"}}, "n": 2**64 - 1}
    config["objective"] = {"booth": {}}
    run = WandbRun(tmp_path, config, mode="offline", project="p", name=None, group=None, tags=[])
    run.finish(Found({"runs": 3}, tables={"runs": SAMPLE.slice(0, 0)}))
    shown = summarized(run.folder, home)
    cut = {"a": {"b": {"c": '{"d":{"e":[1,null,"Infinity"]}}', "z": "ü"}}, "n": str(2**64 - 1)}
    cut["objective"] = {"booth": "{}"}
    assert shown["config"] == cut
    assert (shown["summary"]["runs_total"], shown["summary"]["runs"]["nrows"]) == (3, 0)


def test_a_larger_sample_is_refused_and_the_run_stays_open(tmp_path, home):
    run = start(tmp_path)
    with pytest.raises(ValueError, match=r"10,000 rows, runs has 10,001: hand over"):
        run.finish(Found(tables={"runs": pa.table({"run": range(MAX_ROWS + 1)})}))
    run.finish(Found(tables={"runs": pa.table({"run": range(MAX_ROWS)})}))
    assert summarized(run.folder, home)["summary"]["runs"]["nrows"] == MAX_ROWS


def test_another_mode_is_refused(tmp_path):
    with pytest.raises(ValueError, match="offline or online, not 'disabled'"):
        start(tmp_path, mode="disabled")


def test_a_run_that_cannot_be_opened_is_told_once(tmp_path):
    (tmp_path / "wandb").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="W&B failed opening the run and logs no more") as told:
        run = start(tmp_path)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.progress(1, 2, 3.0, {})
        run.finish(Found(tables={"runs": SAMPLE}))
        run.abort(1)
    assert run.folder is None


def test_a_missing_file_is_told_and_the_rest_is_kept(tmp_path, home):
    told = []
    run = start(tmp_path, warn=told.append)
    run.finish(Found({"best": {"f": 1.0}}, files=[tmp_path / "runs" / "gone.parquet"]))
    assert len(told) == 1 and "gone.parquet" in told[0]
    shown = summarized(run.folder, home)
    assert (shown["summary"]["best/f"], shown["exit_code"]) == (1.0, 1)


def children(pid):
    """The processes that `pid` started, from Linux's /proc."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(") ")[2].split()[1]
        except OSError:  # it has ended since
            continue
        if int(parent) == pid:
            yield int(stat.parent.name)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the service in /proc")
def test_the_death_of_the_service_is_told_once_and_does_not_hang(tmp_path):
    told = []
    before = set(children(os.getpid()))
    run = start(tmp_path, warn=told.append)
    assert run.folder is not None, "its service has started"
    [service] = set(children(os.getpid())) - before
    os.kill(service, signal.SIGKILL)
    since = time.monotonic()
    for k in range(3):
        run.progress(k, 100, 2.5, {})
        time.sleep(0.05)
    run.finish(Found(tables={"runs": SAMPLE}))
    assert time.monotonic() - since < 5
    assert len(told) == 1 and "logging progress" in told[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = start(tmp_path)  # a new service starts
        again.abort(0)
    for left in gc.get_objects():  # W&B does not wait for a service that died
        if isinstance(left, subprocess.Popen) and left.pid == service:
            left.wait()


CHILD = """
import os, socket, sys, time
import pyarrow as pa
from pathlib import Path
from gdexp.sinks._wandb import Found, WandbRun

directory, mode = Path(sys.argv[1]), sys.argv[2]

def start():
    return WandbRun(directory, {"a": 1}, mode=mode, project="ours", name=None, group=None, tags=[])
"""


def child(tmp_path, text, directory, mode="offline", *, name="child.py", arguments=()):
    """The command that runs `text` after CHILD, with warnings as errors."""
    script = tmp_path / name
    script.write_text(CHILD + textwrap.dedent(text))
    return [sys.executable, "-W", "error", script, directory, mode, *arguments]


def surroundings(**variables):
    """An environment without the tests' own WANDB_* variables and with these."""
    users = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    return users | {"PYTHONPATH": str(ROOT)} | {key: str(v) for key, v in variables.items()}


@pytest.fixture
def network():
    """A listening socket that proxy settings lead to: who looks for a network comes here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def led_to(listener):
    url = "http://{}:{}".format(*listener.getsockname())
    names = ("http_proxy", "https_proxy", "all_proxy")
    return dict.fromkeys(names, url) | {name.upper(): url for name in names}


def was_sought(listener):
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def everything(folder):
    """All bytes under `folder`: names, contents and targets of links."""
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder)).encode()
        if path.is_symlink():
            yield str(path.readlink()).encode()
        elif path.is_file():
            yield path.read_bytes()


def git_repository(folder):
    """Makes a repository and returns what W&B could tell of it: remote, branch, commit."""

    def git(*words):
        identity = ["-c", "user.name=planted-author", "-c", "user.email=planted@example.invalid"]
        command = ["git", *identity, *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)

    folder.mkdir()
    (folder / "planted.txt").write_text("planted")
    git("init", "--initial-branch=planted-branch")
    git("remote", "add", "origin", "https://planted.invalid/remote.git")
    git("add", ".")
    git("commit", "--message=planted")
    return "planted.invalid", "planted-branch", git("rev-parse", "HEAD").stdout.strip()


@pytest.mark.slow
def test_a_run_tells_nothing_more_and_goes_nowhere_else(tmp_path, home, network):
    """Planted in the surroundings: secrets, other folders, another mode. None shows up."""
    work, users, other, out = (tmp_path / name for name in ("work", "user", "other", "out"))
    told_by_git = git_repository(work)
    listing = sorted(work.rglob("*"))
    planted = {
        "SECRET": "planted-secret",
        "USER": "planted-user",
        "LOGNAME": "planted-user",
        "HOME": users,
        "WANDB_API_KEY": "b" * 40,
        "WANDB_MODE": "online",
        "WANDB_PROJECT": "planted-project",
        "WANDB_ENTITY": "planted-entity",
        "WANDB_NAME": "planted-name",
        "WANDB_RUN_GROUP": "planted-group",
        "WANDB_NOTES": "planted-notes",
        "WANDB_TAGS": "planted-tag",
        "WANDB_RUN_ID": "planted-id",
        "WANDB_HOST": "planted-host",
        "WANDB_PROGRAM": "planted-program",
        "WANDB_CONSOLE": "wrap",
        "WANDB_SAVE_CODE": "true",
        "WANDB_SILENT": "false",
        "WANDB_SERVICE": "planted-service",
        **{f"WANDB_{folder}DIR": other for folder in ("", "CACHE_", "DATA_", "CONFIG_")},
    }
    text = """
        socket.gethostname = lambda: "planted-host"
        before = dict(os.environ), sys.exit, sys.excepthook
        run = start()
        print("planted-output", flush=True)
        run.progress(1, 1, 1.0, {"converged": 1})
        run.finish(Found({"best": {"f": 0.0}}, tables={"runs": pa.table({"run": [0]})}))
        assert before == (dict(os.environ), sys.exit, sys.excepthook)
        """
    done = subprocess.run(
        child(tmp_path, text, out, name="planted_script.py", arguments=["--planted-argument"]),
        cwd=work,
        env=surroundings(**planted, **led_to(network)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("planted-output\n", "", 0)
    assert not was_sought(network)

    assert [path.name for path in out.iterdir()] == ["wandb"]
    assert sorted(work.rglob("*")) == listing
    assert not users.exists() and not other.exists()

    [folder] = (out / "wandb").glob("offline-run-*")
    shown = summarized(folder, home)
    told = (shown["project"], shown["entity"], shown["name"], shown["notes"], shown["tags"])
    assert told == ("ours", "", "", "", [])
    assert shown["config"] == {"a": 1}

    secrets = ["planted", "b" * 40, "requirements", str(tmp_path), sys.executable, *told_by_git]
    secrets += [socket.gethostname()] if len(socket.gethostname()) > 4 else []
    for content in everything(out):
        found = [secret for secret in secrets if secret.encode() in content]
        assert not found, content
    assert records(folder, home, "environment") == records(folder, home, "stats") == []


def test_the_history_so_far_is_readable_after_kill_9(tmp_path, home):
    text = """
        run = start()
        for k in range(5):
            run.progress(k, 100, 2.5 * k, {"converged": k})
        time.sleep(1.5)  # longer than a flush
        print("logged", flush=True)
        time.sleep(60)
        """
    out = tmp_path / "out"
    command = child(tmp_path, text, out)
    with subprocess.Popen(command, env=surroundings(), stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"logged\n"
        process.kill()
    [folder] = (out / "wandb").glob("offline-run-*")
    assert history(folder, home) == rows_of_progress(5)
    shown = summarized(folder, home)
    assert shown["config"] == {"a": 1}
    assert shown["summary"]["runs_done"] == 4
    assert sorted(path.name for path in (out / "wandb").iterdir()) == ["latest-run", folder.name]


@pytest.mark.slow
def test_a_program_that_ends_without_closing_says_nothing(tmp_path, home):
    text = """
        run = start()
        run.progress(0, 100, 0.0, {"converged": 0})
        """
    out = tmp_path / "out"
    done = subprocess.run(
        child(tmp_path, text, out), env=surroundings(), capture_output=True, check=True
    )
    assert done.stdout == done.stderr == b""
    assert history(out / "wandb", home) == rows_of_progress(1)


@pytest.mark.slow
def test_online_without_an_account_asks_nothing_even_at_a_terminal(tmp_path, home, network):
    text = """
        told = []
        run = WandbRun(directory, {}, mode=mode, project="ours", warn=told.append)
        for k in range(900):
            run.progress(k, 900, 1.0, {"converged": k})
            if told:
                break
            time.sleep(0.1)
        run.abort(0)
        (directory / "told").write_text("\\n".join(told))
        """
    out = tmp_path / "out"
    ours, theirs = pty.openpty()
    done = subprocess.run(
        child(tmp_path, text, out, "online"),
        env=surroundings(HOME=tmp_path / "home", **led_to(network)),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        timeout=180,
        check=False,
    )
    os.close(theirs)
    with open(ours, "rb") as terminal, pytest.raises(OSError):  # its end, when nothing was written
        assert terminal.read1() == b""
    assert done.returncode == 0
    [folder] = (out / "wandb").glob("offline-run-*")
    [told] = (out / "told").read_text().splitlines()
    assert "No API key configured" in told
    assert f"(cd {folder} && wandb sync .)" in told
    assert not was_sought(network)
    assert len(history(folder, home)) > 0
