"""gdexp from Python: what may be given, what it means, what is refused."""

import doctest
import functools
import importlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from cases import sifted

import gdexp
import gdexp.api
from gdexp import plan
from gdexp.api import experiment
from gdexp.base import Outcome, UsageError

FORMULA = "(x-1)**2 + 4*(y+1)**2 + x*y/2"  # the card `paraboloid`
FILE = """
def f(x, y):
    return (x - 1) ** 2 + 4 * (y + 1) ** 2 + x * y / 2
"""


def of_scalars(x, y):
    return (x - 1) ** 2 + 4 * (y + 1) ** 2 + x * y / 2


def of_a_vector(p):
    return (p[0] - 1) ** 2 + 4 * (p[1] + 1) ** 2 + p[0] * p[1] / 2


def tilted(x, y, *, tilt=0.5):
    return (x - 1) ** 2 + 4 * (y + 1) ** 2 + tilt * x * y


def refused(told):
    return pytest.raises(UsageError, match=told)


# -- objectives --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def card():
    rates = np.array([0.01, 0.1, 0.5])
    return gdexp.sweep("paraboloid", grid={"learning_rate": rates}, start=[[3, 3]], dtype="float64")


@pytest.mark.parametrize(
    "objective",
    sifted([FORMULA, of_scalars, of_a_vector, "file"], 2),
    ids=["formula", "f(x, y)", "f(x)", "f"],
)
def test_a_function_is_the_same_by_card_formula_callable_and_file(card, tmp_path, objective):
    (tmp_path / "mine.py").write_text(FILE)
    objective = f"{tmp_path}/mine.py:f" if objective == "file" else objective
    rates = [0.01, 0.1, 0.5]
    found = gdexp.sweep(objective, grid={"learning_rate": rates}, start=[[3, 3]], dtype="float64")
    for row, expected in zip(found.runs.to_pylist(), card.runs.to_pylist(), strict=True):
        assert row["outcome"] == expected["outcome"]
        assert row["steps"] == expected["steps"]
        assert row["x"] == pytest.approx(expected["x"], rel=1e-12)


@pytest.mark.parametrize(
    ("objective", "names"),
    [
        ("paraboloid", ["paraboloid"]),
        ("paraboloid, two_wells", ["paraboloid", "two_wells"]),
        (["two_wells", "paraboloid"], ["two_wells", "paraboloid"]),
        (("beale",), ["beale"]),
        ({"quadratic": {"dim": 3, "condition_number": 100.0}}, ["quadratic"]),
        ({"quadratic": None, "booth": {}}, ["quadratic", "booth"]),
        ({"expr": {"formula": "a*x**2", "parameters": {"a": 2.0}}}, ["expr"]),
        (FORMULA, ["expr"]),
        (of_scalars, ["of_scalars"]),
        (lambda x: x**2, ["function"]),
        (functools.partial(tilted, tilt=1.0), ["function"]),
    ],
)
def test_objectives_by_name_names_card_formula_and_callable(objective, names):
    assert list(experiment(objective, start=None).objectives) == names


def test_numbers_of_a_card_are_those_given_and_its_own_otherwise():
    asked = experiment({"quadratic": {"dim": 3, "condition_number": 100}})
    assert asked.objectives["quadratic"].dim == 3
    assert asked.objectives["quadratic"].numbers == {"condition_number": 100.0, "shift": 0.0}


def test_keyword_arguments_of_a_callable_are_axes():
    found = gdexp.sweep(
        tilted, grid={"tilt": [0.0, 0.5]}, optimizer={"sgd": {"learning_rate": 0.1}}
    )
    ends = found.to_pandas()[["tilt", "x_0", "x_1"]].to_numpy()
    assert ends == pytest.approx(np.array([[0.0, 1.0, -1.0], [0.5, 80 / 63, -68 / 63]]), abs=1e-4)


