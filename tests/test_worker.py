"""Shares of a sweep, made by any number of processes: the same tiles, each once."""

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import says

import gdexp
from gdexp import __main__, api, claims, columns, commits, job, plan, store, verify


@pytest.fixture(scope="session")
def only_prepared(asked, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "sweep"
    job.run(dataclasses.replace(asked, prepare=True), folder)
    return folder


@pytest.fixture
def prepared(only_prepared, tmp_path):
    """The folder of the sweep of `whole`, of which nothing is made yet."""
    return shutil.copytree(only_prepared, tmp_path / "sweep")


def work(*words):
    return __main__.main(["work", *map(str, words)])


def hashes(folder):
    return {tile["part"]: tile["sha256"] for tile in gdexp.load(folder).manifest["tiles"]}


def records(folder):
    return sorted(path.name for path in (folder / ".tiles").iterdir())


def test_shares_in_any_order_make_what_one_process_makes(prepared, whole, capsys):
    shares = {0: 2, 1: 1, 2: 1}  # tiles
    left = 4
    for index in random.Random(0).sample(range(3), 3):
        assert work(prepared, "--shard", f"{index}/3") == 0
        left -= shares[index]
        told = capsys.readouterr().out
        assert not left or f"{left} tiles of the sweep are missing" in told
    assert f"every tile is there: python -m gdexp resume {prepared} finishes" in told
    assert __main__.main(["resume", str(prepared)]) == 0
    assert hashes(prepared) == hashes(whole)
    assert gdexp.load(prepared).minima.equals(gdexp.load(whole).minima)
    assert "all made before" in capsys.readouterr().out


def test_float64_is_prepared_and_made_as_well(tmp_path):
    asked = api.experiment("parabola", grid={"learning_rate": [0.1, 1.5]}, dtype="float64")
    job.run(dataclasses.replace(asked, prepare=True), tmp_path / "sweep")
    assert work(tmp_path / "sweep") == 0
    made = store.read_part(tmp_path / "sweep", store.RUNS, 0)
    assert columns.digest(made) == job.run(asked, None).manifest["tiles"][0]["sha256"]


def test_a_share_is_its_tiles_alone(prepared):
    assert work(prepared, "--shard=1/4") == 0
    assert records(prepared) == ["part-000001.json"]
    assert not gdexp.load(prepared).manifest["complete"]


def test_without_a_share_it_makes_all_and_report_finishes_it(prepared, whole, capsys):
    assert work(prepared) == 0
    assert "1,600 runs made, of a share of 4 tiles" in capsys.readouterr().out
    assert work(prepared) == 0
    assert "0 runs made" in capsys.readouterr().out
    assert __main__.main(["report", str(prepared)]) == 0
    found = gdexp.load(prepared)
    assert found.manifest["complete"] and (prepared / "report.html").exists()
    assert found.labels.equals(gdexp.load(whole).labels) and hashes(prepared) == hashes(whole)


def test_report_of_a_sweep_with_missing_tiles_says_how_to_finish_it(prepared, capsys):
    work(prepared, "--shard", "0/2")
    assert __main__.main(["report", str(prepared)]) == 2
    assert f"not finished: python -m gdexp resume {prepared}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "type python -m gdexp work DIR"),
        (["DIR", "--shard"], "--shard needs a value: type --shard 0/4"),
        (["DIR", "--shard", "4/4"], "type --shard 0/4"),
        (["DIR", "--shard", "-1/4"], "type --shard 0/4"),
        (["DIR", "--shard", "1"], "type --shard 0/4"),
        (["DIR", "--shrad=1/4"], "there is no flag --shrad: did you mean --shard"),
        (["DIR", "start.num=3"], "there is no key 'start.num'"),
    ],
)
def test_wrong_words_are_refused(prepared, capsys, words, told):
    assert work(*(prepared if word == "DIR" else word for word in words)) == 2
    assert told in capsys.readouterr().err
    assert not (prepared / ".tiles").exists()


# -- who may not work --------------------------------------------------------------------------


def spoil(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m["device"].update(kind="another"), "device cpu another → cpu "),
        (lambda m: m.update(xla_flags="--xla_cpu_enable_fast_math=true"), "XLA_FLAGS --xla_cpu_"),
        (lambda m: m["versions"].update(jaxlib="0.0.1"), "jaxlib 0.0.1 → "),
        (lambda m: m["programs"][0].update(sha256="0"), "himmelblau × sgd: another program"),
        (
            lambda m: m["programs"][0]["canary"].update(sha256="0"),
            "himmelblau × sgd: its first 400 runs have other bits here",
        ),
    ],
)
def test_who_would_make_other_bits_is_refused_with_the_reason(prepared, capsys, change, told):
    spoil(prepared, change)
    assert work(prepared) == 3
    assert f"NOT THE SAME BITS here: {told}" in capsys.readouterr().err
    assert not (prepared / "runs").exists()


def test_how_many_devices_are_forced_makes_no_difference(prepared):
    spoil(prepared, lambda m: m.update(xla_flags="--xla_force_host_platform_device_count=8"))
    assert work(prepared, "--shard", "0/4") == 0


