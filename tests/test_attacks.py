"""What somebody else wrote runs no code, writes nothing elsewhere, and learns no secret.

Every case is given to the front door, or put where it reads; afterwards no file of the surroundings
has changed, no canary was touched, and the secret stands nowhere in what was said or written.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from cases import sifted

import gdexp
from gdexp import __main__
from gdexp.commands import run

SECRET = "hunter2-the-secret"
CODE = "__import__('pathlib').Path('CANARY').touch()"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a canary's place, a secret around it, and files that nobody may change."""
    monkeypatch.setenv("MY_SECRET", SECRET)
    monkeypatch.setattr(sys, "argv", ["gdexp"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "outside.py").write_text(f"{CODE}\ndef f(x): return x * x\n")
    (tmp_path / "mine.yaml").write_text("grid: {learning_rate: [0.1, 0.2]}\n")
    run.accepted.clear()
    return tmp_path


def state(folder):
    """Every file around, but for what a run may write."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "outputs" not in path.parts
    }


@pytest.fixture
def attack(home, capfd):
    """Types words; nothing may come of them but an exit code that is told."""

    def attack(*words, codes=(2,)):
        before = state(home)
        try:
            code = __main__.main(list(words))
        except SystemExit as ended:
            code = ended.code
        out, err = capfd.readouterr()
        assert code in codes, (code, err)
        assert "Traceback" not in err
        assert SECRET not in out + err
        assert not list(home.rglob("CANARY"))
        assert state(home) == before
        for path in Path("outputs").rglob("*"):
            assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
        return err

    return attack


# -- the command line --------------------------------------------------------------------------

RERUN = ["--experimental-rerun=config.pickle", "--experimental-rerun", "--experimental", "--exp"]
RERUN += [
    "--e=config.pickle",
    "--config-dir=..",
    "--config-path=..",
    "--config-name=mine",
    "-cd=..",
]
RERUN += ["-cp", "-cn", "--run", "--package=x", "--shell-completion", "-sc", "--info=secret"]
HYDRA = [
    "hydra.launcher._target_=os.system",
    "+hydra.launcher._target_=os.system",
    "hydra.sweeper._target_=subprocess.run",
    "hydra.launcher={_target_: os.system, command: 'touch CANARY'}",
    "hydra.callbacks.evil._target_=os.system",
    "+hydra.callbacks={evil: {_target_: os.system}}",
    "hydra.job_logging.handlers.evil.class=os.system",
    "hydra.job_logging={version: 1, handlers: {e: {'()': os.system, command: 'touch CANARY'}}}",
    "hydra.hydra_logging.root=x",
    "hydra.searchpath=[file://..]",
    "+hydra.searchpath=[pkg://evil]",
    "hydra.job.env_set.PATH=..",
    "hydra.job.chdir=true",
    "hydra.mode=MULTIRUN",
]
TARGETS = [
    "objective.paraboloid._target_=os.system",
    "+objective.paraboloid._target_=os.system",
    "objective={evil: {_target_: os.system}}",
    "optimizer.sgd._target_=os.system",
    "optimizer={evil: {_target_: os.system, command: 'touch CANARY'}}",
    "start._target_=os.system",
    "schedule._target_=os.system",
    "stop._target_=os.system",
    "grid._target_=[1,2]",
    "+wandb._target_=os.system",
    "trace={_target_: os.system}",
]
SECRETS = [
    "wandb.name=${oc.env:MY_SECRET}",
    "wandb.group='${oc.env:MY_SECRET}'",
    "wandb.tags=[${oc.env:MY_SECRET}]",
    "seed=${oc.env:MY_SECRET}",
    "objective=${oc.env:MY_SECRET}",
    "grid.learning_rate=${oc.decode:${oc.env:MY_SECRET}}",
    "hydra.run.dir=${oc.env:MY_SECRET}",
    "wandb.name=${hydra:runtime.cwd}",
    "stop.max_steps=${now:%Y}",
    "${oc.env:MY_SECRET}=1",
]
PATHS = [
    "+sweep=../../mine",
    "+sweep=../mine",
    "+sweep=/etc/passwd",
    "+sweep=mine.yaml",
    "objective=../outside",
    "objective=gdexp.base",
    "optimizer=../outside",
    "optimizer=os",
    "start=../outside",
    "schedule=../outside",
    "objective=../secret.txt:f",
    "hydra.run.dir=../secret.txt",
    "hydra.run.dir=../secret.txt/below",
]
FORMULAS = [
    f"x + {CODE}",
    "__import__('os').system('touch CANARY')",
    "exec(x)",
    "eval(x)",
    "open(x)",
    "x.__class__",
    "().__class__.__bases__[0].__subclasses__()",
    "x if x else y",
    "lambda: x",
    "[x for x in y]",
    "{x: y}",
    "f'{x}'",
    "x := 1",
    "x; y",
    "x\nimport os",
    "globals()",
    "getattr(x, y)",
    "sin.__globals__",
    "x[0]",
    "np.load(x)",
    "os.environ",
    "print(x)",
    "help()",
    "breakpoint()",
    "compile(x, y, z)",
    "x**9**9**9**9",
    "9**9**9**9*x",
    "(" * 500 + "x" + ")" * 500,
    "-" * 4000 + "x",
    "x" * 5000,
    "\x00x",
    "x\u202ey",
    "𝓍 + 1",
    "ｘ",
    "%s" * 30,
    "{x}",
    "`touch CANARY`",
    "$(touch CANARY)",
]
TYPED = {"rerun": RERUN, "hydra": HYDRA, "target": TARGETS, "secret": SECRETS, "path": PATHS}
TYPED["formula"] = [f"objective={text}" for text in FORMULAS]


@pytest.mark.parametrize(
    "word", sifted([w for words in TYPED.values() for w in words], 3), ids=ascii
)
def test_words(attack, word):
    attack(word)


def test_there_are_enough_of_them():
    assert sum(map(len, TYPED.values())) + len(CONFIGS) + len(FOLDERS) >= 100


# -- saved configs -----------------------------------------------------------------------------

CONFIGS = {  # what is put into a saved config -> as text, or as a change of it
    "a call": "a: !!python/object/apply:os.system ['touch CANARY']",
    "a call of subprocess": "a: !!python/object/apply:subprocess.run [[touch, CANARY]]",
    "an object": "a: !!python/object:os.system {}",
    "a new object": "a: !!python/object/new:os.system [touch CANARY]",
    "a name": "a: !!python/name:os.system ''",
    "a module": "a: !!python/module:os ''",
    "a tag of its own": "a: !evil x",
    "a tag": "a: !!str x",
    "a set": "a: !!set {x, y}",
    "binary": "a: !!binary aGk=",
    "a date": "a: 2026-01-01",
    "an alias": "a: &x [1]\nb: *x",
    "an anchor": "a: &x 1",
    "a bomb": "a: &a [1,1]\n"
    + "\n".join(f"{n}: &{n} [*{m},*{m},*{m}]" for m, n in zip("abcdefgh", "bcdefghi", strict=True)),
    "two documents": "a: 1\n---\nb: 2",
    "no mapping": "[1, 2]",
    "nothing": "",
    "a deep list": "a: " + "[" * 10_000,
    "deep mappings": "a: " + "{a: " * 2_000,
    "many digits": "a: " + "9" * 100_000,
    "many sixties": "a: 1" + ":59" * 100_000,
    "much of it": "a: " + "x" * 2**20,
    "no text": "\x00\x01\x02",
    "a key twice": "a: 1\na: 2",
    "no key": "? [1, 2]\n: 3",
    "a hydra section": {"hydra": {"launcher": {"_target_": "os.system"}}},
    "an empty hydra section": {"hydra": {}},
    "callbacks": {"hydra": {"callbacks": {"evil": {"_target_": "os.system"}}}},
    "a target": {"_target_": "os.system"},
    "a target of an objective": {"objective": {"paraboloid": {"_target_": "os.system"}}},
    "another objective": {"objective": {"os.system": {}}},
    "a path as an objective": {"objective": {"../outside": {}}},
    "a target of an optimizer": {"optimizer": {"sgd": {"_target_": "os.system"}}},
    "another optimizer": {"optimizer": {"os": {"command": "touch CANARY"}}},
    "a start elsewhere": {"start": {"name": "../../outside"}},
    "a schedule elsewhere": {"schedule": {"name": "os"}},
    "a metric elsewhere": {"trace": {"every": 1, "runs": "all", "metrics": ["os"]}},
    "code in a file": {"objective": {"file": {"path": "../outside.py:f", "dim": 1}}},
    "code with an absolute path": {"objective": {"file": {"path": "/tmp/evil.py:f", "dim": 1}}},
    "code that is no path": {"objective": {"file": {"path": ["os"], "dim": 1}}},
    "a formula with code": {"objective": {"expr": {"formula": CODE}}},
    "a secret as a name": {"wandb": {"name": "${oc.env:MY_SECRET}"}},
    "a secret as a tag": {"wandb": {"tags": ["${oc.env:MY_SECRET}"]}},
    "a secret as a formula": {"objective": {"expr": {"formula": "${oc.env:MY_SECRET}"}}},
    "a secret as a key": {"grid": {"${oc.env:MY_SECRET}": [0.1]}},
}


@pytest.fixture
def folder(whole, home):
    """A sweep as somebody sends it, not finished, so that every command has to look at it."""
    folder = shutil.copytree(whole, home / "inside" / "theirs")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"complete": False}))
    return folder


@pytest.mark.parametrize("command", ["resume", "reproduce"])
@pytest.mark.parametrize("case", CONFIGS)
def test_saved_configs(attack, folder, case, command):
    change = CONFIGS[case]
    file = folder / "config.yaml"
    if isinstance(change, str):
        file.write_text(change)
    else:
        config = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump(_merged(config, change)))
    attack(command, "theirs")


def _merged(config, change):
    """A config with sections changed; of objectives and optimizers those given alone."""
    alone = ("objective", "optimizer", "start", "schedule")
    return config | {
        key: config[key] | value if key in config and key not in alone else value
        for key, value in change.items()
    }


# -- folders that lead elsewhere ---------------------------------------------------------------


def linked(name):
    def make(folder, outside):
        there = outside / "taken"
        there.mkdir()
        shutil.rmtree(folder / name, ignore_errors=True)
        os.symlink(there, folder / name)

    return make


def manifest_with(**changes):
    def make(folder, outside):
        file = folder / "manifest.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return make


FOLDERS = {
    **{
        f"{name} is a link": linked(name)
        for name in ("runs", "traces", ".tiles", "damaged", "wandb")
    },
    "a part that is a path": manifest_with(
        tiles=[{"part": "../../../x", "first": 0, "count": 1, "sha256": "0"}]
    ),
    "a part below zero": manifest_with(tiles=[{"part": -1, "first": 0, "count": 1, "sha256": "0"}]),
    "groups of another sweep": manifest_with(groups=[]),
    "a shape of very many runs": manifest_with(
        groups=[
            {"objective": "a", "optimizer": "b", "first": 0, "shape": [2**40], "axes": [["a"]]}
            | {"tile_runs": 1, "lanes": 1}
        ]
    ),
    "no tile has runs": manifest_with(
        groups=[
            {"objective": "a", "optimizer": "b", "first": 0, "shape": [1], "axes": []}
            | {"tile_runs": 0, "lanes": 1}
        ]
    ),
    "a grid that is no grid": manifest_with(grid={"learning_rate": "no base64!"}),
    "a grid of code": manifest_with(grid={"learning_rate": ["os.system"]}),
    "no manifest": lambda folder, outside: (folder / "manifest.json").write_text("[" * 100_000),
    "a long number": lambda folder, outside: (folder / "manifest.json").write_text(
        '{"runs": ' + "9" * 10_000 + "}"
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_folders(attack, home, folder, case):
    FOLDERS[case](folder, home)
    attack("resume", "theirs")


def test_code_in_a_file_runs_only_where_it_is_trusted_and_unchanged(attack, home, capfd):
    (home / "inside" / "good.py").write_text("def f(x): return x * x\n")
    words = ["objective=./good.py:f", "grid.learning_rate=0.1,0.2", "start.points=[[1.0]]"]
    assert __main__.main([*words, "wandb.mode=disabled", "hydra.run.dir=outputs/a"]) == 0
    assert "type --allow-code" in attack("reproduce", "outputs/a")
    assert __main__.main(["reproduce", "outputs/a", "--allow-code"]) == 0
    (home / "inside" / "good.py").write_text(f"{CODE}\ndef f(x): return x * x\n")
    assert "has changed since the sweep" in attack("reproduce", "outputs/a", "--allow-code")
    with pytest.raises(gdexp.UsageError, match="if you trust it"):
        _ = gdexp.load("outputs/a").plan


def test_a_name_cannot_colour_or_clear_the_terminal(home, capfd):
    """Texts of the user stand in what is printed: none of them is markup or an escape sequence."""
    words = ["objective=x*x + 0*y", "wandb.mode=disabled", "hydra.run.dir=outputs/[red]b"]
    assert __main__.main([*words, "start.points=[[1.0,1.0]]"]) == 0
    out, _ = capfd.readouterr()
    assert "outputs/[red]b" in out and "\x1b" not in out
