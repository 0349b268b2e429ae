"""Tiles that are made where a sweep would come to other bits: marked, and told apart everywhere."""

import dataclasses
import json
import platform

import pytest
from processes import says

import gdexp
from gdexp import __main__, api, commits, extending, job, own_bits, plan, store, verify

FLAG = "--xla_of_another_machine=1"  # told to nobody: JAX has read its flags before


@pytest.fixture
def asked(monkeypatch):
    """A sweep of one program and four tiles, 256 runs."""
    monkeypatch.setattr(plan, "TILE_RUNS", 64)
    grid = {"learning_rate": [0.005, 0.3]}
    return api.experiment("paraboloid", grid=grid, start={"uniform": 128}, stop_max_steps=100)


@pytest.fixture
def mixed(asked, tmp_path, monkeypatch):
    """The folder of that sweep: tiles 1 and 3 have the bits of another environment."""
    folder = tmp_path / "sweep"
    job.run(dataclasses.replace(asked, prepare=True), folder)
    assert work(folder, "--shard", "0/2") == 0
    with monkeypatch.context() as patch:
        patch.setenv("XLA_FLAGS", FLAG)
        assert work(folder, "--shard", "1/2", "--own-bits") == 0
    return folder


def work(*words):
    return __main__.main(["work", *map(str, words)])


def environments(folder):
    return [tile.get("environment") for tile in gdexp.load(folder).manifest["tiles"]]


def test_refused_it_says_what_makes_them_all_the_same(mixed, monkeypatch, capsys):
    monkeypatch.setenv("XLA_FLAGS", FLAG)
    assert work(mixed) == 3
    told = capsys.readouterr().err
    assert f"XLA_FLAGS none → {FLAG}" in told and "--own-bits makes them all the same" in told


def test_the_manifest_says_whose_bits_each_tile_has(mixed, asked):
    assert __main__.main(["resume", str(mixed)]) == 0
    first, number, *rest = environments(mixed)
    assert first is None and number and rest == [None, number]
    found = gdexp.load(mixed)
    told = found.manifest["environments"]
    assert list(told) == [number] and told[number]["xla_flags"] == FLAG
    [program] = told[number]["programs"]
    assert program["canary"]["runs"] == 256
    alone = job.run(asked, None)
    assert found.summary["outcomes"] == alone.summary["outcomes"]
    assert found.runs.equals(alone.runs), "the bits are the same here: only what is told differs"


def test_where_the_bits_are_the_same_nothing_is_marked(mixed, capsys):
    store.record_path(mixed, 3).unlink()
    store.part_path(mixed, store.RUNS, 3).unlink()
    assert work(mixed, "--own-bits") == 0
    assert "bits of their own" not in capsys.readouterr().out
    __main__.main(["resume", str(mixed)])
    assert [one is None for one in environments(mixed)] == [True, False, True, True]


@pytest.mark.slow
def test_each_tile_is_reproduced_where_its_environment_is(mixed, monkeypatch, capsys):
    __main__.main(["resume", str(mixed)])
    found = gdexp.load(mixed)
    runs = [tile["count"] for tile in found.manifest["tiles"]]
    capsys.readouterr()
    assert __main__.main(["reproduce", str(mixed)]) == 0
    told = capsys.readouterr().out
    assert "2 tiles have the bits of another environment" in told
    assert f"SAME BITS ({runs[0] + runs[2]:,} runs checked)" in told
    monkeypatch.setenv("XLA_FLAGS", FLAG)
    verdict = verify.reproduce(found, number=own_bits.here(found))
    assert verdict.same and verdict.tiles == (1, 3) and verdict.reasons == ()


def test_what_it_tells_to_type_next_is_what_works(mixed, monkeypatch, capsys):
    store.record_path(mixed, 1).unlink()
    store.part_path(mixed, store.RUNS, 1).unlink()
    monkeypatch.setenv("XLA_FLAGS", FLAG)
    assert work(mixed, "--own-bits", "--shard=0/2") == 0
    assert f"are missing: python -m gdexp work {mixed} --own-bits" in capsys.readouterr().out
    assert work(mixed, "--own-bits") == 0
    assert f"python -m gdexp report {mixed} finishes the sweep" in capsys.readouterr().out
    assert __main__.main(["report", str(mixed)]) == 0
    assert gdexp.load(mixed).manifest["complete"]


