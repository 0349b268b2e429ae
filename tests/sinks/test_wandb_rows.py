"""Curves as rows of a W&B history."""

import re

import numpy as np

from gdexp.base import Path, Reason
from gdexp.sinks._wandb import rows


def curve(rate, steps=(0, 1, 4), objective="booth"):
    own = {"objective": objective, "optimizer": "sgd", "learning_rate": rate, "sample": 16}
    return own | {"step": list(steps), "alive": [1.0] * len(steps), "f_q50": [2.0] * len(steps)}


def test_a_row_a_step_has_all_curves_that_reach_it():
    found = list(rows.curves([curve(None), curve(0.001, steps=(0, 1))]))
    assert [row["step"] for row in found] == [0, 1, 4]
    assert set(found[0]) == {
        "step",
        "curves/booth/sgd/alive",
        "curves/booth/sgd/f_q50",
        "curves/booth/sgd/learning_rate_0p001/alive",
        "curves/booth/sgd/learning_rate_0p001/f_q50",
    }
    assert set(found[2]) == {"step", "curves/booth/sgd/alive", "curves/booth/sgd/f_q50"}


def test_there_are_never_more_curves_than_wandb_asks_for():
    many = [
        curve(rate, objective=f"f{i}") for i in range(300) for rate in (None, *np.geomspace(1, 9))
    ]
    [first, *_] = rows.curves(many)
    assert len(first) <= rows.MOST_KEYS + 1
    assert all(f"curves/f{i}/sgd/alive" in first for i in range(300)), "whole groups come first"


def test_numbers_in_names_have_letters_digits_and_underscores_alone():
    for number in (1e-4, 0.5, 12.25, 3e10, 0.0, -2.5e-7):
        assert re.fullmatch("[a-z0-9_]+", rows.named(number))
    assert (rows.named(1e-5), rows.named(0.5), rows.named(3e16)) == ("1e_05", "0p5", "3e16")
    near = np.linspace(0.100001, 0.10001, 8)
    assert len(set(map(rows.named, near))) == 8


def test_a_path_leaves_out_what_is_not_finite_and_points_that_are_long():
    x = np.array([[1.0, 2.0], [3.0, np.inf]])
    states = Path(7, np.array([0, 5]), x, np.array([1.0, np.nan]), np.ones(2), Reason.MAX_STEPS)
    first, last = rows.path(states)
    assert first == {
        "step": 0,
        "path/f": 1.0,
        "path/grad_norm": 1.0,
        "path/x_0": 1.0,
        "path/x_1": 2.0,
    }
    assert last == {"step": 5, "path/grad_norm": 1.0, "path/x_0": 3.0}
    wide = states._replace(x=np.zeros((2, 100)))
    assert set(next(rows.path(wide))) == {"step", "path/f", "path/grad_norm"}
