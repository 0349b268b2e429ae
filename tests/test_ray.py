"""The same sweep on the machines of a Ray cluster: the same bits, and each tile once."""

import contextlib
import json
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import ray_cluster
from processes import begun, hashes, prints, says

import gdexp
from gdexp import api, base, manifest, verify
from gdexp.config import check, tree

WORDS = (
    *("objective=rosenbrock", "grid.learning_rate=log:1e-5:1e-3:64", "start=uniform"),
    *("start.num=8192", "stop.max_steps=10000", "stop.grad_tol=0"),
    *("report=false", "wandb.mode=disabled"),
)  # several seconds of tiles for each of two machines


def on(cluster):
    return "executor=ray", f"executor.address={cluster.address}"


def swept(inside, cluster, code=0):
    """What the sweep says that a cluster makes, in the folder `s`."""
    words = (*WORDS, "hydra.run.dir=s", *on(cluster))
    return says(*words, cwd=inside, code=code, **cluster.environment)


def makers(folder):
    """Who made the tiles, one for each."""
    records = sorted((folder / ".tiles").glob("*.json"))
    return [json.loads(path.read_text())["tile"]["by"] for path in records]


def stored(folder, count):
    """Waits until so many tiles are stored."""
    until = time.monotonic() + 120
    while len(list((folder / ".tiles").glob("*.json"))) < count:
        assert time.monotonic() < until
        time.sleep(0.05)


MARK = "GDEXP_TEST_OF"  # in the environment of a process, and so of all that it begins


def left_of(folder):
    """Waits until no process with this mark is left; those that are after half a minute."""
    mark, until = f"{MARK}={folder}\0".encode(), time.monotonic() + 30
    while left := [name for name, variables in environments() if mark in variables]:
        if time.monotonic() > until:
            return left
        time.sleep(0.1)
    return []


