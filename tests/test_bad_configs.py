"""Whatever is typed or stands in a saved config: it runs, or one message says what to type."""

import copy
import json
import random
import shutil
import sys

import pytest
import yaml

import gdexp
from gdexp import engine
from gdexp.__main__ import main
from gdexp.commands import run
from gdexp.config import catalogue, tree
from gdexp.experiment import identity

VALUES = [None, True, False, 0, -1, 1, 3, 1e3, 0.5, -0.1, 1e-300, 1e300, float("nan")]
VALUES += [float("inf"), 2**31, 2**63, 2**64, "", "x", "sgd", "all", "null", "1e3", "log:1e-3:1:4"]
VALUES += ["log:0:1:3", "lin:0:1:0", "lin:0:1", "uniform:0:1", "normal:0:-1", "a b", "ü", "[1, 2]"]
VALUES += ["(x-1)**2", "./mine.py:f", "../x", "nan", "-", "=", "'", '"', "\\", "{}", "x" * 300]
VALUES += [[], {}, [1], [[1, 2]], [[1.0, 2.0], [3.0]], ["a", 1], {"a": 1}, {"sgd": None}, [None]]
VALUES += [[[1.0, 2.0]], {"geomspace": [1e-3, 1, 4]}, {"linspace": [0, 1]}, [True], [float("nan")]]


def places(node, path=()):
    """Every place in a tree: the way to it."""
    yield path
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*path, key))


def spoilt(config, chance):
    """A config with one or two places removed, replaced, renamed, doubled or moved."""
    config = copy.deepcopy(config)
    for _ in range(chance.choice([1, 1, 2])):
        way = chance.choice([path for path in places(config) if path])
        node = config
        for key in way[:-1]:
            node = node[key]
        last, kind = way[-1], chance.randrange(5)
        if kind == 0:
            node.pop(last)
        elif kind == 1 and isinstance(node, dict):
            name = chance.choice(["", "x", "learning_rat", "hydra", "sgd.momentum", "f", *config])
            node[name] = node.pop(last)
        elif kind == 2 and isinstance(node, list):
            node.append(copy.deepcopy(chance.choice(VALUES)))
        elif kind == 3:
            node[last] = copy.deepcopy(chance.choice(list(config.values())))
        else:
            node[last] = copy.deepcopy(chance.choice(VALUES))
    return config


def bases():
    """Configs of several kinds, as sweeps save them."""
    from gdexp import api

    return [
        api.experiment(objective, **keys).config
        for objective, keys in [
            ("paraboloid", {}),
            (["himmelblau", "beale"], {"optimizer": ["sgd", "adam"], "start": {"uniform": 5}}),
            ("(x-1)**2 + y**2", {"grid": {"learning_rate": "log:1e-3:1:4", "momentum": [0, 0.9]}}),
            ("rosenbrock", {"draw": {"learning_rate": "uniform:0:0.1"}, "start": {"sobol": 4}}),
            ("double_well", {"trace_every": 1, "stop_targets": [0.1], "start": [[1.0], [2.0]]}),
            (
                "levy",
                {"schedule": "cosine", "zip": ["learning_rate", "momentum"]}
                | {"grid": {"learning_rate": [0.1, 0.2], "momentum": [0.0, 0.5]}},
            ),
        ]
    ]