def test_other_bits_than_are_stored_are_found_before_any_is_added(prepared, capsys):
    """As of an interrupted sweep, which has recorded nothing to compare with but its tiles."""
    work(prepared, "--shard", "0/4")
    spoil(prepared, lambda m: m.update(programs=[]))
    other_bits(prepared, 0, "the other machine")
    assert work(prepared, "--shard", "1/4") == 0  # another objective and optimizer
    store.record_path(prepared, 1).unlink()
    store.part_path(prepared, store.RUNS, 1).unlink()
    capsys.readouterr()
    found = gdexp.load(prepared)
    with pytest.raises(verify.NotTheSameError, match=r"runs 0 to 399 .* than of the other machine"):
        verify.canaries(found, verify.engine_of(found), {0: "the other machine"})
    assert __main__.main(["resume", str(prepared)]) == 3
    assert "other bits here than of the other machine" in capsys.readouterr().err


def test_report_finishes_no_sweep_that_holds_other_bits(prepared, capsys):
    assert work(prepared) == 0
    other_bits(prepared, 2, "the other machine")
    assert __main__.main(["report", str(prepared)]) == 3
    assert "other bits here than of the other machine" in capsys.readouterr().err
    assert not gdexp.load(prepared).manifest["complete"]


def other_bits(folder, part, maker):
    """Stores a tile with another number in it, as `maker` would that rounds in another way."""
    found = gdexp.load(folder)
    tile = list(found.plan.tiles())[part]
    table = store.read_part(folder, store.RUNS, part)
    told = commits.read(folder, tile, found.manifest["identity"]).tally
    at = table.schema.get_field_index("f")
    f = table["f"].to_numpy().copy()
    f[3] += 1
    store.record_path(folder, part).unlink()
    store.part_path(folder, store.RUNS, part).unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commits.environment, "place", lambda: maker)
        commits.write(found, tile, table.set_column(at, table.schema.field(at), [f]), told)


# -- several at once ---------------------------------------------------------------------------

WORK = [sys.executable, "-m", "gdexp", "work"]