def environments():
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended
            yield path.parent.name, path.read_bytes()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of the sweep of WORDS, made by one process."""
    folder = tmp_path_factory.mktemp("alone")
    says(*WORDS, "hydra.run.dir=s", cwd=folder)
    return folder / "s"


def test_one_word_runs_a_sweep_on_ray_with_the_same_bits(tmp_path):
    """The workers of a cluster that is begun for it, of which nothing is left afterwards."""
    words = ("+sweep=smoke", "wandb.mode=disabled", "report=false")
    says(*words, "hydra.run.dir=here", cwd=tmp_path)
    mark = {MARK: str(tmp_path)}
    told = says(*words, "hydra.run.dir=there", "executor=ray", cwd=tmp_path, **mark)
    assert left_of(tmp_path) == []
    assert "256 runs in" in told and "RuntimeWarning" not in told
    here, there = (gdexp.load(tmp_path / name) for name in ("here", "there"))
    assert here.manifest["identity"] == there.manifest["identity"]
    assert there.config == here.config, "where a sweep runs is no part of what it is"
    assert here.runs.equals(there.runs) and here.labels.equals(there.labels)
    assert set(makers(tmp_path / "here")).isdisjoint(makers(tmp_path / "there"))


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"ray": {"address": "ray://host:1"}}, "executor.address=auto"),
        ({"ray": {"address": "127.0.0.1"}}, "type HOST:PORT"),
        ({"ray": {"address": "127.0.0.1:1"}}, "no Ray cluster answers"),
        ({"ray": {"cpus": 0}}, "executor.cpus"),
        ({"ray": {"cpus": 100_000}}, "no machine of the Ray cluster has more"),
        ({"rey": {}}, "did you mean ray?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(node, told, monkeypatch):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with pytest.raises(base.UsageError, match=told):
        check.executor(tree.single("executor", node)).reach()


def test_in_python_as_well_nobody_is_waited_for(monkeypatch):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with pytest.raises(base.UsageError, match="no Ray cluster answers"):
        gdexp.sweep("parabola", executor={"ray": {"address": "127.0.0.1:1"}})


def test_something_else_at_the_address_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("gdexp.executors._ray.head.REACH_SECONDS", 4.0)
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        asked = check.executor(tree.single("executor", {"ray": {"address": address}}))
        with pytest.raises(base.UsageError, match="no answer within 4 seconds"):
            asked.reach()


def test_no_saved_config_says_where_it_runs(tmp_path):
    """Else who shares a folder would choose whose cluster answers, with whatever it likes."""
    api._run(api.experiment("parabola"), tmp_path / "s")
    with (tmp_path / "s" / "config.yaml").open("a") as file:
        file.write("executor: {name: ray, address: '127.0.0.1:1'}\n")
    with pytest.raises(base.UsageError, match="executor: section"):
        gdexp.load(tmp_path / "s")


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(base.UsageError, match=r"pip install 'gdexp\[ray\]'"):
        check.executor(tree.single("executor", "ray"))


def test_the_words_of_an_executor_select_it():
    asked = check.executor(tree.single("executor", {"ray": {"cpus": 4}}))
    assert asked.words == "executor=ray executor.cpus=4"
    assert check.executor(tree.single("executor", "local")).words == ""


@pytest.fixture
def setup():
    """What a worker is told of a sweep of two runs."""
    pytest.importorskip("ray")
    from gdexp.executors._ray import worker

    found = api.sweep("parabola", grid={"learning_rate": [0.1, 1.5]})
    engine = verify.engine_of(found)
    manifest.prepare(found.manifest, engine)
    return worker.Setup("a", found.experiment, found.manifest, 1)


def test_a_worker_makes_the_runs_that_are_wanted(setup):
    from gdexp.executors._ray import worker
    from gdexp.plan import make

    [tile] = make(setup.experiment).tiles()
    *_, last = worker.make(setup, [tile], None)
    assert last.tile == tile and len(last.ends.f) == 2
    *_, some = worker.make(setup, [tile], [np.array([1])])
    assert [part.tolist() for part in some.ends] == [part[1:].tolist() for part in last.ends]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"xla_flags": "--xla_cpu_enable_fast_math=true"}, "XLA_FLAGS"),
        ({"programs": "canary"}, "have other bits here"),
        ({"programs": "sha256"}, "another program"),
    ],
)
def test_a_worker_that_comes_to_other_bits_makes_nothing(setup, change, told, monkeypatch):
    from gdexp.executors._ray import worker
    from gdexp.plan import make

    then = dict(setup.manifest)
    if "programs" in change:
        [program] = then["programs"]
        wrong = {"canary": {**program["canary"], "sha256": "0"}, "sha256": "0"}
        then["programs"] = [program | {change["programs"]: wrong[change["programs"]]}]
    else:
        then |= change
    monkeypatch.setattr(worker, "_node", lambda: "7")
    tiles = list(make(setup.experiment).tiles())
    [refusal] = worker.make(setup._replace(key=told, manifest=then), tiles, None)
    assert refusal.node == "7" and told in refusal.reasons[0]


@pytest.mark.slow
def test_a_lost_machine_costs_the_tiles_in_flight_alone(alone, tmp_path):
    with (
        ray_cluster.running() as cluster,
        begun(
            *(*WORDS, "hydra.run.dir=s", *on(cluster)), cwd=tmp_path, **cluster.environment
        ) as process,
    ):
        stored(tmp_path / "s", 1)
        cluster.kill_one()
        _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert hashes(tmp_path / "s") == hashes(alone)
    assert gdexp.load(tmp_path / "s").runs.equals(gdexp.load(alone).runs)


@pytest.mark.slow
def test_two_machines_share_the_tiles(alone, tmp_path):
    with ray_cluster.running() as cluster:
        swept(tmp_path, cluster)
    assert hashes(tmp_path / "s") == hashes(alone)
    assert len(set(makers(tmp_path / "s"))) == 2


@pytest.mark.slow
def test_a_machine_with_other_bits_is_named_and_the_others_go_on(alone, tmp_path):
    with ray_cluster.running({"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}) as cluster:
        told = swept(tmp_path, cluster)
    assert hashes(tmp_path / "s") == hashes(alone)
    [maker] = set(makers(tmp_path / "s"))
    [refused] = gdexp.load(tmp_path / "s").manifest["refused"]
    assert refused["by"] != maker
    assert refused["reasons"] == ["XLA_FLAGS none → --xla_cpu_enable_fast_math=true"]
    assert f"{refused['by']} makes no tiles" in told


@pytest.mark.slow
def test_a_machine_that_can_import_nothing_is_named_and_the_others_go_on(alone, tmp_path):
    with ray_cluster.running({"JAX_ENABLE_X64": "neither"}) as cluster:
        told = swept(tmp_path, cluster)
    assert hashes(tmp_path / "s") == hashes(alone)
    [refused] = gdexp.load(tmp_path / "s").manifest["refused"]
    assert f"{refused['by']} makes no tiles" in told and "neither" in refused["reasons"][0]


@pytest.mark.slow
def test_when_every_machine_has_other_bits_the_sweep_ends_and_can_go_on(tmp_path):
    flags = {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}
    with ray_cluster.running(flags, both=True) as cluster:
        told = swept(tmp_path, cluster, code=3)
    assert "NOT THE SAME BITS" in told and "XLA_FLAGS" in told
    told = says("work", "s", "--shard", "0/8", cwd=tmp_path)
    assert "7 tiles of the sweep are missing" in told


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_it_leaves_no_process_and_goes_on_elsewhere(number, alone, tmp_path):
    words, mark = (*WORDS, "hydra.run.dir=s", "executor=ray"), {MARK: str(tmp_path)}
    with begun(*words, cwd=tmp_path, **mark) as process:
        stored(tmp_path / "s", 1)
        began = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert "python -m gdexp resume s executor=ray" in err
    assert left_of(tmp_path) == []
    where = ["executor=ray"] if number == signal.SIGINT else []
    says("resume", "s", *where, cwd=tmp_path)
    assert hashes(tmp_path / "s") == hashes(alone)


@pytest.mark.slow
def test_a_function_that_kills_its_process_ends_the_sweep_with_a_message(tmp_path):
    text = """
