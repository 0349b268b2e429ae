"""Models: their parts, costs, and what they are judged by."""

import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdexp
from gdexp import measures
from gdexp.learning import split
from gdexp.objectives.logistic_regression import LogisticRegression
from gdexp.objectives.mlp import Mlp


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def file(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    np.savez(tmp_path / "some.npz", x=x, y=(x[:, 0] > x[:, 1]) + 2 * (x[:, 2] > 0))
    return str(tmp_path / "some.npz")


def by_hand(model, x, rows):
    """The outputs of a network of any depth, in numpy."""
    widths = (rows.shape[1], *model.hidden, model.arrays()[1].shape[1])
    first = 0
    for i, (a, b) in enumerate(itertools.pairwise(widths)):
        w, first = x[first : first + a * b].reshape(a, b), first + a * b
        bias, first = x[first : first + b], first + b
        rows = rows @ w + bias
        if i < len(model.hidden):
            rows = np.tanh(rows) if model.activation == "tanh" else np.maximum(rows, 0)
    assert first == len(x) == model.dim
    return rows


@pytest.mark.parametrize("hidden", [(), (4,), (5, 2, 3)])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("cost", ["softmax", "squared_error"])
def test_a_network_is_that_of_numpy(hidden, activation, cost, file):
    model = Mlp(hidden=hidden, activation=activation, cost=cost, data=file, l2=0.1)
    x = np.random.default_rng(1).normal(size=model.dim)
    rows, targets = model.arrays()
    out = by_hand(model, x, rows)
    if cost == "softmax":
        likely = np.exp(out) / np.exp(out).sum(axis=1, keepdims=True)
        each = -np.log(likely[targets == 1])
    else:
        each = ((out - targets) ** 2).sum(axis=1)
    weights = [w for w in split(x, model.blocks()).values() if w.ndim == 2]
    assert sum(w.size for w in weights) == model.dim - sum(hidden) - 4
    penalty = 0.05 * sum((w**2).sum() for w in weights)
    assert float(model(jnp.array(x))) == pytest.approx(each.mean() + penalty, rel=1e-12)


def test_the_squared_error_is_a_sum():
    # the lesson's cost: 0 + 9 + 36 + 81
    actual, predicted = np.array([[0.0, 5, 10, 15]]), jnp.array([0.0, 2, 4, 6])

    class Predicts(Mlp):
        def outputs(self, x, rows):
            return x[None]

    model = Predicts(cost="squared_error", hidden=())
    assert model.losses(predicted, np.zeros((1, 1)), actual).tolist() == [126.0]


def test_measures_are_shares_of_examples(file):
    model = Mlp(hidden=(3,), data=file, held_out=4)
    points = np.random.default_rng(2).normal(size=(5, model.dim))
    found = measures.at(model, (), points, np.empty((5, 0)))
    assert list(found) == ["accuracy", "held_out_accuracy", "held_out_loss"]
    for i, x in enumerate(points):
        for name, (rows, targets) in (
            ("accuracy", model.arrays()),
            ("held_out_accuracy", model.held_out_arrays()),
        ):
            right = by_hand(model, x, rows).argmax(axis=1) == targets.argmax(axis=1)
            assert found[name][i] == pytest.approx(right.mean())
        loss = np.mean(model.losses(jnp.array(x), *map(jnp.array, model.held_out_arrays())))
        assert found["held_out_loss"][i] == pytest.approx(loss)


def test_a_line_tells_two_clouds_apart():
    found = measures.at(
        LogisticRegression(),
        ("l2",),
        np.array([[1.0, 0.5, 0.0], [-1.0, -0.5, 0.0]]),
        np.ones((2, 1)),
    )
    assert found["accuracy"].sum() == pytest.approx(1) and 0.8 < found["accuracy"][0] < 0.95
    nowhere = measures.at(LogisticRegression(), (), np.zeros((1, 3)), np.empty((1, 0)))
    assert nowhere["accuracy"].tolist() == [0.5]  # on the line: a toss


@pytest.mark.slow
def test_where_no_block_moves_a_run_stalls():
    """A rate of zero is no rest; the optimizer's counts for blocks that have none of their own."""

    def outcomes(*keys):
        found = gdexp.sweep(
            "linear_regression",
            optimizer="adam",
            grid={key: [0.0] for key in keys},
            stop_max_steps=200,
        )
        return found.summary["outcomes"]

    assert outcomes("w.learning_rate", "b.learning_rate")["unfinished"] == 1
    assert outcomes("learning_rate")["unfinished"] == 1
    assert outcomes("w.learning_rate")["unfinished"] == 1


@pytest.mark.slow
def test_in_a_race_blocks_have_rates_where_there_are_any():
    found = gdexp.sweep(
        "linear_regression",
        optimizer=["sgd", "random_search"],
        grid={"w.learning_rate": [0.01, 0.02]},
        stop_max_steps=5,
    )
    rates = found.to_pandas().groupby("optimizer", observed=True)["w.learning_rate"]
    assert rates.count().to_dict() == {"sgd": 2, "random_search": 0}


def test_what_was_read_is_what_is_learned_from(file, tmp_path):
    """Whatever becomes of a file while its sweep runs."""
    copy = tmp_path / "copy.npz"
    copy.write_bytes(Path(file).read_bytes())
    model = Mlp(hidden=(3,), data=str(copy))
    digest, count = model.digest(), model.count
    copy.unlink()
    assert (model.with_numbers({"l2": 0.5}).digest(), model.count) == (digest, count)


@pytest.mark.slow
def test_a_number_may_be_told_instead_of_a_class(tmp_path):
    x = np.linspace(-1, 1, 50)
    np.savez(tmp_path / "line.npz", x=x[:, None], y=3 * x + 1)
    card = {
        **{"data": str(tmp_path / "line.npz"), "hidden": [], "task": "numbers"},
        **{"cost": "squared_error", "standardize": False},
    }
    found = gdexp.sweep(
        {"mlp": card}, grid={"learning_rate": [0.1]}, start={"own": 3}, dtype="float64"
    )
    for x in found.runs["x"].to_pylist():
        assert x == pytest.approx([3.0, 1.0], abs=1e-3)
    assert found.labels.column_names == ["run", "kind", "minimum_id", "held_out_loss"]


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ({"hidden": [0]}, r"mlp.hidden=\[0\]: type widths, as in \[32,16\]"),
        ({"hidden": "wide"}, "type widths"),
        ({"hidden": [True]}, "type widths"),
        ({"activation": "sigmoid"}, "is not one of tanh, relu"),
        ({"cost": "hinge"}, "is not one of softmax, squared_error"),
        ({"task": "numbers"}, "of numbers type objective.mlp.cost=squared_error"),
        ({"hidden": [300000]}, "22,500,010 parameters, at most 1,000,000: lower objective.mlp.hid"),
        ({"batch_size": 1438}, "more than the 1,437 examples to learn from: type 1 to 1437"),
    ],
)
def test_a_network_that_cannot_be_is_refused(card, told):
    with pytest.raises(gdexp.UsageError, match=told):
        gdexp.sweep({"mlp": card})


