"""A sweep that was cut short is finished as if nothing had been, or refused with the reason."""

import dataclasses
import json
import multiprocessing
import os
import random
import runpy
import shutil
import time

import pytest

import gdexp
from gdexp import __main__, api, commits, job, plan, store

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


def assert_same(folder, whole, *tables):
    """Tiles, rows, labels, curves and summary are those of the undisturbed sweep."""
    found, wanted = gdexp.load(folder), gdexp.load(whole)
    assert found.manifest["tiles"] == wanted.manifest["tiles"] and found.manifest["complete"]
    for table in tables or ("runs", "labels", "minima", "curves"):
        assert getattr(found, table).equals(getattr(wanted, table)), table
    for results in (found, wanted):
        for name in TIMINGS:
            results.summary.pop(name)
    assert found.summary == wanted.summary


@pytest.mark.parametrize(
    "missing",
    [[0, 3], *(pytest.param(m, marks=pytest.mark.slow) for m in ([], [2], [0, 1, 2, 3]))],
)
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARM)
def test_what_is_damaged_is_set_aside_and_made_again(cut, whole, harm):
    HARM[harm](part(cut, 1))
    assert resume(cut) == 0
    assert_same(cut, whole)
    assert {p.name[:11] for p in (cut / store.DAMAGED).iterdir()} >= {"part-000001"}


@pytest.mark.slow
def test_a_tile_without_its_record_was_in_flight(cut, whole):
    store.record_path(cut, 1).unlink()
    assert resume(cut) == 0
    assert_same(cut, whole)
    assert not (cut / store.DAMAGED).exists()


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
    store.record_path(cut, 0).unlink()  # or it would be told that another machine has other bits
    commits.write(found, tile, table.set_column(at, table.schema.field(at), [f]), told)
    assert resume(cut) == 3
    assert "runs 0 to 399 have other bits here" in capsys.readouterr().err
    assert not part(cut, 1).exists()


@pytest.mark.slow
def test_an_old_unfinished_file_is_swept_up_and_a_new_one_left(cut):
    old, new = (cut / "runs" / f".part-000001.parquet.{letter * 32}" for letter in "ab")
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert resume(cut) == 0
    assert (old.exists(), new.exists()) == (False, True)


RESUME = """
from gdexp import plan
from gdexp.__main__ import main
plan.TILE_RUNS = 64
main(["resume", folder])
"""


@pytest.fixture(scope="module")
def begin(tmp_path_factory):
    """Starts a process that resumes a folder. All come from one that has imported everything, and
    no more: so they begin to work at once."""
    kind = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(kind)
    context.set_forkserver_preload(["gdexp.api", "gdexp.commands.run", "gdexp.sinks.terminal"])
    script = tmp_path_factory.mktemp("script") / "resume.py"
    script.write_text(RESUME)

    def begin(folder):
        process = context.Process(
            target=runpy.run_path, args=(str(script), {"folder": str(folder)})
        )
        process.start()
        return process

    return begin


def killed(process, folder, chance):
    """Kills a process at some instant; whether it lived then, and whether it had stored a tile."""

    def stored():
        return len(list((folder / store.RECORDS).glob("part*")))

    before = stored()
    if chance.random() < 0.2:  # while it compiles, looks at what is there, tries some of it again
        time.sleep(chance.uniform(0, 1))
    else:  # while it commits
        while process.is_alive() and stored() == before:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.3))
    lived = process.is_alive()
    process.kill()
    process.join()
    assert lived or process.exitcode == 0
    return lived, stored() > before


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, 1_000])
def test_killed_at_random_instants_and_resumed_nothing_is_lost(kills, begin, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "TILE_RUNS", 64)  # 188 tiles
    asked = api.experiment(
        "rosenbrock",
        grid={"learning_rate": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1.0]},
        start={"uniform": 2000},
        stop_max_steps=100,
        report=False,
        run_prepare=True,
    )
    whole = job.run(dataclasses.replace(asked, prepare=False), tmp_path / "whole").directory
    chance, folder = random.Random(0), tmp_path / "cut"
    count = amid = 0
    while count < kills:
        job.run(asked, folder)
        while count < kills and not gdexp.load(folder).manifest["complete"]:
            lived, working = killed(begin(folder), folder, chance)
            count, amid = count + lived, amid + (lived and working)
        assert resume(folder) == 0
        assert_same(folder, whole, "runs", "labels", "minima")
        assert not (folder / store.DAMAGED).exists()
        shutil.rmtree(folder)
    assert amid > kills / 2


@pytest.mark.slow
def test_a_finished_sweep_that_was_damaged_is_made_whole(whole, tmp_path, capsys):
    folder = shutil.copytree(whole, tmp_path / "finished")
    file = part(folder, 2)
    file.write_bytes(file.read_bytes()[:-9])
    assert __main__.main(["replay", str(folder), "801"]) == 2
    assert "part-000002.parquet is damaged" in capsys.readouterr().err
    assert resume(folder) == 0
    assert_same(folder, whole)