@pytest.mark.parametrize(
    ("start", "dim"),
    [
        ([[1, 2, 3]], 3),
        (np.zeros((5, 2)), 2),
        ({"points": [[1, 2, 3, 4]]}, 4),
        ({"uniform": {"num": 5, "low": [0, 0, 0]}}, 3),
        ({"grid": {"num": 2, "high": (1, 1)}}, 2),
    ],
)
def test_the_length_of_a_vector_is_that_of_the_start(start, dim):
    [objective] = experiment(lambda p: (p**2).sum(), start=start).objectives.values()
    assert objective.dim == dim


# -- optimizers, schedules ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [
        ("adam", ["adam"]),
        ("sgd,adam", ["sgd", "adam"]),
        (["adam", "sgd"], ["adam", "sgd"]),
        ({"sgd": {"momentum": 0.9, "nesterov": True}}, ["sgd"]),
        ({"sgd": {}, "adam": {"b1": 0.8}}, ["sgd", "adam"]),
    ],
)
def test_optimizers_by_name_names_and_card(optimizer, names):
    assert list(experiment("parabola", optimizer=optimizer).optimizers) == names


def test_a_card_of_an_optimizer_is_split_into_structure_and_numbers():
    [sgd] = experiment(
        "parabola", optimizer={"sgd": {"momentum": 0.9, "nesterov": True}}
    ).optimizers.values()
    assert sgd.numbers == {"learning_rate": 0.1, "momentum": 0.9}
    assert sgd.structure == {"nesterov": True}


def test_a_schedule_by_name_and_card():
    assert experiment("parabola").schedule.name == "constant"
    assert experiment("parabola", schedule="cosine").schedule.name == "cosine"
    asked = experiment("parabola", schedule={"exponential": {"decay_rate": 0.5}})
    assert asked.schedule.numbers["decay_rate"] == 0.5


# -- grid --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        [0.1, 0.2, 0.4],
        (0.1, 0.2, 0.4),
        np.array([0.1, 0.2, 0.4]),
        pd.Series([0.1, 0.2, 0.4]),
        ["0.1", 0.2, np.float64(0.4)],
        "0.1, 0.2, 0.4",
        "[0.1, 0.2, 0.4]",
    ],
    ids=lambda values: type(values).__name__,
)
def test_an_axis_is_any_list_of_numbers(values):
    grid = experiment("parabola", grid={"learning_rate": values}).grid
    assert grid["learning_rate"].tolist() == [0.1, 0.2, 0.4]
    assert grid["learning_rate"].dtype == np.float64


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (0.3, [0.3]),
        (np.array(0.3), [0.3]),
        (np.float32(0.5), [0.5]),
        (jnp.array([0.25, 0.5]), [0.25, 0.5]),
        (jnp.float32(0.5), [0.5]),
        (range(3), [0, 1, 2]),
        (np.arange(3), [0, 1, 2]),
        ("log:1e-2:1:3", [0.01, 0.1, 1.0]),
        ("lin:0:1:3", [0.0, 0.5, 1.0]),
        ({"geomspace": [1e-2, 1, 3]}, [0.01, 0.1, 1.0]),
        ({"linspace": [0, 1, 3]}, [0.0, 0.5, 1.0]),
    ],
)
def test_an_axis_in_other_forms(values, expected):
    grid = experiment("parabola", grid={"learning_rate": values}).grid
    assert grid["learning_rate"] == pytest.approx(expected, rel=1e-15)


def test_keys_of_a_grid_keep_their_order_and_their_owner():
    grid = {"momentum": [0, 0.9], "adam": {"b1": jnp.array([0.5])}, "learning_rate": [0.1]}
    asked = experiment("parabola", optimizer=["sgd", "adam"], grid=grid)
    assert list(asked.grid) == ["momentum", "adam.b1", "learning_rate"]