def begun(*words, **variables):
    return subprocess.Popen(
        [*WORK, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | variables,
    )


@pytest.mark.slow
def test_one_of_several_that_is_killed_loses_nothing(prepared, whole):
    """Three at once without shares, one of them killed, and one more afterwards."""
    several = [begun(prepared) for _ in range(3)]
    while not (prepared / ".tiles").exists():
        time.sleep(0.01)
        assert any(one.poll() is None for one in several)
    several[0].kill()
    for one in several:
        one.communicate(timeout=300)
    assert [one.returncode for one in several[1:]] == [0, 0]
    assert job.resume(gdexp.load(prepared)).manifest["complete"]
    assert hashes(prepared) == hashes(whole)


def test_a_worker_that_is_told_to_end_says_how_to_go_on(tmp_path):
    asked = api.experiment(
        "rosenbrock", start={"uniform": 100_000}, stop_max_steps=10**8, stop_grad_tol=0.0
    )
    job.run(dataclasses.replace(asked, prepare=True), tmp_path / "long")
    one = begun(tmp_path / "long", "--shard", "0/2")
    while not (tmp_path / "long/.tiles").exists():
        time.sleep(0.01)
        assert one.poll() is None
    one.send_signal(signal.SIGTERM)
    _, told = one.communicate(timeout=60)
    assert one.returncode == 143
    assert f"python -m gdexp work {tmp_path}/long --shard 0/2" in told


@pytest.mark.slow
def test_four_shards_in_any_order_with_one_killed(tmp_path):
    """Sixteen tiles; the shard that is killed is made again at the end."""
    words = ("grid.learning_rate=log:1e-5:1e-3:64", "start=uniform", "start.num=16384")
    words += ("objective=rosenbrock", "stop.max_steps=2000", "report=false", "wandb.mode=disabled")
    says(*words, "hydra.run.dir=alone", cwd=tmp_path)
    says(*words, "hydra.run.dir=shared", "run.prepare=true", cwd=tmp_path)
    shards = random.Random(1).sample(range(4), 4)
    several = [begun(tmp_path / "shared", "--shard", f"{index}/4") for index in shards]
    until = time.monotonic() + 120
    while not list((tmp_path / "shared" / ".tiles").glob("*.json")):
        assert time.monotonic() < until
        time.sleep(0.02)
    several[2].kill()
    codes = [(one.communicate(timeout=300), one.returncode)[1] for one in several]
    assert codes == [0, 0, -signal.SIGKILL, 0]
    assert 12 <= len(list((tmp_path / "shared" / ".tiles").glob("*.json"))) < 16
    again = begun(tmp_path / "shared", "--shard", f"{shards[2]}/4")
    again.communicate(timeout=300)
    assert again.returncode == 0
    says("report", "shared", cwd=tmp_path)
    assert len(hashes(tmp_path / "alone")) == 16
    assert hashes(tmp_path / "shared") == hashes(tmp_path / "alone")


@pytest.mark.slow
def test_two_processes_that_make_every_tile_leave_one_copy_of_each(prepared, whole):
    """Both find every tile claimed by another, which never comes, and make them all."""
    (prepared / ".tiles").mkdir(exist_ok=True)
    for part in range(4):
        (prepared / ".tiles" / f"part-{part:06d}.claim").write_text("nobody")
    several = [begun(prepared) for _ in range(2)]
    told = [one.communicate(timeout=300)[0] for one in several]
    assert [one.returncode for one in several] == [0, 0], told
    assert all("of a share of 4 tiles" in text for text in told)
    assert records(prepared) == [f"part-{part:06d}.json" for part in range(4)]
    assert len(list((prepared / "runs").iterdir())) == 4
    assert __main__.main(["resume", str(prepared)]) == 0
    assert hashes(prepared) == hashes(whole)


def made(folder):
    """The tiles of a sweep and their rows, as a process holds them that has made them."""
    found = gdexp.load(folder)
    engine = verify.engine_of(found)
    for harvest in engine.run(list(found.plan.tiles())):
        if harvest.ends is not None:
            rows = columns.run_table(engine.experiment, engine.plan, harvest.tile, harvest.ends)
            yield harvest.tile, rows


@pytest.mark.parametrize("alike", [True, False])
def test_of_those_that_race_for_every_tile_one_leaves_a_copy(prepared, alike):
    """Three store each tile at the same instant; if one has other bits, either it is told so, or
    the others are."""
    told = {"runs": 400}  # what was counted: nobody reads it here
    for tile, rows in made(prepared):
        barrier, kept, refused = threading.Barrier(3), [], []

        def store_it(which, tile=tile, rows=rows, barrier=barrier, kept=kept, refused=refused):
            mine = rows
            if which == 0 and not alike:
                at = rows.schema.get_field_index("f")
                mine = rows.set_column(at, rows.schema.field(at), [rows["f"].to_numpy() + 1])
            barrier.wait()
            try:
                kept.append(commits.write(gdexp.load(prepared), tile, mine, told))
            except verify.NotTheSameError:
                refused.append(which)

        several = [threading.Thread(target=store_it, args=(which,)) for which in range(3)]
        for one in several:
            one.start()
        for one in several:
            one.join()
        counts = commits.read(prepared, tile, gdexp.load(prepared).manifest["identity"])
        assert counts is not None and {commit.record["sha256"] for commit in kept} == {
            counts.record["sha256"]
        }
        assert sorted(refused) in ([[]] if alike else [[0], [1, 2]])
        assert (
            columns.digest(store.read_part(prepared, store.RUNS, tile.part))
            == (counts.record["sha256"])
        )
    assert len(list((prepared / "runs").iterdir())) == len(records(prepared)) == 4


@pytest.mark.slow
def test_claimed_tiles_are_left_to_the_last_and_made_all_the_same(prepared, tmp_path):
    tiles = list(plan.make(gdexp.load(prepared).experiment).tiles())
    [taken] = claims.opened(prepared, tiles[:1], every=False)
    assert taken == tiles[0]
    assert list(claims.opened(prepared, tiles, every=False)) == tiles[1:]
    assert list(claims.opened(prepared, tiles, every=True)) == tiles
    for tile in tiles:
        claims.leave(prepared, tile.part)
    assert not list((prepared / ".tiles").iterdir())
    [taken] = claims.opened(prepared, tiles[2:3], every=False)  # by one that was killed
    assert work(prepared) == 0
    parts = [f"part-{i:06d}.json" for i in range(4)]
    assert records(prepared) == parts  # who made the tile took the claim away
    [taken] = claims.opened(prepared, [tiles[0]._replace(part=4)], every=False)
    assert __main__.main(["report", str(prepared)]) == 0
    assert records(prepared) == parts


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 8])
def test_any_number_of_devices_makes_the_same_tiles(prepared, whole, devices):
    flags = f"--xla_force_host_platform_device_count={devices}"
    one = begun(prepared, XLA_FLAGS=flags)
    _, told = one.communicate(timeout=300)
    assert one.returncode == 0, told
    assert job.resume(gdexp.load(prepared)).manifest["complete"]
    assert hashes(prepared) == hashes(whole)


def test_another_flag_of_xla_is_refused_by_name(prepared):
    one = begun(prepared, XLA_FLAGS="--xla_cpu_enable_fast_math=true")
    _, told = one.communicate(timeout=300)
    assert one.returncode == 3
    assert "XLA_FLAGS none → --xla_cpu_enable_fast_math=true" in told


SRUN = """#!/usr/bin/env bash
shift
for i in 1 0; do SLURM_PROCID=$i SLURM_NTASKS=2 "$@"; done
"""


@pytest.mark.slow
def test_the_slurm_job_makes_every_tile(prepared, whole, tmp_path):
    """With a stand-in for srun that runs two tasks, the last first."""
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "srun").chmod(0o755)
    tools = [str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]]
    script = Path(__file__).parents[1] / "scripts" / "slurm.sh"
    done = subprocess.run(
        [script, prepared],
        env=os.environ | {"PATH": os.pathsep.join(tools)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert job.resume(gdexp.load(prepared)).manifest["complete"]
    assert hashes(prepared) == hashes(whole)
