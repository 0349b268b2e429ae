"""A sweep comes out the same again, and where it does not, the reason is told."""

import json
import os
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from cases import sifted

import gdexp
from gdexp import __main__, api, job, verify
from gdexp.commands.run import accepted
from gdexp.config import catalogue


@pytest.fixture
def folder(whole, tmp_path):
    """A copy that may be spoilt."""
    return shutil.copytree(whole, tmp_path / "sweep")


@pytest.fixture
def say(capsys):
    def say(*words):
        code = __main__.main(list(map(str, words)))
        out, err = capsys.readouterr()
        return code, out + err

    return say


def test_a_sweep_has_the_same_bits_again(say, whole):
    assert say("reproduce", whole) == (0, "SAME BITS (1,600 runs checked)\n")
    assert say("reproduce", whole / "config.yaml")[0] == 0


def test_a_sample_of_tiles_is_stated(say, whole):
    code, told = say("reproduce", whole, "--runs", "300")
    assert code == 0 and told.startswith("SAME BITS (400 runs checked)\nin 1 of 4 tiles")


def test_a_damaged_tile_is_named(say, folder):
    part = folder / "runs" / "part-000002.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 1
    part.write_bytes(content)
    code, told = say("reproduce", folder)
    assert code == 3 and "runs/part-000002.parquet is damaged" in told
    assert "other bits" not in told  # what is made now is what was made then


@pytest.mark.parametrize("harm", sifted(["swapped", "emptied", "gone"], 3))
def test_files_that_are_swapped_emptied_or_gone_are_found(say, folder, harm):
    one, other = (folder / "runs" / f"part-00000{i}.parquet" for i in (0, 1))
    if harm == "swapped":
        content = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(content)
    elif harm == "emptied":
        one.write_bytes(b"")
    else:
        one.unlink()
    code, told = say("reproduce", folder)
    assert code == 3 and "part-000000.parquet is damaged" in told


def test_what_is_different_is_told(say, folder):
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["versions"]["jaxlib"] = "0.0.1"
    manifest["cpu_features"].append("MMX2000")
    manifest["tiles"][0]["sha256"] = "0" * 64
    file.write_text(json.dumps(manifest))
    code, told = say("reproduce", folder)
    assert code == 3
    assert "jaxlib 0.0.1 → " in told and "this CPU is without MMX2000" in told
    assert "other bits in 1 of 4 tiles" in told


@pytest.mark.slow
def test_without_fma_the_bits_are_others_and_the_flag_is_named(whole):
    """In a process of its own: a flag of XLA is read once."""
    told = subprocess.run(
        [sys.executable, "-m", "gdexp", "reproduce", str(whole)],
        env=os.environ | {"XLA_FLAGS": "--xla_cpu_max_isa=AVX"},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 3, told.stderr
    assert "XLA_FLAGS none → --xla_cpu_max_isa=AVX" in told.stderr
    assert "largest difference" in told.stderr and "same outcome" in told.stderr


@pytest.mark.slow
def test_another_number_of_lanes_is_told_whatever_comes_of_it(whole):
    verdict = verify.reproduce(gdexp.load(whole), lanes=64)
    assert "himmelblau × sgd: 1024 lanes → 64" in verdict.reasons


def test_nothing_to_compare_with_is_said(say, tmp_path):
    job.run(api.experiment("parabola", run_prepare=True), tmp_path / "prepared")
    code, told = say("reproduce", tmp_path / "prepared")
    assert code == 2 and "holds no finished tile" in told


# -- replay ------------------------------------------------------------------------------------


def test_runs_replayed_alone_end_on_the_stored_bits(whole):
    found = gdexp.load(whole)
    runs = [0, 777, 1599, 3, 400]
    stored = found.runs.to_pylist()
    for run, again in zip(runs, found.replay(*runs), strict=True):
        assert again.run == run and again.same_bits
        row = stored[run]
        assert (str(again.outcome), again.reason) == (row["outcome"], row["reason"])
        assert again.x[-1].tolist() == row["x"]
        assert (again.x[:-1] + again.update[:-1]) == pytest.approx(again.x[1:], rel=1e-5)


def test_a_stored_end_of_other_bits_is_named(say, folder):
    part = folder / "runs" / "part-000000.parquet"
    table = pq.read_table(part)
    at = table.schema.get_field_index("f")
    f = table["f"].to_numpy().copy()
    f[7] += 1e-3
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(f)), part)
    assert say("replay", folder, 6)[0] == 0
    code, told = say("replay", folder, 6, 7)
    assert code == 3 and "NOT THE SAME BITS as the sweep stored: f" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["replay"], "which run? type gdexp replay"),
        (["replay", "99999"], "there is no run 99999"),
        (["reproduce", "--runs", "0"], "--runs=0 is out of range"),
        (["reproduce", "--runs"], "--runs needs a value"),
        (["reproduce", "--run", "5"], "there is no flag --run"),
    ],
)
def test_wrong_words_are_refused(say, whole, words, told):
    code, said = say(words[0], whole, *words[1:])
    assert code == 2 and told in said


# -- every sweep there is ----------------------------------------------------------------------


def small(name):
    """A sweep's words at the size of a smoke test: axes of 4 values, 4 starts or 4 a side."""
    told = yaml.safe_load(catalogue.sweeps()[name].read_text())
    words = [f"+sweep={name}", "stop.max_steps=50", "wandb.mode=disabled"]
    for key, values in told.get("grid", {}).items():
        if isinstance(values, str):
            words.append(f"grid.{key}={values.rpartition(':')[0]}:4")
    if any("override /start" in str(entry) for entry in told["defaults"]):
        words.append("start.num=4")
    return words


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    catalogue.sweeps(),
)
def test_every_sweep_has_the_same_bits_again(name, say, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gdexp"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    accepted.clear()
    assert __main__.main([*small(name), "hydra.run.dir=out"]) == 0
    runs = gdexp.load("out").manifest["runs"]
    assert 4 <= runs <= 1024
    code, told = say("reproduce", "out")
    assert code == 0 and f"SAME BITS ({runs:,} runs checked)" in told