# -- start -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "kind", "count"),
    [
        (None, "Own", 1),
        ("own", "Own", 1),
        ("uniform", "Uniform", 100),
        ({"uniform": 7}, "Uniform", 7),
        ({"uniform": None}, "Uniform", 100),
        ({"normal": {"num": 7, "std": 2.0}}, "Normal", 7),
        ({"sobol": np.int64(8)}, "Sobol", 8),
        ({"lhs": 5}, "Lhs", 5),
        ({"grid": 3}, "Grid", 9),
        ({"grid": {"num": 3, "low": -1, "high": [1, 2]}}, "Grid", 9),
        ([[3, 3], [-2, 0]], "Points", 2),
        ([3, 3], "Points", 1),
        ((3.0, 3.0), "Points", 1),
        (np.ones((4, 2), np.float32), "Points", 4),
        (jnp.ones((4, 2)), "Points", 4),
        (pd.DataFrame({"x": [1, 2], "y": [3, 4]}), "Points", 2),
        ({"points": [[3, 3]]}, "Points", 1),
        ({"points": np.array([3.0, 3.0])}, "Points", 1),
    ],
)
def test_a_start_is_a_sampler_or_points(start, kind, count):
    asked = experiment("paraboloid", start=start)
    assert type(asked.start).__name__ == kind
    assert asked.start.count(asked.objectives["paraboloid"].space()) == count
    assert plan.make(asked).count == count


def test_a_single_number_starts_a_function_of_one():
    [row] = gdexp.sweep("parabola", start=-2.0, stop_max_steps=0).runs.to_pylist()
    assert row["x"] == row["x0"] == [-2.0]


# -- keyword forms -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"stop_max_steps": 2000}, lambda e: e.stop.max_steps == 2000),
        ({"stop_max_steps": 1e3}, lambda e: e.stop.max_steps == 1000),
        ({"stop_grad_tol": 0}, lambda e: e.stop.grad_tol == 0),
        ({"stop_f_tol": 1e-9}, lambda e: e.stop.f_tol == 1e-9),
        ({"stop_escape_radius": 1e30}, lambda e: e.stop.escape_radius == 1e30),
        ({"stop_max_value": 5}, lambda e: e.stop.max_value == 5),
        ({"stop_targets": [0.5, 0.1]}, lambda e: e.stop.targets == (0.5, 0.1)),
        ({"stop_targets": 0.5}, lambda e: e.stop.targets == (0.5,)),
        ({"direction": "maximize"}, lambda e: e.sign == -1),
        ({"seed": 7}, lambda e: e.seed == 7),
        ({"dtype": "float64"}, lambda e: e.dtype == "float64"),
        ({"device": "cpu"}, lambda e: e.device == "cpu"),
        ({"replicates": 3}, lambda e: e.replicates == 3),
        ({"trace_every": 10, "trace_runs": [0]}, lambda e: e.trace.every == 10),
        ({"store_columns": ["outcome"]}, lambda e: e.columns == ("outcome",)),
        ({"draw": {"momentum": "uniform:0:1"}}, lambda e: e.draw["momentum"].b == 1),
        ({"run_prepare": True}, lambda e: e.prepare),
        ({"report": False}, lambda e: not e.report),
        ({"wandb_project": "mine"}, lambda e: e.wandb.project == "mine"),
    ],
    ids=lambda keys: "+".join(keys) if isinstance(keys, dict) else "",
)
def test_config_keys_are_keywords_with_an_underscore_for_the_dot(keys, found):
    assert found(experiment("parabola", **keys))


def test_wandb_is_off_in_python():
    assert experiment("parabola").wandb.mode == "disabled"


def test_what_is_given_is_not_changed_nor_kept(card):
    grid, points = {"learning_rate": np.array([0.1, 0.2])}, np.array([[3.0, 3.0]])
    asked = experiment("paraboloid", grid=grid, start=points)
    grid["learning_rate"][:] = -1
    points[:] = -1
    assert asked.grid["learning_rate"].tolist() == [0.1, 0.2]
    assert asked.config["start"]["points"] == [[3.0, 3.0]]
    [group] = plan.make(asked).groups
    assert group.points(np.array([0])).tolist() == [[3.0, 3.0]]


# -- descend -----------------------------------------------------------------------------------


