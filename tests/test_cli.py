"""The front door as real processes: what it prints, where it writes, how it exits.

A process takes about two seconds, so only what needs one is here: the refusals of the contract,
and what happens around a run. tests/commands/test_run.py says the rest in one process.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from cases import sifted

import gdexp

ROOT = Path(__file__).parents[1]
QUIET = "wandb.mode=disabled"
OUT = "hydra.run.dir=out"
FILE = """\
import jax.numpy as jnp
def f(x, y, *, a=4.0):
    return (x - 1) ** 2 + a * (y + 1) ** 2 + x * y / 2
"""


@pytest.fixture
def environment():
    """No variable of this machine that gdexp, Hydra or JAX would listen to."""
    kept = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "LANG", "XDG_CACHE_HOME")
    own = {key: value for key, value in os.environ.items() if key in kept}
    return own | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}


@pytest.fixture
def begin(tmp_path, environment):
    """Starts `python -m gdexp WORDS` in an empty folder."""

    def begin(*words, cwd=tmp_path, **variables):
        return subprocess.Popen(
            [sys.executable, "-m", "gdexp", *words],
            cwd=cwd,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    # a shell starts what it puts in the background deaf to Ctrl-C, and so would be its children
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield begin
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def call(begin):
    """Runs `python -m gdexp WORDS` to its end: exit code, standard output, standard error."""

    def call(*words, **options):
        with begin(*words, **options) as process:
            out, err = process.communicate(timeout=120)
        # a loaded machine takes so long that progress is told
        err = "".join(line for line in err.splitlines(True) if " left · " not in line)
        return process.returncode, out, err

    return call


def ends(directory):
    """outcome, steps and end point of every run of a sweep."""
    runs = gdexp.load(directory).runs.select(["outcome", "steps", "x"]).to_pylist()
    return [(run["outcome"], run["steps"], [round(x, 3) for x in run["x"]]) for run in runs]


REFUSED = [
    ("+swep=lr_grid", "did you mean +sweep?"),
    ("+sweep=lr_gird", "did you mean lr_grid?"),
    ("optimizer=adma", "did you mean adam?"),
    ("grid.lerning_rate=[0.1]", "did you mean learning_rate?"),
    ("grid.learning_rate=[]", "type one of 0.1"),
    ("grid.learning_rate=[abc]", "type one of 0.1"),
    ("grid.learning_rate=log:0:1:5", "type lin:0:1:5, or begin above 0"),
    ("grid.momentum=[0.9] optimizer=adam", "type optimizer=sgd"),
    ("stop.max_steps=-1", "give 0 to"),
    ("start=points", "type start=points 'start.points=[[3,3],[-2,0]]'"),
    ("start=points start.points=[[1,2,3]]", "type start=points 'start.points=[[3,3]]'"),
    ("dtype=float16", "float32, float64"),
    ("device=gpu", "type device=auto"),
    ("objective=x.__class__", "type sin(x)"),
    ("objective=9**9**9**9**9", "a formula needs a variable"),
    ("hydra.run.dir=file", "type hydra.run.dir=NEW_FOLDER"),
    ("+sweep=broken", "broken.yaml, line 3, column 3: "),
    ("seed=${oc.env:HOME}", "type the value itself"),
    ("frobnicate", "type one of boundary, gradients, list, plot, race,"),
    ("--experimental-rerun=x", "there is no flag --experimental-rerun"),
]


class TestRefused:  # a class is what pytest-xdist hands to another worker
    @pytest.mark.parametrize(
        ("words", "told"),
        sifted([pytest.param(*case, id=case[0]) for case in REFUSED], 10),
    )
    def test_wrong_words(self, call, tmp_path, words, told):
        (tmp_path / "file").touch()
        (tmp_path / "conf" / "sweep").mkdir(parents=True)
        (tmp_path / "conf" / "sweep" / "broken.yaml").write_text("grid:\n  a: [1\n b: 2\n")
        before = sorted(tmp_path.rglob("*"))
        code, out, err = call(*words.split())
        assert (code, out) == (2, "")
        assert err.startswith("gdexp: ") and told in err
        assert "Traceback" not in err and "Warning" not in err
        assert len(err) < 400 and err.count("\n") <= 3, "short"
        assert sorted(tmp_path.rglob("*")) == before, "nothing is left behind"

    @pytest.mark.slow
    def test_a_folder_that_holds_a_sweep(self, call, tmp_path):
        assert call(QUIET, OUT, "run.prepare=true")[0] == 0
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        code, _, err = call(QUIET, OUT)
        assert code == 2
        assert "out already holds a sweep: type hydra.run.dir=NEW_FOLDER" in err
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere"
    )
    def test_a_folder_that_cannot_be_written(self, call, tmp_path):
        tmp_path.chmod(0o500)
        code, _, err = call(QUIET)
        tmp_path.chmod(0o700)
        assert code == 2
        assert "cannot be written: type hydra.run.dir=NEW_FOLDER" in err


def test_the_lesson_prints_its_path_in_plain_lines(call, tmp_path):
    code, out, err = call()
    assert (code, err) == (0, "")
    [directory] = (tmp_path / "outputs").glob("*/*")
    assert out.startswith("step ") and "converged (grad_tol)" in out
    assert f"results: {directory.relative_to(tmp_path)}" in out
    assert "\x1b" not in out and "\r" not in out, "no colours or bars where there is no terminal"
    assert ends(directory) == [("converged", 47, [1.27, -1.079])]


@pytest.mark.parametrize(
    ("words", "expected"),
    sifted(
        [
            (
                ["objective=(x-1)**2 + 4*(y+1)**2 + x*y/2"],
                [("converged", 47, [1.27, -1.079])],
            ),
            (
                ["objective=./mine.py:f", "grid.a=4,12", "start.points=[[3,3]]"],
                [("converged", 47, [1.27, -1.079]), ("diverged", None, None)],
            ),
            (
                ["grid.learning_rate=0.01,0.1,0.5", "stop.max_steps=50"],
                [
                    ("unfinished", 50, [1.79, -1.059]),
                    ("converged", 47, [1.27, -1.079]),
                    ("diverged", None, None),
                ],
            ),
        ],
        3,
    ),
    ids=["formula", "file", "grid"],
)
def test_formula_file_and_grid_run(call, tmp_path, words, expected):
    (tmp_path / "mine.py").write_text(FILE)
    code, _, err = call(*words, QUIET, OUT)
    assert (code, err) == (0, "")
    found = ends(tmp_path / "out")
    assert [outcome for outcome, *_ in found] == [outcome for outcome, *_ in expected]
    assert [f for f, e in zip(found, expected, strict=True) if e[1]] == [
        e for e in expected if e[1]
    ]


@pytest.mark.slow
def test_a_sweep_of_the_package_runs_from_anywhere(call, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    code, out, _ = call("+sweep=smoke", "objective=beale", QUIET, cwd=elsewhere)
    assert code == 0
    assert "beale × sgd" in out and "256" in out
    [directory] = elsewhere.glob("outputs/*/*")
    config = yaml.safe_load((directory / "config.yaml").read_text(encoding="utf-8"))
    assert config["sweep"] == "smoke"


@pytest.mark.slow
def test_sweeps_of_ones_own_are_found_here_and_in_a_folder_named(call, tmp_path):
    for folder, rate in (("here/conf", 0.1), ("it's, shared", 0.2)):
        (tmp_path / folder / "sweep").mkdir(parents=True)
        name = "mine" if folder == "here/conf" else "ours"
        (tmp_path / folder / "sweep" / f"{name}.yaml").write_text(
            f"# @package _global_\n# What?\ngrid: {{learning_rate: [{rate}, 0.3]}}\n"
        )
    for name, rate in (("mine", 0.1), ("ours", 0.2)):
        code, _, err = call(
            *(f"+sweep={name}", "start=own", QUIET, f"hydra.run.dir=out/{name}"),
            cwd=tmp_path / "here",
            GDEXP_CONF=str(tmp_path / "it's, shared"),
        )
        assert (code, err) == (0, "")
        runs = gdexp.load(tmp_path / "here" / "out" / name).runs
        assert runs["learning_rate"].to_pylist() == [rate, 0.3]


@pytest.mark.slow
def test_prepare_writes_config_and_manifest_and_computes_nothing(call, tmp_path):
    code, _, err = call("+sweep=lr_grid", "run.prepare=true", OUT)
    assert (code, err) == (0, "")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"config.yaml", "manifest.json", ".hydra"}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["complete"], manifest["runs"], manifest["tiles"]) == (False, 32768, [])


@pytest.mark.slow
def test_m_makes_a_job_of_each_value(call, tmp_path):
    code, _, err = call("-m", "seed=0,1", "start=uniform", "start.num=2", QUIET)
    assert (code, err) == (0, "")
    first, second = sorted((tmp_path / "multirun").glob("*/*/[01]"))
    assert ends(first) != ends(second)
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_two_processes_started_together_get_two_folders(begin, tmp_path):
    both = [begin(QUIET), begin(QUIET)]
    codes = [process.wait(timeout=120) for process in both]
    for process in both:
        process.communicate()
    assert codes == [0, 0]
    found = list((tmp_path / "outputs").glob("*/*"))
    assert len(found) == 2
    assert ends(found[0]) == ends(found[1])


def test_help_says_what_to_type(call, tmp_path):
    code, out, err = call("--help")
    assert (code, err) == (0, "")
    assert "python -m gdexp +sweep=lr_grid" in out
    assert list(tmp_path.iterdir()) == []


def test_list_names_everything_even_where_the_terminal_knows_no_greek(call):
    code, out, err = call("list", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    for name in ("himmelblau", "adam", "cosine", "sobol", "lr_grid"):
        assert name in out


LONG = ["objective=rosenbrock", "stop.max_steps=1e8", "stop.grad_tol=0", "start=uniform"]
LONG += ["start.num=3000", "optimizer.sgd.learning_rate=1e-5", QUIET, OUT]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals to a process")
@pytest.mark.parametrize(
    ("number", "code"),
    sifted([(signal.SIGINT, 130), (signal.SIGTERM, 143)], 2),
    ids=["Ctrl-C", "SIGTERM"],
)
@pytest.mark.parametrize(
    "when", [pytest.param("while it starts", marks=pytest.mark.slow), "while it runs"]
)
def test_an_interrupted_run_says_so_and_keeps_what_it_has(begin, tmp_path, number, code, when):
    process = begin(*LONG)
    with process:
        if when == "while it runs":
            wait_for(tmp_path / "out" / "manifest.json")
        time.sleep(1)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    kept = "; what was finished is kept: python -m gdexp resume out"
    assert err == f"gdexp: interrupted{kept if when == 'while it runs' else ''}\n"
    if when == "while it runs":
        assert not json.loads((tmp_path / "out" / "manifest.json").read_text())["complete"]


def wait_for(path):
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    pytest.fail(f"{path} does not appear")
