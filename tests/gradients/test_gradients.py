"""Ways to find the slope: right to their order, counted, and noisy as they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import sifted
from scipy import stats

import gdexp
from gdexp.base import UsageError, discover
from gdexp.gradients import Gradient
from gdexp.gradients.finite_difference import FiniteDifference

KINDS = discover("gdexp.gradients", Gradient)


def waves(x):
    return jnp.sum(jnp.sin(3 * x) * x**2) + x[0] * x[-1]


@pytest.mark.parametrize("dim", sifted([1, 2, 17, 70], 2))
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_finds_the_gradient(name, dim):
    with jax.enable_x64(True):
        x = jnp.linspace(-1.0, 1.3, dim)
        value, found = KINDS[name]().value_and_gradient(waves, x)
        assert value == waves(x)
        assert np.asarray(found) == pytest.approx(np.asarray(jax.grad(waves)(x)), abs=2e-5)


@pytest.mark.parametrize(("scheme", "order"), [("forward", 1), ("central", 2)])
def test_the_error_of_a_difference_goes_as_its_order(scheme, order):
    with jax.enable_x64(True):
        x = jnp.array([0.3, -0.7, 1.1])
        errors = [
            np.abs(FiniteDifference(scheme=scheme, h=h).value_and_gradient(waves, x)[1] - exact)
            for exact in [jax.grad(waves)(x)]
            for h in (1e-2, 1e-3)
        ]
        assert np.log10(errors[0] / errors[1]) == pytest.approx(order, abs=0.05)


def test_a_forward_difference_descends_to_where_it_is_zero_itself():
    """((x + h)² − x²) / h = 2 x + h."""
    found = gdexp.sweep(
        "x**2",
        grid={"learning_rate": [0.1], "h": [0.0625, 0.5, 1.0]},
        gradient={"finite_difference": {"scheme": "forward"}},
        start=[[3.0]],
    )
    assert found.to_pandas()["x_0"].tolist() == pytest.approx([-0.03125, -0.25, -0.5], abs=1e-4)
    assert (found.to_pandas().outcome == "converged").all()
    assert found.to_pandas()["kind"].tolist() == ["unresolved"] * 3  # which f does not know of


@pytest.mark.parametrize(("scheme", "each"), sifted([("forward", 3), ("central", 5)], 2))
def test_every_evaluation_is_counted(scheme, each):
    card = {"finite_difference": {"scheme": scheme}}
    frame = gdexp.sweep("paraboloid", start={"uniform": 20}, gradient=card).to_pandas()
    assert (frame.evaluations == each * (frame.steps + 1)).all() and frame.steps.nunique() > 3


def noise(deviation, replicates, **keys):
    """Runs along a plane that is level: all that moves them is noise."""
    return gdexp.sweep(
        lambda x, y: 0 * x * y,
        optimizer={"sgd": {"learning_rate": 0.5}},
        grid={"noise": deviation},
        start=[[3.0, 3.0]],
        replicates=replicates,
        stop_grad_tol=0,
        **keys,
    )


@pytest.mark.slow
def test_noise_is_normal_of_the_size_asked_for_and_new_at_each_step():
    found = noise([0.5, 2.0], 4000, stop_max_steps=2, trace_every=1, dtype="float64")
    paths = found.traces.to_pandas().pivot(index="run", columns="step", values="x")
    states = np.array([[np.asarray(x) for x in row] for row in paths.to_numpy()])  # [N, 3, 2]
    errors = (np.diff(states, axis=1) / -0.5).reshape(2, 4000, 4) / np.array([0.5, 2.0])[
        :, None, None
    ]
    assert stats.kstest(errors.ravel(), "norm").pvalue > 1e-3
    for one in errors:
        assert np.corrcoef(one.T) == pytest.approx(np.eye(4), abs=0.07)
    # what a run draws follows from its number, not from the noise's size
    assert len(np.unique(errors[0].ravel())) == errors[0].size


def test_a_noisy_run_is_replayed_alone_to_the_bit_and_neither_cycles_nor_stalls():
    found = noise([0.0, 1.0], 40, stop_max_steps=300)
    frame = found.to_pandas()
    assert (frame.outcome == "unfinished").all()
    assert (frame[frame.noise == 0].x_0 == 3).all() and frame[frame.noise == 1].x_0.nunique() == 40
    assert all(again.same_bits for again in found.replay(3, 41, 79))


def test_tests_and_results_know_the_gradient_without_its_noise():
    found = gdexp.sweep("x**2", gradient={"autodiff": {"noise": 50.0}}, stop_max_steps=3)
    row = found.to_pandas().iloc[0]
    assert row.grad_norm == pytest.approx(2 * abs(row.x_0), rel=1e-6)


@pytest.mark.parametrize(
    ("gradient", "optimizer", "told"),
    [
        ({"finite_difference": {"scheme": "backward"}}, "sgd", "type gradient.scheme=central"),
        ("finite_difference", "lbfgs", "leave out gradient=finite_difference"),
        ("numerical", "sgd", "there is no gradient 'numerical'"),
        ({"autodiff": {"h": 0.1}}, "sgd", "has no number 'h'"),
    ],
)
def test_what_cannot_be_is_refused(gradient, optimizer, told):
    with pytest.raises(UsageError, match=told):
        gdexp.sweep("paraboloid", optimizer=optimizer, gradient=gradient)
