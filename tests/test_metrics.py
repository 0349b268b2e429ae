"""Metrics along a path, against plain numpy and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdexp
from gdexp.config import catalogue

NAMES = catalogue.metrics()
HIMMELBLAU = lambda x: (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2  # noqa: E731


def traces(objective, **keys):
    keys = {"trace_every": 1, "trace_metrics": list(NAMES), "dtype": "float64"} | keys
    return gdexp.sweep(objective, **keys).traces.to_pandas()


def test_a_metric_is_a_file():
    assert {"sharpness", "update_norm", "stability_limit"} <= set(NAMES)


@pytest.mark.slow
def test_all_are_what_numpy_gives_at_the_recorded_points():
    table = traces(
        "himmelblau",
        grid={"learning_rate": [0.01], "momentum": [0.5]},
        start=[[0.0, 0.0]],
        stop_max_steps=30,
    )
    x = np.stack(table.x)
    with jax.enable_x64(True):
        hessian = np.stack([jax.hessian(HIMMELBLAU)(jnp.array(p)) for p in x])
        gradient = np.stack([jax.grad(HIMMELBLAU)(jnp.array(p)) for p in x])
    values = np.linalg.eigvalsh(hessian)
    assert table.sharpness.to_numpy() == pytest.approx(values[:, 1])
    assert table.least_eigenvalue.to_numpy() == pytest.approx(values[:, 0])
    along = np.einsum("ki,kij,kj->k", gradient, hessian, gradient) / (gradient**2).sum(axis=1)
    assert table.gradient_sharpness.to_numpy() == pytest.approx(along)
    lengths = np.linalg.norm(np.diff(x, axis=0), axis=1)
    assert table.update_norm.to_numpy()[:-1] == pytest.approx(lengths)
    assert np.isnan(table.update_norm.iloc[-1])
    assert table.distance.to_numpy() == pytest.approx(np.linalg.norm(x - x[0], axis=1))
    assert (table.stability_limit == 2 * 1.5 / 0.01).all()


def test_thinned_states_have_the_metrics_of_all():
    keys = {"grid": {"learning_rate": [0.01]}, "start": [[1.0, 0.0]], "stop_max_steps": 40}
    fine, thin = traces("himmelblau", **keys), traces("himmelblau", trace_every=7, **keys)
    last = fine.step.iloc[-1]
    assert thin.step.tolist() == [*range(0, last, 7), *([last] if last % 7 else [])]
    same = fine.set_index("step").loc[thin.step]
    for name in NAMES:
        assert thin[name].to_numpy() == pytest.approx(same[name].to_numpy(), nan_ok=True), name


@pytest.mark.slow
def test_a_schedule_moves_the_limit_and_adam_has_none():
    table = traces(
        "paraboloid",
        optimizer=["sgd", "adam"],
        grid={"learning_rate": [0.1]},
        schedule={"exponential": {"decay_rate": 0.5, "transition_steps": 10}},
        stop_max_steps=20,
        trace_runs=[0, 1],
    )
    mine = table[table.run == 0]
    assert mine.stability_limit.to_numpy() == pytest.approx(20 * 2 ** (mine.step / 10))
    assert table[table.run == 1].stability_limit.isna().all()


@pytest.mark.slow
def test_under_maximisation_curvature_is_that_of_what_is_minimised():
    table = traces("-3*x**2 - y**2", direction="maximize", grid={"learning_rate": [0.01]})
    assert (table.sharpness == 6).all() and (table.least_eigenvalue == 2).all()


@pytest.mark.slow
def test_numbers_of_an_objective_that_vary_are_each_runs_own():
    table = traces("quadratic", grid={"condition_number": [10.0, 40.0]}, stop_max_steps=5)
    assert table.groupby("run").sharpness.first().tolist() == pytest.approx([10, 40])


@pytest.mark.slow
def test_in_many_dimensions_lanczos_gives_the_ends_of_the_spectrum():
    table = traces(
        {"rosenbrock": {"dim": 100}},
        trace_metrics=["sharpness", "least_eigenvalue"],
        grid={"learning_rate": [1e-4]},
        stop_max_steps=2,
    )

    def f(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    with jax.enable_x64(True):
        values = np.linalg.eigvalsh(jax.hessian(f)(jnp.array(table.x.iloc[-1])))
    assert table.sharpness.iloc[-1] == pytest.approx(values[-1])
    assert table.least_eigenvalue.iloc[-1] == pytest.approx(values[0], abs=1e-6)