def test_a_single_path_of_a_callable(card):
    path = gdexp.descend(of_scalars, (3, 3), learning_rate=0.1, dtype="float64")
    assert path.outcome is Outcome.CONVERGED
    assert path.step.tolist() == list(range(48))
    assert path.x.shape == (48, 2)
    assert path.f.shape == path.grad_norm.shape == (48,)
    assert path.x[-1] == pytest.approx(card.runs["x"][1].as_py(), rel=1e-12)
    expected = [of_scalars(*x) for x in path.x]
    assert path.f == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("x0", [3, np.array([3.0])], ids=["a number", "an array"])
def test_a_path_of_a_function_of_one_number(x0):
    path = gdexp.descend("parabola", x0, learning_rate=0.1, stop_max_steps=2)
    assert path.x[:, 0] == pytest.approx([3, 2.1, 1.38], rel=1e-6)  # x − 0.1 (2x + 3)


def test_numbers_of_an_optimizers_card_are_keywords_of_a_descent():
    path = gdexp.descend("parabola", 3, learning_rate=0.1, momentum=0.5, stop_max_steps=2)
    # v = 9, then 0.5 · 9 + 7.2
    assert path.x[:, 0] == pytest.approx([3, 2.1, 2.1 - 0.1 * 11.7], rel=1e-6)


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"objective": "parabla"}, "no objective 'parabla': did you mean parabola"),
        ({"objective": []}, "no objective is selected"),
        ({"objective": 3}, "objective=3 is not a name: write objective='NAME'"),
        ({"objective": [of_scalars]}, "is not a name: write objective='NAME'"),
        ({"objective": ["booth", "booth"]}, "names one twice"),
        ({"objective": "x.__class__"}, "x"),
        ({"objective": lambda p: (p**2).sum()}, "takes a vector of unknown length"),
        ({"objective": of_scalars, "start": [[1, 2, 3]]}, "takes 2 numbers, (the start has|not) 3"),
        ({"objective": {"quadratic": {"dimension": 3}}}, "has no number 'dimension'"),
        ({"objective": lambda x: "text", "start": 3}, "not a function JAX can differentiate"),
        ({"optimizer": "adma"}, "no optimizer 'adma': did you mean adam"),
        ({"optimizer": None}, "optimizer=None is not a name"),
        ({"optimizer": {"sgd": 0.1}}, "is not a name: write optimizer='NAME'"),
        ({"optimizer": ["sgd", "sgd"]}, "names one twice"),
        ({"optimizer": {"sgd": {"momentun": 0.9}}}, "did you mean momentum"),
        ({"schedule": {"cosine": {}, "constant": {}}}, "schedule is one name"),
        ({"schedule": {"cosine": 10}}, "schedule: write {'cosine': {'KEY': VALUE}}"),
        ({"schedule": "cosin"}, "no schedule 'cosin': did you mean cosine"),
        ({"grid": {"lerning_rate": [0.1]}}, "did you mean learning_rate"),
        ({"grid": [0.1, 0.2]}, "holds no keys: type grid.learning_rate=VALUE"),
        ({"grid": {"learning_rate": []}}, "names no value"),
        ({"grid": {"learning_rate": ["abc"]}}, "abc is not a number"),
        ({"grid": {"learning_rate": [np.nan]}}, "is not finite"),
        ({"grid": {"learning_rate": np.array([0.1, np.inf])}}, "is not finite"),
        ({"grid": {"learning_rate": np.ones((2, 2))}}, r"has the shape \(2, 2\)"),
        ({"grid": {"learning_rate": "log:0:1:5"}}, "a geometric axis needs"),
        ({"grid": {"momentum": [0.9]}, "optimizer": "adam"}, "momentum"),
        ({"grid": {"b1": [0.9], "learning_rate": [0.1, 0.2]}, "optimizer": "adam",
          "zip": ["b1", "learning_rate"]}, "need as many values each"),
        ({"draw": {"learning_rate": "beta:1:2"}}, "is not a distribution"),
        ({"draw": {"learning_rate": "uniform:0:1"}, "grid": {"learning_rate": [1]}}, "keep one"),
        ({"start": "unifrm"}, "no start 'unifrm': did you mean uniform"),
        ({"start": {"uniform": 3, "normal": 2}}, "start is one name"),
        ({"start": {"uniform": -1}}, "start.num=-1 is out of range"),
        ({"start": {"own": 3}}, "one customary start; type start=uniform start.num=3"),
        ({"start": [[1, 2], [3]]}, "neither points nor a sampler"),
        ({"start": [["a", "b"]]}, "neither points nor a sampler"),
        ({"start": np.ones((2, 2, 2))}, "neither points nor a sampler"),
        ({"start": []}, "is not a point of 2 numbers"),
        ({"start": [[1, 2, 3]]}, "is not a point of 2 numbers"),
        ({"start": {"points": None}}, "start=points needs points"),
        ({"stop_max_stpes": 3}, "no keyword 'stop_max_stpes': did you mean stop_max_steps"),
        ({"stop_max_steps": -1}, "out of range"),
        ({"store_columns": ["outcomes"]}, "no column 'outcomes': did you mean outcome"),
        ({"store_column": ["x"]}, "no keyword 'store_column': did you mean store_columns"),
        ({"dtype": "float16"}, "dtype=float16 is not one of float32, float64"),
        ({"device": "tpu"}, "device=tpu: JAX finds none here"),
        ({"trace_every": 1, "trace_runs": [1]}, "no run 1: this sweep has runs 0 to 0"),
    ],
    ids=lambda words: "+".join(words) if isinstance(words, dict) else "",
)  # fmt: skip
def test_wrong_words_are_refused_with_what_to_write_instead(words, told):
    with refused(told):
        gdexp.sweep(**{"objective": "paraboloid", **words})


