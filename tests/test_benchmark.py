"""scripts/benchmark.py at a tiny size: what it writes and how it computes; no speed is asserted."""

import importlib
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "benchmark.py"
KINDS = ("heterogeneous", "homogeneous")
PEERS = ("while_loop", "scan")
REFUSED = ("homogeneous", "scipy")  # this work to that contestant: it has nothing to say there


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The JSON and the Markdown of a real run with the contestants that need JAX alone."""
    out = tmp_path_factory.mktemp("benchmark")
    command = [sys.executable, SCRIPT, "--quick", "--json", out / "b.json"]
    only = [*(f"paraboloid.sgd/{peer}" for peer in PEERS), "paraboloid.sgd.{}/{}".format(*REFUSED)]
    done = subprocess.run(
        [*command, "--markdown", out / "b.md", "--only", *only],
        cwd=out,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((out / "b.json").read_text()), (out / "b.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(written):
    return written[0]


@pytest.fixture
def bench(monkeypatch):
    """Imports a module as the script does, from its own folder."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return importlib.import_module


def contest(report, kind):
    [held] = [c for c in report["contests"] if c["task"]["kind"] == kind]
    return held


@pytest.mark.slow
def test_it_says_what_it_measured_and_on_what(report):
    assert report["rounds"] == 1 and report["quick"]
    assert {"cpu", "cores", "vectors", "memory_gib", "versions"} <= set(report["machine"])
    assert {"jax", "optax", "numpy", "python"} <= set(report["machine"]["versions"])
    assert [c["name"] for c in report["contests"]] == [f"paraboloid.sgd.{k}" for k in KINDS]


@pytest.mark.slow
def test_it_names_no_folder_of_this_machine(written):
    told = json.dumps(written[0]) + written[1]
    for private in (str(ROOT), sys.prefix, f"{Path.home()}/"):
        assert private not in told


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_every_entry_has_its_figures_or_a_reason(report, kind):
    entries = contest(report, kind)["entries"]
    assert set(entries) - {REFUSED[1]} == {"gdexp", *PEERS}
    for name, entry in entries.items():
        if (kind, name) == REFUSED:
            assert set(entry) == {"skipped"} and entry["skipped"]
            continue
        assert "skipped" not in entry
        assert entry["compile_seconds"] > 0
        for figure in ("seconds", "steps_per_second", "runs_per_second"):
            found = entry[figure]
            assert 0 < found["low"] <= found["median"] <= found["high"]
            assert len(found["rounds"]) == report["rounds"]


@pytest.mark.slow
def test_useful_steps_are_those_the_runs_need(report):
    mixed, even = (contest(report, kind) for kind in KINDS)
    assert mixed["useful_share"] < 1 and mixed["outcomes"]["converged"] > 0.1
    assert even["useful_share"] == 1 and even["outcomes"]["unfinished"] == 1
    for held in (mixed, even):
        task = held["task"]
        assert held["longest"] == task["max_steps"]
        steps = held["useful_share"] * task["runs"] * held["longest"]
        assert held["useful_steps"] == pytest.approx(steps)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_a_ratio_is_what_its_times_give(report, kind):
    entries = contest(report, kind)["entries"]
    ours = entries["gdexp"]
    for entry in entries.values():
        if "ratio" not in entry:
            continue
        speeds = [
            [one["useful_steps"] / s for s in one["seconds"]["rounds"]] for one in (ours, entry)
        ]
        rounds = [a / b for a, b in zip(*speeds, strict=True)]
        assert entry["ratio"]["rounds"] == pytest.approx(rounds)
        assert entry["ratio"]["median"] == pytest.approx(statistics.median(rounds))


@pytest.mark.slow
def test_contestants_did_the_same_work(report):
    mixed, even = (contest(report, kind)["entries"] for kind in KINDS)
    loop = mixed["while_loop"]["agreement"]
    assert loop["steps"] > 0.9 and loop["steps_close"] == loop["outcome"] == loop["f"] == 1
    for peer in PEERS:
        assert even[peer]["agreement"]["steps"] == even[peer]["agreement"]["f"] == 1