def test_with_nothing_to_compare_with_the_bits_are_its_own(asked, tmp_path):
    """A sweep that was cut short before its first tile, and had not been prepared."""
    folder = tmp_path / "sweep"
    job.run(dataclasses.replace(asked, prepare=True), folder)
    store.write_manifest(folder, store.read_json(folder, store.MANIFEST) | {"programs": []})
    assert work(folder, "--own-bits", "--shard=0/4") == 0
    [record] = (folder / ".tiles").glob("part-*.json")
    assert json.loads(record.read_text())["tile"]["environment"]


def test_with_a_tile_to_compare_with_they_are_the_sweeps(asked, tmp_path):
    folder = tmp_path / "sweep"
    job.run(dataclasses.replace(asked, prepare=True), folder)
    assert work(folder, "--shard=0/4") == 0
    store.write_manifest(folder, store.read_json(folder, store.MANIFEST) | {"programs": []})
    assert work(folder, "--own-bits", "--shard=1/4") == 0
    found = gdexp.load(folder)
    second = list(found.plan.tiles())[1]
    assert commits.read(folder, second, found.manifest["identity"]).environment is None


@pytest.mark.slow
def test_what_an_environment_was_may_be_lost_and_the_tiles_stay(mixed):
    [path] = (mixed / ".tiles").glob("environment-*.json")
    path.unlink()
    assert __main__.main(["resume", str(mixed)]) == 0
    assert len(set(environments(mixed))) == 2
    assert "environments" not in gdexp.load(mixed).manifest


def test_a_sweep_of_other_bits_alone_says_whose(mixed, monkeypatch, capsys):
    __main__.main(["resume", str(mixed)])
    told = store.read_json(mixed, store.MANIFEST)
    told["tiles"] = [tile for tile in told["tiles"] if "environment" in tile]
    store.write_manifest(mixed, told)
    assert __main__.main(["reproduce", str(mixed)]) == 2
    assert told["tiles"][0]["environment"] in capsys.readouterr().err


@pytest.mark.slow
def test_of_two_environments_the_first_copy_counts(mixed):
    found = gdexp.load(mixed)
    tile = list(found.plan.tiles())[1]
    there = commits.read(mixed, tile, found.manifest["identity"])
    rows = store.read_part(mixed, store.RUNS, 1)
    at = rows.schema.get_field_index("f")
    others = rows.set_column(at, rows.schema.field(at), [rows["f"].to_numpy() + 1])
    maker = commits.Maker("a third", "0123456789ab")
    assert commits.write(found, tile, others, there.tally, maker) == there
    with pytest.raises(verify.NotTheSameError):  # of one environment they must agree
        commits.write(
            found, tile, others, there.tally, maker._replace(environment=there.environment)
        )


def test_a_larger_sweep_takes_the_runs_with_its_own_bits_alone(mixed):
    __main__.main(["resume", str(mixed)])
    few = gdexp.load(mixed)
    asked = extending.experiment(few, {"start.num": 150})
    more = job.run(asked, None, known=extending.Known(few, plan.make(asked)))
    runs = [tile["count"] for tile in few.manifest["tiles"]]
    assert more.manifest["taken"]["runs"] == runs[0] + runs[2]


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flag takes vector units away there")
def test_other_bits_indeed(tmp_path):
    other = "--xla_cpu_max_isa=SSE4_2"
    words = ("objective=rosenbrock", "grid.learning_rate=log:1e-4:1e-2:16", "start=uniform")
    words += ("start.num=8192", "report=false", "wandb.mode=disabled")
    says(*words, "run.prepare=true", "hydra.run.dir=s", cwd=tmp_path)
    says("work", "s", "--shard=0/2", cwd=tmp_path)
    says("work", "s", "--shard=1/2", "--own-bits", cwd=tmp_path, XLA_FLAGS=other)
    says("resume", "s", cwd=tmp_path)
    assert "1 tiles have the bits of another" in says("reproduce", "s", cwd=tmp_path)
    assert "SAME BITS (65,536" in says("reproduce", "s", cwd=tmp_path, XLA_FLAGS=other)
    assert "made in environment" in says("replay", "s", "70000", code=3, cwd=tmp_path)
    says(*words, "hydra.run.dir=alone", cwd=tmp_path)
    mine, theirs = (gdexp.load(tmp_path / name).manifest["tiles"] for name in ("s", "alone"))
    assert [a["sha256"] == b["sha256"] for a, b in zip(mine, theirs, strict=True)] == [True, False]
