"""Objectives from their cards: a number, a formula, a file."""

import re

import pytest

from gdexp.base import UsageError
from gdexp.config import cards, catalogue, tree


def objectives(name, start="own", points=None, **given):
    """The objective of a card with some of its keys changed."""
    node = tree.choose("objective", name)
    node[name] |= given
    start = tree.choose("start", start) | ({} if points is None else {"points": points})
    return cards.objectives({"objective": node, "start": start})[name]


@pytest.mark.parametrize("group", ["objective", "optimizer", "schedule", "start"])
def test_a_card_at_its_defaults_is_right(group):
    for name in set(catalogue.choices(group)) - {"expr", "file"}:
        card = catalogue.card(group, name)
        assert cards.card(group, name, card) == cards.card(group, name, {}) == card


@pytest.mark.parametrize(
    ("name", "key", "value", "told"),
    [
        ("rosenbrock", "dim", 1, "objective.rosenbrock.dim must be 2 or more"),
        ("rosenbrock", "dim", 2.5, "is not a whole number"),
        ("rastrigin", "dim", 0, "is out of range"),
        ("rastrigin", "dim", "1e9", "objective.rastrigin.dim=1000000000 is out of range"),
        ("rosenbrock", "a", "x", "objective.rosenbrock.a=x is not a number"),
        ("rosenbrock", "A", 1, "has no number 'A'"),
        ("file", "path", "mine.py", "type ./mine.py:f"),
        ("file", "path", None, "objective=file needs a path: type objective=./mine.py:f"),
        ("expr", "formula", "", "objective=expr needs a formula: type objective='"),
    ],
)
def test_a_wrong_card_is_refused(name, key, value, told):
    with pytest.raises(UsageError, match=told):
        objectives(name, **{key: value})


def test_a_formula_has_variables_parameters_and_a_domain():
    found = objectives(
        *("expr",),
        formula="a*(y-1)**2 + x**2",
        variables=["y", "x"],
        parameters={"a": "2"},
        low=[-1, -2],
        high=3,
    )
    assert found.numbers == {"a": 2.0}
    assert float(found([2.0, 3.0])) == 11.0, "y first"
    assert (found.space().low, found.space().high) == ((-1.0, -2.0), (3.0, 3.0))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"variables": 3}, "type objective.expr.variables=[x,y]"),
        ({"variables": [1, 2]}, "type objective.expr.variables=[x,y]"),
        ({"variables": ["y"]}, "unknown name 'x': there are y"),
        ({"parameters": 3}, "type 'objective.expr.parameters={a: 1.0}'"),
        ({"parameters": {"x": None}}, "objective.expr.parameters.x=null is not a number"),
        ({"parameters": {"b": 1}}, "parameter b is not in the formula"),
        ({"parameters": {"b c": 1}}, "cannot be a name"),
        ({"low": "a"}, "objective.expr.low=a is not a number"),
        ({"low": [1, 2, 3]}, "has 3 numbers, the function takes 2"),
        ({"lo": 1}, "has no number 'lo': did you mean low?"),
    ],
)
def test_a_wrong_formula_card_is_refused(given, told):
    with pytest.raises(UsageError, match=re.escape(told)):
        objectives("expr", formula="x**2 + y**2", **given)


@pytest.fixture
def vector(tmp_path):
    """A function of a vector whose length nothing tells."""
    path = tmp_path / "mine.py"
    path.write_text("import jax.numpy as jnp\ndef f(x): return jnp.sum(x**2)\n")
    return f"{path}:f"


def test_starting_points_tell_the_dimensions_of_a_file(vector):
    assert objectives("file", start="points", points=[[1, 2, 3]], path=vector).dim == 3
    assert objectives("file", path=vector, dim="4").dim == 4
    with pytest.raises(UsageError, match="vector of unknown length: give starting points"):
        objectives("file", path=vector)
    with pytest.raises(UsageError, match=r"objective\.file\.dim=a is not a number"):
        objectives("file", path=vector, dim="a")
