"""Gradients by hand, by JAX and by differences, side by side."""

import json

import numpy as np
import pytest
from cases import sifted

from gdexp import __main__, slopes
from gdexp.base import Objective, UsageError, discover

OBJECTIVES = discover("gdexp.objectives", Objective)


@pytest.fixture
def ask(capsys):
    def ask(*words):
        code = __main__.main(["gradients", *words])
        out, err = capsys.readouterr()
        return code, out + err

    return ask


@pytest.mark.parametrize(
    ("objective", "written"),
    sifted(
        [
            ("x**4*cos(y)-4", "4*x**3*cos(y), -x**4*sin(y)"),
            ("2+3*x+4*y+5*x*y+6*x**2+7*y**2", "12*x+5*y+3, 5*x+14*y+4"),
            ("2*x**2-4*x*y+y**4+2", "[4*x-4*y, -4*x+4*y**3]"),
            ("hypot(x, y)", "x/hypot(x, y), y/hypot(x, y)"),
            ("3*x + pi*y", "3, pi"),
            ("x*exp(x)", "(1+x)*exp(x)"),
        ],
        3,
    ),
)
def test_what_is_right_agrees(ask, objective, written):
    code, told = ask(f"objective={objective}", f"written={written}")
    assert code == 0 and "\nall agree, at 8 points" in told and told.count(" x ") == 8


@pytest.mark.parametrize(
    ("objective", "written"),
    [
        ("x**4*cos(y)-4", "4*x**3*cos(y), x**4*sin(y)"),  # the sign
        ("x**2 + y", "2*x, 1.00001"),
        ("himmelblau", "4*x*(x**2+y-11) + 2*(x+y**2-7), 2*(x**2+y-11) + 4*y*(x+y*y-7) + 1e-3"),
    ],
)
def test_what_is_wrong_is_said_to_differ(ask, objective, written):
    code, told = ask(f"objective={objective}", f"written={written}")
    assert code == 1 and "THEY DIFFER" in told


def test_at_a_kink_no_two_ways_agree(ask):
    code, told = ask("objective=abs(x)", "start.points=[[0]]")
    assert code == 1 and "at 1 point;" in told
    assert ask("objective=abs(x)", "start.points=[[0.5]]")[0] == 0


FIRST = ("himmelblau", "linear_regression")  # in every run: `objectives/` has the others' gradients


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in FIRST else pytest.mark.slow) for n in OBJECTIVES]
)
def test_every_objective_has_the_gradient_of_its_values(name):
    objective = OBJECTIVES[name](**({"hidden": (1,)} if name == "mlp" else {}))
    low, high = np.array(objective.space().low), np.array(objective.space().high)
    x = np.random.default_rng(1).uniform(low, high, (4, objective.dim))
    found = slopes.compare(objective, x)
    assert found.agree, found.differs


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["objective=x*y", "written=y"], "1 formulas, the objective has 2 variables: x, y"),
        (["objective=x*y", "written=y, q"], "q"),
        (["objectve=x"], "which gradient is meant? type python -m gdexp gradients objective="),
        (["objective=x*y", "writen=y,x"], "there is no key 'writen': did you mean written?"),
        (["objective=x**2", "num=0"], "num=0 is out of range"),
        (["objective=x**2", "start.points=here"], "type 'start.points=[[3,3],[-2,0]]'"),
        (["objective=x*y", "start.points=[[1]]"], "is not a point of 2 numbers"),
        (["objective=sinn(x)"], "did you mean sin?"),
    ],
)  # fmt: skip
def test_wrong_words_are_refused(ask, words, told):
    code, said = ask(*words)
    assert code == 2 and told in said


def test_a_gradient_of_another_length_is_refused():
    with pytest.raises(UsageError, match="a gradient of 2 numbers is needed"):
        slopes.compare(OBJECTIVES["himmelblau"](), np.ones((1, 2)), lambda x: x[:1])


def test_the_table_is_written_for_others_too(ask):
    code, told = ask("objective=x**2", "num=1", "format=markdown")
    assert code == 0 and told.startswith("| point | variable | automatic | numerical |")
    assert json.dumps(told).count("\\n") == 3