@pytest.mark.slow
def test_digits_are_learned_and_told_at_trace_points_and_the_end():
    found = gdexp.sweep(
        {"mlp": {"batch_size": 32}},
        grid={"learning_rate": [0.05, 1.0]},
        start={"own": 2},
        stop_max_steps=450,
        stop_grad_tol=0,
        trace_every=225,
        trace_metrics=["held_out_accuracy", "accuracy", "held_out_loss"],
    )
    rows = found.to_pandas().sort_values(["learning_rate", "start"])
    assert (rows["held_out_accuracy"] > 0.85).all() and rows["held_out_accuracy"].max() >= 0.95
    traces = found.traces.to_pandas()
    assert traces["step"].tolist() == [0, 225, 450] * 4
    for name in ("accuracy", "held_out_loss", "held_out_accuracy"):
        ends = traces[traces["step"] == 450].set_index("run")[name]
        assert ends.to_numpy() == pytest.approx(rows.set_index("run")[name].sort_index().to_numpy())
    assert (traces[traces["step"] == 0]["held_out_accuracy"] < 0.3).all()


RATES = [0.02, 0.3]


def blocks(file, optimizer="adam", **grid):
    grid = {"learning_rate": [0.1], **grid}
    found = gdexp.sweep(
        {"mlp": {"data": file, "hidden": [3]}},
        optimizer=optimizer,
        grid=grid,
        start={"own": 2},
        dtype="float64",
        stop_max_steps=40,
        store_columns=[*grid, "x0", "x"],
    )
    return found.to_pandas()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_blocks_descend_at_rates_of_their_own(optimizer, file):
    plain = blocks(file, optimizer, learning_rate=RATES)
    same = {"layer1.learning_rate": RATES, "layer2.learning_rate": RATES}
    each = blocks(file, optimizer, **same)
    assert len(each) == 8
    for rate in RATES:
        alike = each[
            (each["layer1.learning_rate"] == rate) & (each["layer2.learning_rate"] == rate)
        ]
        expected = plain[plain["learning_rate"] == rate]
        for one, other in zip(alike["x"], expected["x"], strict=True):
            assert one == pytest.approx(other, abs=1e-12)
    # a block whose rate is zero stays where it is; the other has the optimizer's
    still = blocks(file, optimizer, **{"layer1.learning_rate": [0.0]})
    first = 3 * 3 + 3
    for x0, x in zip(still["x0"], still["x"], strict=True):
        assert (x[:first] == x0[:first]).all() and (x[first:] != x0[first:]).any()


@pytest.mark.slow
def test_rates_of_blocks_may_be_drawn_and_zipped(file):
    found = gdexp.sweep(
        {"mlp": {"data": file, "hidden": [3]}},
        grid={"layer1.learning_rate": RATES, "layer2.learning_rate": RATES},
        zip=["layer1.learning_rate", "layer2.learning_rate"],
        stop_max_steps=3,
        store_columns=["f"],
    )
    assert found.runs.num_rows == 2
    drawn = gdexp.sweep(
        {"mlp": {"data": file, "hidden": [3]}},
        draw={"layer2.learning_rate": "uniform:0.1:0.2"},
        start={"own": 5},
        stop_max_steps=3,
        store_columns=["layer2.learning_rate"],
    )
    rates = drawn.runs["layer2.learning_rate"].to_numpy()
    assert len(set(rates)) == 5 and (rates > 0.1).all() and (rates < 0.2).all()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"grid": {"layer3.learning_rate": RATES}}, "did you mean layer"),
        ({"grid": {"layer1.momentum": RATES}}, "momentum"),
        ({"grid": {"layer1.learning_rate": RATES}, "optimizer": "lbfgs"}, "leave out grid.BLOCK"),
        ({"grid": {"layer1.learning_rate": RATES}, "optimizer": "newton"}, "leave out grid.BLOCK"),
        ({"grid": {"layer1.learning_rate": RATES}, "optimizer": "random_search"}, "no learning"),
    ],
)
def test_a_rate_that_a_block_cannot_have_is_refused(asked, told, file):
    with pytest.raises(gdexp.UsageError, match=told):
        gdexp.sweep({"mlp": {"data": file, "hidden": [3]}}, **asked)