@pytest.mark.parametrize(
    "words",
    [
        {"grid": {"learning_rate": [0.1, 0.2]}},
        {"replicates": 2},
        {"x0": [[1, 2], [3, 4]]},
        {"objective": ["paraboloid", "booth"]},
    ],
)
def test_descend_takes_one_run(words):
    with refused("descend takes one run"):
        gdexp.descend(**{"objective": "paraboloid", "x0": (3, 3), **words})


def test_a_usage_error_is_a_value_error():
    assert issubclass(gdexp.UsageError, ValueError)


# -- manners -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module",
    ["api", "typeset", pytest.param("answers", marks=pytest.mark.slow)],
)
def test_the_examples_of_the_docstrings_hold(module):
    found = doctest.testmod(importlib.import_module(f"gdexp.{module}"))
    assert found.attempted >= 2
    assert found.failed == 0


LIGHT = """
import sys, gdexp
assert gdexp.UsageError and gdexp.__version__ and set(gdexp.__all__) <= set(dir(gdexp))
heavy = {"jax", "jaxlib", "optax", "wandb", "hydra", "omegaconf", "pyarrow", "numpy", "scipy"}
print(sorted(heavy & set(sys.modules)))
"""
NEEDED = """
import sys, gdexp
gdexp.sweep("parabola", stop_max_steps=1).runs
print(sorted({"wandb", "hydra", "xarray", "matplotlib", "plotly", "rich"} & set(sys.modules)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [LIGHT, NEEDED], ids=["import gdexp", "a sweep"])
def test_nothing_heavy_is_imported_that_is_not_needed(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_a_sweep_leaves_the_settings_of_jax_alone():
    names = ("jax_enable_x64", "jax_default_matmul_precision", "jax_default_device")
    before = dict(jax.config.values), {name: getattr(jax.config, name) for name in names}
    gdexp.sweep("parabola", dtype="float64", stop_max_steps=1)
    assert jnp.ones(1).dtype == jnp.float32
    with pytest.raises(UsageError):
        gdexp.sweep(lambda x: 1 / 0, dtype="float64")
    after = dict(jax.config.values), {name: getattr(jax.config, name) for name in names}
    assert after == before


def test_a_sweep_keeps_the_settings_of_the_caller():
    with jax.enable_x64(True):
        found = gdexp.sweep("parabola", stop_max_steps=1)
        assert jnp.ones(1).dtype == jnp.float64
    assert found.runs["f"].type == "float"
