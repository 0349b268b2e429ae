"""Every section of a tree, right and wrong."""

import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from cases import sifted
from hypothesis import given
from hypothesis import strategies as st

import gdexp
from gdexp.base import UsageError
from gdexp.config import check, tree
from gdexp.experiment import Trace
from gdexp.function import from_callable


def asked(changes=(), objectives=None, **groups):
    """The experiment of the defaults, with groups chosen by name and dotted keys changed."""
    node = tree.defaults()
    for group, names in groups.items():
        node[group] = tree.choose(group, names)
    for key, value in dict(changes).items():
        *parents, last = key.split(".")
        place = node
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return check.experiment(node, tree.defaults(), objectives)


def test_the_defaults_are_an_experiment():
    found = asked()
    assert found.objectives["paraboloid"].dim == 2
    assert found.optimizers["sgd"].numbers == {"learning_rate": 0.1}
    assert found.optimizers["sgd"].structure == {"momentum": None, "nesterov": False}
    assert (found.sign, found.prepare, found.sweep, found.zip) == (1.0, False, None, ())


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("stop.max_steps", "1e3", lambda e: e.stop.max_steps == 1000),
        ("stop.max_steps", 0, lambda e: e.stop.max_steps == 0),
        ("stop.grad_tol", 0, lambda e: e.stop.grad_tol == 0.0),
        ("stop.f_tol", "off", lambda e: e.stop.f_tol is None),
        ("stop.max_value", None, lambda e: e.stop.max_value is None),
        ("stop.targets", 1, lambda e: e.stop.targets == (1.0,)),
        ("stop.targets", "log:1:100:3", lambda e: e.stop.targets == (1.0, 10.0, 100.0)),
        ("stop.targets", None, lambda e: e.stop.targets == ()),
        ("direction", "maximize", lambda e: e.sign == -1.0),
        ("seed", 2**63 - 1, lambda e: e.seed == 2**63 - 1),
        ("replicates", 1e3, lambda e: e.replicates == 1000),
        ("optimizer.sgd.momentum", 0.9, lambda e: e.optimizers["sgd"].numbers["momentum"] == 0.9),
        ("grid.momentum", [0.9], lambda e: np.isnan(e.optimizers["sgd"].numbers["momentum"])),
        ("grid", None, lambda e: not e.grid),
        ("draw.momentum", "uniform:0:1", lambda e: e.draw["momentum"].b == 1.0),
        ("wandb.tags", ["a", 3], lambda e: e.wandb.tags == ("a", "3")),
        ("wandb.tags", "a", lambda e: e.wandb.tags == ("a",)),
        ("wandb.name", 3, lambda e: e.wandb.name == "3"),
        ("run.prepare", True, lambda e: e.prepare),
        ("sweep", "mine", lambda e: e.sweep == "mine"),
        ("trace.every", 5, lambda e: e.trace == Trace(5, None)),
        (
            "store.columns",
            None,
            lambda e: e.columns[:4] == ("run", "objective", "optimizer", "start"),
        ),
        ("store.columns", "x", lambda e: e.columns == ("x",)),
        ("store.columns", ("steps", "run", "steps"), lambda e: e.columns == ("run", "steps")),
    ],
)
def test_a_right_value_is_taken(key, value, read):
    assert read(asked({key: value}))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("foo", 1, "there is no key 'foo'; python -m gdexp --help"),
        ("dtpye", 1, "there is no key 'dtpye': did you mean dtype?"),
        (1, 1, None),
        ("stop", None, "type stop.max_steps=VALUE"),
        ("stop", 5, "type stop.max_steps=VALUE"),
        ("wandb", ["a"], "type wandb.mode=VALUE"),
        ("grid", [0.1], "type grid.learning_rate=VALUE"),
        ("start", "uniform", "type start.name=VALUE"),
        ("stop.max_step", 1, "there is no key stop.max_step: did you mean max_steps?"),
        ("stop.max_steps", -1, "stop.max_steps=-1 is out of range: give 0 to"),
        ("stop.max_steps", True, "stop.max_steps=true is not a number"),
        ("stop.grad_tol", "nan", "is not finite"),
        ("stop.grad_tol", -1, "give 0 or more"),
        ("stop.f_tol", 0, "stop.f_tol=null turns it off"),
        ("stop.escape_radius", 0, "give a number above 0"),
        ("stop.targets", ["abc"], "stop.targets=abc is not a number"),
        ("stop.targets", {"a": 1}, "is not an axis"),
        ("direction", "up", "direction=up is not one of minimize, maximize"),
        ("direction", None, "direction=null is not one of"),
        ("seed", 1.5, "seed=1.5 is not a whole number"),
        ("seed", 2**63, "is out of range"),
        ("dtype", "float16", "dtype=float16 is not one of float32, float64"),
        ("device", "cuda", "is not one of auto, cpu, gpu, tpu"),
        ("replicates", 0, "give 1 to"),
        ("report", "yes", "report=yes is neither true nor false"),
        ("run.prepare", 1, "run.prepare=1 is neither"),
        ("trace.every", -1, "is out of range"),
        ("trace.runs", [0], "type trace.runs=.0. trace.every=1"),
        ("trace.metrics", ["sharpnes"], "no metric sharpnes: did you mean sharpness?"),
        ("trace.metrics", "sharpness", "type trace.every=1"),
        ("store", None, "type store.columns=VALUE"),
        ("store.column", None, "there is no key store.column: did you mean columns?"),
        ("store.columns", [], "type store.columns=.outcome,steps., or store.columns=null"),
        ("store.columns", 3, "store.columns=3 names no column"),
        ("store.columns", ["outcom"], "no column 'outcom': did you mean outcome?"),
        ("store.columns", ["f", "steps_to_target"], "no column 'steps_to_target'"),
        ("store.columns", ["zzz"], "no column 'zzz': there are run, objective, optimizer, start,"),
        ("store.columns", [None], "no column 'null'"),
        ("wandb.mode", "on", "is not one of offline, online, disabled"),
        ("wandb.project", None, "type wandb.project=gdexp"),
        ("wandb.name", ["a"], "wandb.name=.* is not a text"),
        ("wandb.tags", [["a"]], "wandb.tags=.* is not a text"),
        ("optimizer", {}, "no optimizer is selected: type optimizer=NAME"),
        ("optimizer", {"sgd": 0.1}, "type optimizer.sgd.KEY=VALUE"),
        ("optimizer", {"adma": {}}, "there is no optimizer 'adma': did you mean adam?"),
        ("optimizer.sgd.nestrov", True, "has no number 'nestrov': did you mean nesterov?"),
        ("optimizer.sgd.nesterov", 1, "is neither true nor false"),
        ("optimizer.sgd.momentum", "abc", "optimizer.sgd.momentum=abc is not a number"),
        ("optimizer.sgd.learning_rate", None, "optimizer.sgd.learning_rate=null is not a number"),
        ("objective", {}, "no objective is selected"),
        ("objective.paraboloid.a", 1, "paraboloid has no number 'a' .it has none"),
        ("start.num", 5, "one customary start; type start=uniform start.num=5"),
        ("start.name", "unifrm", "there is no start 'unifrm': did you mean uniform?"),
        ("schedule.name", None, "there is no schedule 'None'"),
        ("grid.lerning_rate", [0.1], "did you mean learning_rate?"),
        ("grid.learning_rate", [], "names no value: type one of 0.1"),
        ("grid.nesterov", [True, False], "is no axis: set optimizer.sgd.nesterov=VALUE"),
        ("draw.momentum", 0.1, "type one of loguniform"),
        ("zip", ["learning_rate"], "which is no axis"),
        ("grid.learning_rate", [1e39], "reaches 1e.39, beyond float32: type dtype=float64"),
        ("stop.max_value", 1e39, "stop.max_value reaches 1e.39, beyond float32"),
        ("draw.learning_rate", "uniform:0:1e39", "beyond float32"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_type(key, value, told):
    if told is None:
        node = tree.defaults() | {key: value}
        with pytest.raises(UsageError, match="there is no key 1"):
            check.experiment(node, tree.defaults())
        return
    with pytest.raises(UsageError, match=told):
        asked({key: value})


@pytest.mark.parametrize("key", ["stop", "stop.max_steps", "wandb.mode", "seed", "grid"])
def test_a_missing_key_is_refused(key):
    node = tree.defaults()
    *parents, last = key.split(".")
    del (node[parents[0]] if parents else node)[last]
    with pytest.raises(UsageError, match=f"the key {key} is missing"):
        check.experiment(node, tree.defaults())


def test_columns_of_the_runs_are_named_as_they_are_stored():
    changes = {"grid.sgd.momentum": [0.5], "draw.learning_rate": "uniform:0:1", "stop.targets": [0]}
    names = ["steps_to_target", "sgd.momentum", "learning_rate"]
    found = asked(changes | {"store.columns": names})
    assert found.columns == ("sgd.momentum", "learning_rate", "steps_to_target")
    assert set(found.columns) < set(asked(changes).columns)
    with pytest.raises(UsageError, match=r"no column 'momentum': did you mean sgd\.momentum\?"):
        asked(changes | {"store.columns": ["momentum"]})


def test_float64_takes_what_float32_cannot():
    found = asked({"grid.learning_rate": [1e39], "dtype": "float64"})
    assert found.grid["learning_rate"].tolist() == [1e39]


@pytest.mark.parametrize("formula", sifted(["x - 1e40", "x*(1e30*1e30)", "-1e39 + x"], 3))
def test_nor_does_a_formula_hold_numbers_that_float32_has_not(formula):
    with pytest.raises(UsageError, match=r"objective.expr.formula reaches 1e\+.*beyond float32"):
        gdexp.sweep(formula)
    gdexp.sweep(formula, dtype="float64", stop_max_steps=1)


def test_a_key_is_an_axis_or_drawn_not_both():
    with pytest.raises(UsageError, match=r"has both grid\.momentum and draw\.momentum"):
        asked({"grid.momentum": [0.1], "draw.momentum": "uniform:0:1"})


def test_a_schedule_needs_a_learning_rate():
    with pytest.raises(UsageError, match="polyak_sgd has none"):
        asked(schedule="cosine", optimizer="polyak_sgd")


@pytest.mark.parametrize(
    ("start", "changes", "told"),
    [
        ("points", {}, "start=points needs points"),
        ("points", {"start.points": [[1, 2, 3]]}, r"is not a point of 2 numbers"),
        ("points", {"start.points": [[1e39, 0]]}, "start.points reaches 1e.39, beyond float32"),
        ("points", {"start.points": "here"}, r"type 'start.points=\[\[3,3\],\[-2,0\]\]'"),
        ("uniform", {"start.num": 0}, "start.num=0 is out of range"),
        ("uniform", {"start.num": "1e20"}, "is out of range"),
        ("uniform", {"start.low": "a"}, "start.low=a is not a number"),
        ("uniform", {"start.low": [1, 2, 3]}, "start.low has 3 numbers"),
        ("uniform", {"start.low": 5, "start.high": -5}, "is above"),
        ("uniform", {"start.nun": 5}, "has no number 'nun': did you mean num?"),
        ("normal", {"start.std": -1}, "negative"),
    ],
)
def test_a_start_that_cannot_serve_is_refused(start, changes, told):
    with pytest.raises(UsageError, match=told):
        asked(changes, start=start)


def test_callables_come_ready_made():
    def bowl(x, *, a=1.0):
        return a * jnp.sum(x**2)

    made = {"bowl": from_callable(bowl, dim=3)}
    found = asked({"objective": {"bowl": {}}, "grid.a": jnp.array([1.0, 2.0])}, made)
    assert found.objectives["bowl"].dim == 3
    assert found.grid["a"].tolist() == [1.0, 2.0]
    assert found.config["grid"]["a"] == [1.0, 2.0], "plain, as YAML holds it"


def test_no_number_of_an_objective_is_named_like_a_column():
    def bowl(x, *, steps=1.0):
        return steps * jnp.sum(x**2)

    with pytest.raises(UsageError, match="bowl cannot have a parameter 'steps'"):
        asked({"objective": {"bowl": {}}}, {"bowl": from_callable(bowl, dim=3)})


def test_the_config_is_kept_as_plain_yaml():
    found = asked({"grid.learning_rate": np.array([0.1, 0.2]), "stop.max_steps": np.int64(5)})
    text = yaml.safe_dump(found.config)
    assert yaml.safe_load(text)["grid"] == {"learning_rate": [0.1, 0.2]}
    assert yaml.safe_load(text)["stop"]["max_steps"] == 5


def keys_of(node, prefix=""):
    for key, value in node.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from keys_of(value, f"{prefix}{key}.")


KEYS = sorted({*keys_of(tree.defaults()), "grid.momentum", "draw.momentum", "start.points"})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers() | st.sampled_from([*KEYS, "name"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=2))
def test_any_value_of_any_key_is_right_or_a_usage_error(changes):
    node = tree.defaults()
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = node
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[last] = value
    try:
        found = check.experiment(node, tree.defaults())
    except UsageError as error:
        assert "Traceback" not in str(error)
    else:
        yaml.safe_dump(found.config)
