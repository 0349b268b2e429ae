"""What follows from the count alone: the same bits from a table as step by step."""

import jax
import numpy as np
import pytest
from cases import sifted

from gdexp import engine, plan, problems, program, tables
from gdexp.api import experiment
from gdexp.batches import Examples


def made(optimizer, schedule="constant", dtype="float32", **keys):
    asked = experiment("rosenbrock", optimizer=optimizer, schedule=schedule, dtype=dtype, **keys)
    group = plan.make(asked).groups[0]
    problem = problems.of_group(group, 1.0)
    rules = program.rules(asked, group)
    most = asked.stop.max_steps
    split, table = tables.tabulated(problem, 2, rules.numbers.dtype, len(group.names), most)
    return problem, split, table(rules.numbers)[0], list(rules.numbers)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    sifted(
        [
            ("adam", "constant"),
            ("nadam", "constant"),
            ("sgd", "cosine"),
            ("adamw", "linear_warmup"),
        ],
        4,
    ),
)
def test_a_table_gives_what_the_plain_optimizer_gives(optimizer, schedule, dtype):
    with jax.enable_x64(dtype == "float64"):
        problem, split, table, numbers = made(optimizer, schedule, dtype)
        assert table
        key = jax.random.key(0)
        plain, fast = problem.optimizer(numbers, key), split.optimizer(numbers, key)
        x = np.array([1.5, -0.5], dtype)
        old, new = plain.init(x), fast.init(x)
        assert len(jax.tree.leaves(new)) < len(jax.tree.leaves(old))
        for step in range(300):
            gradient = np.array([np.sin(step), np.cos(3 * step)], dtype)
            more = {"value": x[0], "grad": gradient, "value_fn": lambda x: x[0]}
            row = [column[step] for column in table]
            expected, old = plain.update(gradient, old, x, **more)
            updates, new = fast.update(gradient, new, x, **more, row=row, examples=Examples(()))
            if schedule == "constant":
                assert np.array_equal(updates, expected), step
            # compiled, a factor of 0 to 1 may round otherwise than operation by operation
            room = 4 * np.finfo(dtype).eps
            assert np.allclose(updates, expected, rtol=room, atol=room * numbers[0]), step


def test_where_nothing_follows_from_the_count_there_is_no_table():
    problem, split, table, _ = made("sgd")
    assert split.optimizer is problem.optimizer
    assert table == []


def test_a_number_that_differs_from_run_to_run_is_not_in_a_table():
    _, _, shared, _ = made("adam")
    _, _, varied, _ = made("adam", grid={"b2": [0.9, 0.99]})
    assert len(varied) < len(shared) or not varied


def test_too_many_steps_for_a_table_go_without():
    problem, split, table, _ = made("adam", stop_max_steps=10**7)
    assert split.optimizer is problem.optimizer
    assert table == []


@pytest.mark.slow
def test_the_budget_changes_no_program_below_the_least_table():
    def digest(most):
        asked = experiment("paraboloid", optimizer="adam", stop_max_steps=most)
        return engine.Engine(asked, plan.make(asked)).program(0).digest

    assert digest(10) == digest(4000)
