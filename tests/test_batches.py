"""Mini-batches: every example once an epoch, the same wherever a run is, tests by all examples."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import sifted

import gdexp
from gdexp import batches
from gdexp.batches import Batches, Examples
from gdexp.objectives.linear_regression import LinearRegression


@pytest.mark.parametrize(
    ("count", "size"), sifted([(1, 1), (5, 2), (7, 7), (9, 1), (100, 7), (100, 10), (300, 299)], 3)
)
def test_every_example_comes_once_an_epoch(count, size):
    some, rows = Batches(count, size), (np.arange(count),)
    orders = some.orders(jax.random.key(4), jnp.int32(3))
    numbers = jnp.arange(some.steps)
    (chosen,), held = jax.jit(jax.vmap(lambda number: some.batch(orders, number, rows)))(numbers)
    held = np.ones(chosen.shape, bool) if held is None else np.asarray(held)
    assert some.steps >= batches.LEAST and some.steps % some.epoch == 0
    epochs = [slice(at, at + some.epoch) for at in range(0, some.steps, some.epoch)]
    seen = [np.asarray(chosen)[epoch][held[epoch]] for epoch in epochs]
    assert all(sorted(epoch.tolist()) == list(range(count)) for epoch in seen)
    assert count < 9 or len(seen) == 1 or (seen[0] != seen[1]).any()


@pytest.mark.parametrize("count", sifted([1, 2, 3, 4], 2))
def test_every_order_is_as_likely(count):
    tries = 20_000
    keys = jax.random.split(jax.random.key(1), tries)
    found = np.asarray(jax.vmap(lambda key: batches.permutation(key, count))(keys))
    kinds = list(itertools.permutations(range(count)))
    times = np.array([(found == kind).all(axis=1).sum() for kind in kinds])
    expected = tries / len(kinds)
    freedom = max(1, len(kinds) - 1)
    assert times.sum() == tries
    assert ((times - expected) ** 2 / expected).sum() < freedom + 5 * np.sqrt(2 * freedom)


def test_in_a_long_order_each_place_takes_every_number_alike():
    count, tries = 1500, 2000
    keys = jax.random.split(jax.random.key(2), tries)
    found = np.asarray(jax.vmap(lambda key: batches.permutation(key, count))(keys))
    assert (np.sort(found, axis=1) == np.arange(count)).all()
    middle = (count - 1) / 2
    deviation = np.sqrt((count**2 - 1) / 12 / tries)
    assert np.abs(found.mean(axis=0) - middle).max() < 5 * deviation
    # neighbours rise as often as they fall, however near their numbers are
    rises = (np.diff(found, axis=1) > 0).mean()
    assert abs(rises - 0.5) < 5 * np.sqrt(1 / 12 / (tries * count))


TARGETS = [380.0, 200.0]
MADE = ("x", "f0", "f", "f_best", "steps", "evaluations", "steps_to_target")


def by_hand(objective, rate, steps, seed, number):
    """Points and values of all examples, from plain loops over the same batches."""
    key = jax.random.key(0)
    for word in (0, seed, 0, number):
        key = jax.random.fold_in(key, word)
    key = jax.random.fold_in(key, 2)
    some = Batches(objective.count, objective.batch_size)
    rows, x = objective.rows(np.float64), jnp.array(objective.start())
    slope = jax.jit(jax.grad(objective.value))
    points = [x]
    for step in range(steps):
        epoch, place = divmod(step, some.epoch)
        order = batches.permutation(jax.random.fold_in(key, epoch), some.count)
        chosen = order[place * some.size : (place + 1) * some.size]
        x = x - rate * slope(x, Examples(tuple(a[np.asarray(chosen)] for a in rows)))
        points.append(x)
    return np.stack(points)


@pytest.mark.slow
@pytest.mark.parametrize("size", [7, 25])
def test_a_run_is_that_of_a_plain_loop(size):
    found = gdexp.sweep(
        {"linear_regression": {"batch_size": size, "noise": 1.0}},
        grid={"learning_rate": [0.003, 0.01]},
        replicates=2,
        seed=5,
        dtype="float64",
        stop_max_steps=53,
        stop_grad_tol=0,
        stop_targets=TARGETS,
        store_columns=["run", "learning_rate", *MADE],
    )
    with jax.enable_x64(True):
        objective = LinearRegression(batch_size=size, noise=1.0)
        whole = jax.jit(objective)
        interval = Batches(100, size).steps
        for row in found.runs.to_pylist():
            path = by_hand(objective, row["learning_rate"], 53, 5, row["run"])
            looks = [*range(0, 53, interval), 53]
            values = [float(whole(path[at])) for at in looks]
            assert row["x"] == pytest.approx(path[-1], abs=1e-12)
            assert row["f0"] == pytest.approx(values[0])
            assert row["f"] == pytest.approx(values[-1])
            assert row["f_best"] == pytest.approx(min(values))
            assert row["evaluations"] == row["steps"] + 1 == 54
            below = [[at for at, f in zip(looks, values, strict=True) if f <= t] for t in TARGETS]
            assert row["steps_to_target"] == [next(iter(at), None) for at in below]
    one, other = found.runs["x"].to_pylist()[:2]
    assert one != other  # replicates draw batches of their own


@pytest.mark.slow
def test_the_full_gradient_is_tested_at_stated_intervals_and_replays_have_the_same_bits():
    found = gdexp.sweep(
        {"linear_regression": {"batch_size": 20}},
        grid={"learning_rate": [0.001, 0.05, 0.3, 3.0]},
        dtype="float64",
        stop_max_steps=333,
        stop_f_tol=1e-9,
        stop_grad_tol=1e-6,
    )
    rows = found.runs.to_pylist()
    told = {row["reason"] for row in rows}
    assert {"max_steps", "escaped"} <= told and told & {"grad_tol", "f_tol"}
    for row in rows:
        # an epoch takes 5 updates, and 8 are the least
        assert row["outcome"] != "converged" or row["steps"] % 10 == 0
        assert row["reason"] != "grad_tol" or row["grad_norm"] <= 1e-6
    for replay in found.replay(0, 1, 3):
        assert replay.same_bits
        assert replay.step.tolist() == list(range(len(replay.step)))


@pytest.mark.slow
def test_a_sweep_of_more_runs_has_the_same_bits():
    def ends(replicates, rates):
        found = gdexp.sweep(
            {"logistic_regression": {"batch_size": 32}},
            grid={"learning_rate": rates},
            replicates=replicates,
            stop_max_steps=100,
            store_columns=["x"],
        )
        return found.runs["x"].to_pylist()

    few, many = ends(3, [0.1]), ends(3, [0.1, 0.2])
    assert few == many[:3]


@pytest.mark.slow
def test_all_examples_in_a_batch_are_no_noise():
    asked = {"stop_max_steps": 50, "grid": {"learning_rate": [0.01]}, "dtype": "float64"}
    full = gdexp.sweep("linear_regression", **asked)
    same = gdexp.sweep({"linear_regression": {"batch_size": 100}}, **asked)
    assert same.runs.equals(full.runs)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (101, "more than the 100 examples to learn from: type 1 to 100, or null"),
        (0, "out of range"),
        (2.5, "whole number"),
    ],
)
def test_a_batch_that_cannot_be_is_refused(size, told):
    with pytest.raises(gdexp.UsageError, match=told):
        gdexp.sweep({"linear_regression": {"batch_size": size}})