import os, gdexp
here = os.getpid()
def f(x):
    if os.getpid() != here:
        os._exit(1)
    return (x**2).sum()
try:
    gdexp.sweep(f, start=[[1.0, 2.0]], executor={"ray": {"cpus": 1}})
except gdexp.base.ExecutorError as error:
    print("told:", error)
"""
    assert "told: 8 workers were lost in a row" in prints(text, cwd=tmp_path)


@pytest.mark.slow
def test_functions_data_and_larger_sweeps_run_there_as_here(tmp_path):
    text = """
import gdexp, numpy as np
def f(x, y):
    return (x - 1) ** 2 + 3 * y**2
many = {"executor": {"ray": {"cpus": 1}}}
grid = {"learning_rate": [0.01, 0.1]}
for asked in (
    dict(objective=f, start={"uniform": 50}),
    dict(objective=["paraboloid", "rosenbrock"], optimizer=["sgd", "adam"], start={"sobol": 20}),
    dict(objective="x**4 - x", start=[[3.0]], dtype="float64"),
    dict(objective="linear_regression", stop_max_steps=50),
    dict(objective="paraboloid", optimizer="noisy_sgd", start={"uniform": 9}, replicates=3),
    dict(objective="paraboloid", direction="maximize", start={"uniform": 9}, stop_max_steps=99),
):
    here, there = (gdexp.sweep(grid=grid, **asked, **where) for where in ({}, many))
    assert there.runs.equals(here.runs), asked
    print("same", here.runs.num_rows)
few = gdexp.sweep("parabola", grid={"learning_rate": [0.5, 1.5]}, start={"uniform": 10}, **many)
more = gdexp.extend(few, {"start.num": 30, "grid.learning_rate": [0.5, 1.0, 1.5]})
assert more.experiment.executor == few.experiment.executor
alone = gdexp.sweep("parabola", grid={"learning_rate": [0.5, 1.0, 1.5]}, start={"uniform": 30})
assert more.manifest["taken"]["runs"] == 20 and more.runs.equals(alone.runs)
print("all the same")
"""
    assert "all the same" in prints(text, cwd=tmp_path)
