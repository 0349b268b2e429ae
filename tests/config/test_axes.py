"""Whose number an axis varies, and how axes go together."""

import numpy as np
import pytest

from gdexp.base import UsageError
from gdexp.config import axes, catalogue
from gdexp.experiment import Card


def check(*keys, objectives=("paraboloid",), optimizers=("sgd",), schedule="constant"):
    """check_owners for cards at their defaults."""
    axes.check_owners(
        keys,
        {name: catalogue.objectives()[name]() for name in objectives},
        {name: catalogue.card("optimizer", name) for name in optimizers},
        {"schedule": Card(schedule, {}, catalogue.card("schedule", schedule))},
    )


@pytest.mark.parametrize(
    ("keys", "selected"),
    [
        (["learning_rate", "momentum"], {}),
        (["sgd.learning_rate"], {}),
        (["learning_rate"], {"optimizers": ["sgd", "adam"]}),
        (["sgd.learning_rate", "adam.learning_rate"], {"optimizers": ["sgd", "adam"]}),
        (["momentum"], {"optimizers": ["adam", "sgd"]}),  # where it applies
        (["weight_decay"], {"optimizers": ["schedule_free_sgd"]}),  # null by default
        (["condition_number", "quadratic.shift"], {"objectives": ["quadratic"]}),
        (["decay_steps", "cosine.alpha"], {"schedule": "cosine"}),
    ],
)
def test_a_number_of_what_is_selected_is_an_axis(keys, selected):
    check(*keys, **selected)


@pytest.mark.parametrize(
    ("key", "selected", "told"),
    [
        ("lerning_rate", {}, "no number 'lerning_rate' in sgd: did you mean learning_rate?"),
        ("momentum", {"optimizers": ["adam"]}, "sgd has it: type optimizer=sgd"),
        ("condition_number", {}, "quadratic has it: type objective=quadratic"),
        ("decay_steps", {}, "cosine has it: type schedule=cosine"),
        ("adam.b1", {}, r"adam is not selected \(grid.adam.b1\): add optimizer=adam"),
        ("cosine.alpha", {}, "add schedule=cosine"),
        ("sgdd.momentum", {}, "'sgdd' is not selected: did you mean sgd?"),
        ("nesterov", {}, "is no axis: set optimizer.sgd.nesterov=VALUE"),
        ("sgd.nesterov", {}, "is no axis: set optimizer.sgd.nesterov=VALUE"),
        ("dim", {"objectives": ["ackley"]}, "is no axis: set objective.ackley.dim=VALUE"),
        ("memory_size", {"optimizers": ["lbfgs"]}, "set optimizer.lbfgs.memory_size=VALUE"),
        ("learning_rate.logspace", {}, "type grid.learning_rate=VALUES, one of 0.1"),
        ("steps", {}, "steps cannot be an axis: results have a column of that name"),
        ("sgd.f_best", {}, "results have a column of that name"),
        (
            "alpha",
            {"optimizers": ["ademamix"], "schedule": "cosine"},
            "alpha is a number of ademamix and of cosine: "
            "type grid.ademamix.alpha or grid.cosine.alpha",
        ),
    ],
)
def test_what_is_no_axis_is_refused_with_what_to_type(key, selected, told):
    with pytest.raises(UsageError, match=told):
        check(key, **selected)


def test_a_number_has_one_axis():
    with pytest.raises(UsageError, match="both give learning_rate of sgd: keep one"):
        check("learning_rate", "sgd.learning_rate", optimizers=["sgd", "adam"])


def test_axes_keep_their_order_and_a_null_is_none():
    node = {"b": [1, 2], "sgd": {"momentum": "0,0.9", "x": None}, "a": {"linspace": [0, 1, 2]}}
    found = axes.grid(node)
    assert {key: values.tolist() for key, values in found.items()} == {
        "b": [1.0, 2.0],
        "sgd.momentum": [0.0, 0.9],
        "a": [0.0, 1.0],
    }
    assert list(found) == ["b", "sgd.momentum", "a"]
    assert axes.grid({}) == axes.flat(None) == {}


def test_an_axis_of_nothing_is_refused():
    with pytest.raises(UsageError, match=r"grid\.a=\{\} is not an axis"):
        axes.grid({"a": {}})


GRID = {"a": np.zeros(2), "b": np.zeros(2), "c": np.zeros(3), "d": np.zeros(3)}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (["a", "b"], (("a", "b"),)),
        ([["a", "b"], ["d", "c"]], (("a", "b"), ("d", "c"))),
        ("a", (("a",),)),
        *(([], ()), ([[]], ()), (None, ())),
    ],
)
def test_keys_advance_together(node, expected):
    assert axes.zipped(node, GRID) == expected


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (["a", "c"], "need as many values each: a has 2, c has 3"),
        (["a", "x"], "zip names 'x', which is no axis"),
        (["a", "a"], "zip names 'a' twice"),
        ([["a", "b"], ["a"]], "zip names 'a' twice"),
        *((node, r"type zip=\[learning_rate,momentum\]") for node in (5, [1], [[1]], [[["a"]]])),
        *((node, r"type zip=\[learning_rate,momentum\]") for node in ({"a": 1}, ["a", 1])),
    ],
)
def test_what_cannot_advance_together_is_refused(node, told):
    with pytest.raises(UsageError, match=told):
        axes.zipped(node, GRID)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ([[3, 3], [-2, 0]], [[3, 3], [-2, 0]]),
        ([3, 3], [[3, 3]]),
        (3, [[3]]),
        ([["1e0", 2]], [[1, 2]]),
        (np.array([1.0, 2.0]), [[1, 2]]),
        (np.eye(2), [[1, 0], [0, 1]]),
        ([], []),
    ],
)
def test_points_are_read(node, expected):
    assert np.asarray(axes.points(node)).tolist() == expected


@pytest.mark.parametrize(
    "node", ["abc", [["a", 1]], ["a"], [[[1, 2]]], [[None]], {"x": 1}, [[1], "a"], np.array(["a"])]
)
def test_what_are_no_points_is_refused(node):
    with pytest.raises(UsageError, match=r"^start\.points"):
        axes.points(node)


def test_a_bound_is_one_number_or_one_per_dimension():
    assert axes.bound("k", "1") == 1.0
    assert axes.bound("k", [1, 2]) == axes.bound("k", np.array([1, 2])) == (1.0, 2.0)
    with pytest.raises(UsageError, match="k=a is not a number"):
        axes.bound("k", [1, "a"])