@pytest.mark.slow
def test_the_markdown_shows_what_the_json_holds(written):
    report, text = written
    assert "## Targets" in text and text.count("| paraboloid, sgd |") == 2
    assert text.count("not measured") == sum(t["met"] is None for t in report["targets"])


def test_targets_follow_from_the_figures(bench):
    targets = bench("bench.targets")

    def held(case, useful, times):
        task = {"case": case, "kind": "heterogeneous", "optimizer": "sgd"}
        entry = {"ratio": {"median": times}}
        name = f"{case}.sgd.heterogeneous"
        return {
            "name": name,
            "task": task,
            "useful_share": useful,
            "entries": {"while_loop": entry},
        }

    report = {
        "contests": [held("paraboloid", 0.3, 4.0), held("rastrigin-2", 0.8, 1.5)],
        "processes": {"ratios": {"help / hydra_import": {"median": 2.0}}},
    }
    judged = {(one["against"], one["work"]): one for one in targets.judge(report)}
    loop = "jit(vmap(while_loop)), all cores"
    half = judged[loop, "main cases, under half useful"]
    assert not half["met"] and half["of"] == 1 and half["factor"] == pytest.approx(0.8)
    assert [m["where"] for m in half["missed"]] == ["paraboloid.sgd.heterogeneous"]
    every = judged[loop, "main cases, all"]
    assert every["met"] and every["measured"] == 1.5 and every["factor"] == pytest.approx(1.25)
    assert judged[loop, "main cases, mean"]["measured"] == pytest.approx(6**0.5)
    assert judged["importing hydra", "gdexp --help"]["factor"] == pytest.approx(1.25)
    assert judged["10⁶ runs", "peak memory of 10⁷ runs"]["met"] is None


def test_only_names_work_and_contestants(bench):
    wanted = bench("benchmark")._wanted
    assert wanted(None, "memory") and wanted(["paraboloid"], "paraboloid.sgd.homogeneous", "c")
    assert wanted(["rastrigin-*.adam/scan"], "rastrigin-10.adam.homogeneous", "scan")
    assert not wanted(["*/scan"], "ackley-10.sgd.homogeneous", "scan_blocks")
    assert not wanted(["scaling.dim"], "scaling.lanes")


@pytest.mark.slow
def test_resume_measures_only_what_is_missing(bench, report, tmp_path, capsys):
    main, file = bench("benchmark").main, tmp_path / "b.json"
    file.write_text(json.dumps(report))
    again = ["--quick", "--resume", "--json", str(file), "--only"]
    main([*again, *(f"paraboloid.sgd/{peer}" for peer in PEERS)])
    assert json.loads(file.read_text())["contests"] == report["contests"]
    assert "million steps" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.slow
def test_resume_with_one_more_contestant_keeps_the_others(bench, report, tmp_path):
    file = tmp_path / "b.json"
    file.write_text(json.dumps(report))
    only = "paraboloid.sgd.homogeneous/scan_values"
    bench("benchmark").main(["--quick", "--resume", "--json", str(file), "--only", only])
    found = json.loads(file.read_text())
    mixed, even = (contest(found, kind) for kind in KINDS)
    assert mixed == contest(report, "heterogeneous")
    assert set(even["entries"]) == set(contest(report, "homogeneous")["entries"]) | {"scan_values"}
    assert all("ratio" in even["entries"][peer] for peer in (*PEERS, "scan_values"))


@pytest.mark.parametrize("other", [{"rounds": 7}, {"commit": "0"}, {"machine": {"cpu": "z80"}}])
@pytest.mark.slow
def test_resume_refuses_what_was_measured_otherwise(bench, report, tmp_path, other):
    file = tmp_path / "b.json"
    file.write_text(json.dumps(report | other))
    with pytest.raises(SystemExit, match=f"another {next(iter(other))}"):
        bench("benchmark").main(["--quick", "--resume", "--json", str(file)])
    assert json.loads(file.read_text()) == report | other
