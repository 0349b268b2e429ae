"""A sweep that was cut short is finished as if nothing had been, or refused with the reason."""

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

import gdexp
from gdexp import __main__, commits, job, store

TIMINGS = ("seconds", "compile_seconds", "runs_per_second")


@pytest.fixture
def cut(whole, tmp_path):
    """A copy as a process leaves it that is killed: nothing is told of what is finished."""
    folder = shutil.copytree(whole, tmp_path / "sweep")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"complete": False, "tiles": [], "programs": [], "timings": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for name in ("summary.json", "labels.parquet", "minima.parquet", "curves.parquet"):
        (folder / name).unlink()
    return folder


def resume(*words):
    return __main__.main(["resume", *map(str, words)])


def part(folder, number):
    return store.part_path(folder, store.RUNS, number)


def assert_same(folder, whole):
    """Tiles, rows, labels, curves and summary are those of the undisturbed sweep."""
    found, wanted = gdexp.load(folder), gdexp.load(whole)
    assert found.manifest["tiles"] == wanted.manifest["tiles"] and found.manifest["complete"]
    for table in ("runs", "labels", "minima", "curves"):
        assert getattr(found, table).equals(getattr(wanted, table)), table
    for results in (found, wanted):
        for name in TIMINGS:
            results.summary.pop(name)
    assert found.summary == wanted.summary


@pytest.mark.parametrize("missing", [[], [2], [0, 3], [0, 1, 2, 3]])
def test_what_is_missing_is_made_and_what_is_there_is_kept(cut, whole, missing):
    for number in missing:
        part(cut, number).unlink()
        store.record_path(cut, number).unlink()
    kept = {n: part(cut, n).stat().st_mtime_ns for n in range(4) if n not in missing}
    assert resume(cut) == 0
    assert_same(cut, whole)
    assert {n: part(cut, n).stat().st_mtime_ns for n in kept} == kept


def test_a_finished_sweep_is_left_alone(whole, capsys):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert resume(whole) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_a_prepared_sweep_is_computed(asked, whole, tmp_path):
    job.run(dataclasses.replace(asked, prepare=True), tmp_path / "prepared")
    assert resume(tmp_path / "prepared") == 0
    found, wanted = gdexp.load(tmp_path / "prepared"), gdexp.load(whole)
    assert found.runs.equals(wanted.runs)


HARM = {
    "emptied": lambda file: file.write_bytes(b""),
    "cut in half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "of another place": lambda file: shutil.copy(part(file.parents[1], 3), file),
    "beside a record of another": lambda file: shutil.copy(
        store.record_path(file.parents[1], 3), store.record_path(file.parents[1], 1)
    ),
    "gone": lambda file: file.unlink(),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_is_damaged_is_set_aside_and_made_again(cut, whole, harm):
    HARM[harm](part(cut, 1))
    assert resume(cut) == 0
    assert_same(cut, whole)
    assert {p.name[:11] for p in (cut / commits.DAMAGED).iterdir()} >= {"part-000001"}


def test_a_tile_without_its_record_was_in_flight(cut, whole):
    store.record_path(cut, 1).unlink()
    assert resume(cut) == 0
    assert_same(cut, whole)
    assert not (cut / commits.DAMAGED).exists()


@pytest.mark.parametrize("file", ["runs/part-000000.parquet", ".tiles/part-000000.json"])
def test_no_flipped_bit_of_a_tile_is_accepted(cut, file):
    identity = json.loads((cut / "manifest.json").read_text())["identity"]
    tile, path = next(gdexp.load(cut).plan.tiles()), cut / file
    content = path.read_bytes()
    told = commits.read(cut, tile, identity)
    accepted = []
    for seed in range(100):
        at = random.Random(seed).randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(flipped)
        # of a record a bit may mean nothing, such as a space: then it says what was written
        if (found := commits.read(cut, tile, identity)) is not None and (
            found != told or path.suffix == ".parquet"
        ):
            accepted.append(at)
    assert accepted == []


def test_a_changed_config_is_refused(cut, capsys):
    file = cut / "config.yaml"
    file.write_text(file.read_text().replace("max_steps: 100", "max_steps: 99"))
    assert resume(cut) == 2
    assert "config.yaml has been changed" in capsys.readouterr().err


def test_another_jaxlib_is_refused_with_the_reason(cut, capsys):
    manifest = json.loads((cut / "manifest.json").read_text())
    manifest["versions"]["jaxlib"] = "0.0.1"
    (cut / "manifest.json").write_text(json.dumps(manifest))
    assert resume(cut) == 3
    assert "NOT THE SAME BITS here: jaxlib 0.0.1 → " in capsys.readouterr().err


def test_other_bits_of_finished_runs_are_found_before_any_is_added(cut, capsys):
    """A tile that is whole, but was made otherwise: as by a machine that rounds in another way."""
    part(cut, 1).unlink()
    store.record_path(cut, 1).unlink()
    found = gdexp.load(cut)
    tile = next(found.plan.tiles())
    table = store.read_part(cut, store.RUNS, 0)
    told = commits.read(cut, tile, found.manifest["identity"]).tally
    at = table.schema.get_field_index("f")
    f = table["f"].to_numpy().copy()
    f[3] += 1
    commits.write(found, tile, table.set_column(at, table.schema.field(at), [f]), told)
    assert resume(cut) == 3
    assert "runs 0 to 399 have other bits here" in capsys.readouterr().err
    assert not part(cut, 1).exists()


def test_an_old_unfinished_file_is_swept_up_and_a_new_one_left(cut):
    old, new = (cut / "runs" / f".part-000001.parquet.{letter * 32}" for letter in "ab")
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert resume(cut) == 0
    assert (old.exists(), new.exists()) == (False, True)


def killed(folder, seconds, *words):
    """A process that is killed after some seconds, unless it ends before."""
    with subprocess.Popen(
        [sys.executable, "-m", "gdexp", *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)


SWEEP = ["objective=rosenbrock", "optimizer=sgd,adam", "start=uniform", "start.num=70000"]
SWEEP += ["grid.learning_rate=log:1e-4:1e-2:6", "stop.max_steps=300", "wandb.mode=disabled"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal")
def test_killed_at_random_instants_and_resumed_each_time_nothing_is_lost(tmp_path):
    killed(tmp_path, 300, *SWEEP, "hydra.run.dir=whole")
    chance, kills = random.Random(0), 0
    while kills < 20:
        folder = f"cut{kills}"
        killed(tmp_path, chance.uniform(1.5, 5), *SWEEP, f"hydra.run.dir={folder}")
        while (tmp_path / folder / "manifest.json").exists() and kills < 20:
            kills += 1
            killed(tmp_path, chance.uniform(1.5, 5), "resume", folder)
            if gdexp.load(tmp_path / folder).manifest["complete"]:
                break
        killed(tmp_path, 300, "resume", folder)
        if (tmp_path / folder / "manifest.json").exists():
            assert_same(tmp_path / folder, tmp_path / "whole")
