"""The main job: what it writes, in which order, and what the manifest says of it."""

import base64
import dataclasses
import hashlib
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import gdexp
from gdexp import api, columns, devices, job, plan, store
from gdexp import program as program_room
from gdexp.sinks import Sink

MINE = "def f(x, y, *, a=1.0):\n    return (x - a) ** 2 + 4 * y**2 + x * y / 2\n"
RATES = np.geomspace(1e-3, 1, 7)


class Watcher(Sink):
    """Keeps what it is told."""

    told: tuple = ()

    def progress(self, status):
        type(self).told += (status,)

    def finish(self, results):
        type(self).told += (results,)

    def abort(self, error):
        type(self).told += (error,)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A sweep in files, and the manifest as it was before each part was written."""
    directory = tmp_path_factory.mktemp("sweep")
    (directory / "mine.py").write_text(MINE)
    asked = api.experiment(
        f"{directory}/mine.py:f",
        optimizer=["sgd", "adam"],
        grid={"learning_rate": RATES, "file.a": "log:1e-3:1:3", "sgd.momentum": [0.0, 0.9]},
        start={"uniform": 5},
        draw={"adam.b1": "uniform:0.5:0.9"},
        zip=[["learning_rate"]],
        trace_every=50,
        trace_runs=[0, 3],
        stop_max_steps=200,
    )
    before, write = [], store.write_part

    def watched(*arguments):
        before.append(json.loads((directory / "manifest.json").read_text()))
        return write(*arguments)

    class Told(Watcher):
        pass

    class Unwanted(Watcher):
        @classmethod
        def wanted(cls, experiment):
            return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "write_part", watched)
        results = job.run(asked, directory, [Told, Unwanted])
    return asked, directory, results, before, Told.told, Unwanted.told


@pytest.fixture(scope="module")
def manifest(done):
    return json.loads((done[1] / "manifest.json").read_text())


def test_the_folder_holds_the_contracts_files(done):
    names = {str(p.relative_to(done[1])) for p in done[1].rglob("*") if p.is_file()}
    parts = {"runs/part-000000.parquet", "runs/part-000001.parquet", "traces/part-000000.parquet"}
    derived = {"summary.json", "labels.parquet", "minima.parquet", "curves.parquet"}
    records = {".tiles/part-000000.json", ".tiles/part-000001.json"}
    assert names == {"mine.py", "config.yaml", "manifest.json", *derived, *parts, *records}


def test_the_manifest_is_there_before_the_first_tile_and_complete_at_the_end(done, manifest):
    assert len(done[3]) == 3
    assert {m["complete"] for m in done[3]} == {False}
    assert done[3][0]["grid"] == manifest["grid"]
    assert manifest["complete"] is True
    assert manifest == json.loads(json.dumps(done[2].manifest))


def test_grid_bytes_are_the_exact_values(manifest):
    grid = {k: np.frombuffer(base64.b64decode(v), "<f8") for k, v in manifest["grid"].items()}
    assert list(grid) == ["learning_rate", "file.a", "sgd.momentum"]
    assert grid["learning_rate"].tobytes() == RATES.tobytes()
    assert grid["file.a"].tolist() == np.geomspace(1e-3, 1, 3).tolist()
    assert grid["sgd.momentum"].tolist() == [0.0, 0.9]


def test_tile_hashes_are_those_of_the_files(done, manifest):
    planned = plan.make(done[0])
    told = [(t["part"], t["first"], t["count"]) for t in manifest["tiles"]]
    assert told == [(t.part, t.first, t.count) for t in planned.tiles()]
    for tile in manifest["tiles"]:
        path = done[1] / "runs" / f"part-{tile['part']:06d}.parquet"
        assert columns.digest(pq.read_table(path)) == tile["sha256"]


def test_the_manifest_says_what_made_the_sweep(done, manifest):
    assert manifest["runs"] == 7 * 3 * 2 * 5 + 7 * 3 * 5
    assert manifest["dtype"] == "float32"
    assert manifest["matmul_precision"] == "highest"
    assert manifest["device"]["platform"] == devices.find("auto")[0].platform
    assert {"python", "jax", "jaxlib", "optax", "numpy", "pyarrow"} <= set(manifest["versions"])
    assert {"git_commit", "cpu_features", "xla_flags", "machine", "system"} <= set(manifest)
    assert manifest["code_sha256"] == {"file": hashlib.sha256(MINE.encode()).hexdigest()}
    assert manifest["timings"]["total_seconds"] > manifest["timings"]["compile_seconds"] > 0


def test_the_manifest_names_each_groups_axes_and_program(done, manifest):
    assert [(g["optimizer"], g["first"], g["shape"]) for g in manifest["groups"]] == [
        ("sgd", 0, [7, 3, 2, 5, 1]),
        ("adam", 210, [7, 3, 5, 1]),
    ]
    assert manifest["groups"][0]["axes"] == [["learning_rate"], ["file.a"], ["sgd.momentum"]]
    assert {g["tile_runs"] for g in manifest["groups"]} == {plan.TILE_RUNS}
    groups = plan.make(done[0]).groups
    for group, program in zip(groups, manifest["programs"], strict=True):
        assert program["group"] == group.index
        assert program["lanes"] == program_room.lane_count(manifest["device"]["platform"], group)
        assert len(bytes.fromhex(program["sha256"])) == 32
    assert manifest["programs"][0]["sha256"] != manifest["programs"][1]["sha256"]


def test_the_saved_config_is_the_resolved_experiment(done):
    text = (done[1] / "config.yaml").read_text()
    assert yaml.safe_load(text) == done[0].config
    assert "${" not in text
    special = (yaml.TagToken, yaml.AnchorToken, yaml.AliasToken)
    assert not [token for token in yaml.scan(text) if isinstance(token, special)]


def test_lists_given_twice_make_no_anchor_in_the_config(tmp_path):
    shared = [0.25, 0.5]
    asked = api.experiment(
        "parabola", grid={"learning_rate": shared}, stop_targets=shared, wandb_tags=["a", "a"]
    )
    store.write_config(tmp_path, asked.config)
    assert "&" not in (tmp_path / "config.yaml").read_text()


def test_the_summary_is_the_one_in_memory(done):
    assert json.loads((done[1] / "summary.json").read_text()) == done[2].summary


def test_sinks_are_told_how_far_it_is_and_that_it_is_done(done):
    *progress, last = done[4]
    assert last is done[2]
    assert {status.total for status in progress} == {315}
    counts = [status.done for status in progress]
    assert counts == sorted(counts)
    assert counts[-1] == 315
    assert progress[-1].outcomes == done[2].summary["outcomes"]
    assert all(sum(status.outcomes.values()) == status.done for status in progress)
    assert done[5] == ()


def test_prepare_writes_config_and_manifest_and_computes_nothing(tmp_path):
    asked = api.experiment("parabola", grid={"learning_rate": [0.1, 0.2]}, run_prepare=True)
    job.run(asked, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "manifest.json"}
    prepared = gdexp.load(tmp_path)
    assert prepared.manifest["complete"] is False
    assert prepared.manifest["runs"] == 2
    assert prepared.summary is None
    for ask in (lambda: prepared.runs, lambda: prepared.sample(10), prepared.to_xarray):
        with pytest.raises(gdexp.UsageError, match="nothing has been run yet"):
            ask()


def test_a_sweep_that_is_cut_short_tells_its_sinks_and_keeps_its_tiles(tmp_path):
    class CutShort(Watcher):
        def progress(self, status):
            super().progress(status)
            if list(tmp_path.glob("runs/part-*.parquet")):
                raise KeyboardInterrupt

    asked = api.experiment(["parabola", "double_well"], grid={"learning_rate": [0.1, 0.2]})
    with pytest.raises(KeyboardInterrupt):
        job.run(asked, tmp_path, [CutShort])
    assert isinstance(CutShort.told[-1], KeyboardInterrupt)
    kept = gdexp.load(tmp_path)
    assert kept.manifest["complete"] is False
    assert kept.runs["run"].to_pylist() in ([0, 1], [2, 3])  # one of the two tiles
    with pytest.raises(gdexp.UsageError, match="only 2 of 4 runs are here"):
        kept.to_xarray()


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    asked = dataclasses.replace(api.experiment("parabola"), device="tpu")
    with pytest.raises(gdexp.UsageError, match="device=tpu: JAX finds none here"):
        job.run(asked, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_sink_that_fails_at_the_end_keeps_no_other_from_ending(tmp_path):
    class Told(Watcher):
        pass

    class Broken(Sink):
        def finish(self, results):
            raise BrokenPipeError

    for kinds in ([Broken, Told], [Told, Broken]):
        Told.told = ()
        with pytest.raises(BrokenPipeError):
            job.run(api.experiment("parabola"), None, kinds)
        assert Told.told[-1].summary["runs"] == 1


def test_what_cut_a_sweep_is_told_even_when_its_record_cannot_be_written(tmp_path, monkeypatch):
    class Told(Watcher):
        pass

    def no_record(*_):
        raise OSError("the record")

    def cut(*_):
        monkeypatch.setattr(store, "write_manifest", no_record)
        raise OSError("the first thing that failed")

    monkeypatch.setattr(job, "_descend", cut)
    with pytest.raises(OSError, match="the first thing"):
        job.run(api.experiment("parabola"), tmp_path / "out", [Told])
    assert [str(error) for error in Told.told] == ["the first thing that failed"]