@pytest.mark.parametrize("count", [30, pytest.param(10_000, marks=pytest.mark.slow)])
def test_saved_configs(whole, tmp_path, count):
    folder, taken = tmp_path / "theirs", 0
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.parquet"))
    known = bases()
    for seed in range(count):
        chance = random.Random(seed)
        config = spoilt(chance.choice(known), chance)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest |= {
            "grid": {},
            "identity": identity(config, {}, manifest["code_sha256"] | manifest["data_sha256"]),
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        try:
            found = gdexp.load(folder)
            engine.check(found.experiment, found.plan)
            taken += 1
        except gdexp.UsageError as error:
            assert len(str(error)) < 800, (seed, str(error))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {config}") from error
    assert taken < count / 2


@pytest.mark.parametrize("count", [50, pytest.param(2_000, marks=pytest.mark.slow)])
def test_saved_manifests(whole, tmp_path, count):
    folder = shutil.copytree(whole, tmp_path / "theirs")
    saved = json.loads((folder / "manifest.json").read_text())
    for seed in range(count):
        manifest = spoilt(saved, random.Random(seed))
        (folder / "manifest.json").write_text(json.dumps(manifest))
        try:
            found = gdexp.load(folder)
            _ = found.plan, found.runs, found.to_xarray(), found.rows([0, 1599])
        except gdexp.UsageError as error:
            assert len(str(error)) < 800, (seed, str(error))
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


# -- the command line --------------------------------------------------------------------------

KEYS = ["objective", "optimizer", "start", "schedule", "+sweep", "seed", "dtype", "device", "zip"]
KEYS += ["direction", "replicates", "grid", "draw", "grid.learning_rate", "draw.learning_rate"]
KEYS += ["grid.momentum", "grid.sgd.momentum", "grid.a", "start.num", "start.points", "start.low"]
KEYS += ["stop.max_steps", "stop.grad_tol", "stop.targets", "stop.f_tol", "stop", "trace.every"]
KEYS += ["trace.runs", "trace.metrics", "store.columns", "wandb.mode", "wandb.tags", "wandb.name"]
KEYS += ["optimizer.sgd.momentum", "optimizer.adam.b1", "objective.rosenbrock.dim", "report"]
KEYS += ["objective.expr.variables", "objective.expr.parameters.a", "objective.file.path"]
KEYS += [
    "hydra.run.dir",
    "hydra.sweep.dir",
    "run.prepare",
    "~grid.learning_rate",
    "~x",
    "-m",
    "--cfg",
]
WORDS = [
    "paraboloid",
    "himmelblau,beale",
    "sgd,adam",
    "uniform",
    "grid",
    "lr_grid",
    "smoke",
    "nope",
]
WORDS += ["log:1e-3:1:4", "[1,2", "1,2,,3", "0.1,0.2", "[[1,2],[3]]", "[[1,2]]", "{a: 1}", "1e3"]
WORDS += ["-1", "0", "nan", "inf", "true", "null", "", "''", '"', "x y", "a=b", "(x-1)**2+y", "x**"]
WORDS += [
    "./mine.py:f",
    "float64",
    "gpu",
    "maximize",
    "all",
    "ü",
    "out",
    "file",
    "1:2:3",
    "[]",
    "{}",
]


def typed(chance):
    """Some words as somebody types them who does not know how."""
    words = []
    for _ in range(chance.randrange(1, 4)):
        key = chance.choice(KEYS)
        if chance.random() < 0.15:  # a slip of the fingers
            at = chance.randrange(len(key))
            key = key[:at] + chance.choice(["", "x", ".", "_"]) + key[at + 1 :]
        words.append(key if chance.random() < 0.05 else f"{key}={chance.choice(WORDS)}")
    return words


@pytest.mark.parametrize("count", [20, pytest.param(10_000, marks=pytest.mark.slow)])
def test_words(tmp_path, monkeypatch, capsys, count):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gdexp"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(run, "run", lambda *_: None)
    (tmp_path / "file").touch()
    for seed in range(count):
        words, run.accepted[:] = typed(random.Random(seed)), []
        before = set(tmp_path.rglob("*"))
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
        err = capsys.readouterr().err
        assert code in (0, 2), (seed, words, err)
        assert "Traceback" not in err, (seed, words)
        if code == 2:
            assert err.startswith("gdexp: ") and len(err) < 900, (seed, words, err)
            assert set(tmp_path.rglob("*")) == before, (seed, words)


def test_the_words_are_of_this_program():
    """A key that is renamed is renamed here too, or it would test nothing."""
    known = {*tree.defaults(), "+sweep"}
    assert {key.split(".")[0] for key in KEYS if key[0] not in "~-"} <= known | {"hydra"}
    assert {"lr_grid", "smoke"} <= set(catalogue.sweeps())
