"""One signature for all optimizers: schedules, keys, line searches and refusals."""

import doctest
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import yaml
from cases import sifted

import gdexp.optimizers
from gdexp.base import UsageError, numbers_of
from gdexp.objectives.rosenbrock import Rosenbrock
from gdexp.optimizers import build, evaluations, factory, takes_schedule
from gdexp.schedules.linear_warmup import LinearWarmup

pytestmark = pytest.mark.filterwarnings("error")

PATHS = sorted(pathlib.Path(__file__).parents[2].glob("conf/optimizer/*.yaml"))
CARDS = {path.stem: yaml.safe_load(path.read_text())[path.stem] for path in PATHS}
# compiled in every run of the tests; the others are slow tests
ALWAYS = ("sgd", "adam", "lbfgs")


BOX = (np.full(2, -5.0), np.full(2, 5.0))
FIXED = (
    "polyak_sgd",
    "random_search",
    "rprop",
)  # there is no rate here that could change from step to step


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def descend(optimizer, f, x, steps):
    """The points [steps, D] and what the line search spent on each, [steps]."""

    @jax.jit
    def step(x, state):
        value, grad = jax.value_and_grad(f)(x)
        update, state = optimizer.update(grad, state, x, value=value, grad=grad, value_fn=f)
        return optax.apply_updates(x, update), state

    state, path, spent = optimizer.init(x), [], []
    for _ in range(steps):
        x, state = step(x, state)
        path.append(x)
        spent.append(evaluations("lbfgs", len(x), state))
    return jnp.stack(path), spent


def start(name, learning_rate=1.0, **options):
    """An optimizer from its card, its learning rate multiplied."""
    numbers = numbers_of(CARDS[name])
    structure = {key: value for key, value in CARDS[name].items() if key not in numbers}
    numbers["learning_rate"] = learning_rate * numbers.get("learning_rate", 1.0)
    return build(name, structure, numbers, key=jax.random.key(0), box=BOX, **options)


@pytest.mark.parametrize("name", sifted((name for name in CARDS if name not in FIXED), ALWAYS))
def test_a_schedule_multiplies_the_learning_rate(name):
    assert takes_schedule(name)
    x0 = jnp.array([0.3, -0.2])
    f = Rosenbrock(b=1.0)

    halved, _ = descend(start(name, 0.5), f, x0, 3)
    scheduled, _ = descend(start(name, schedule=lambda count: 0.5), f, x0, 3)

    np.testing.assert_allclose(scheduled, halved, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FIXED)
def test_a_schedule_that_would_do_nothing_is_refused(name):
    assert not takes_schedule(name)
    with pytest.raises(UsageError, match=f"{name} has no learning rate"):
        build(name, {}, {"learning_rate": 1.0}, schedule=lambda count: 0.5)


def test_a_schedule_counts_updates_from_zero():
    def slope(x):
        return jnp.sum(x)

    warmup = LinearWarmup(warmup_steps=4.0)
    sgd = build("sgd", {"momentum": None}, {"learning_rate": 0.5}, schedule=warmup)

    path, _ = descend(sgd, slope, jnp.zeros(1), 6)

    steps = -np.diff(np.concatenate([[0.0], path[:, 0]]))
    np.testing.assert_allclose(steps, 0.5 * np.array([0, 0.25, 0.5, 0.75, 1, 1]), atol=1e-15)


@pytest.mark.slow
def test_the_runs_own_key_makes_the_noise():
    def run(key):
        noisy = build("noisy_sgd", {}, {"learning_rate": 1.0, "eta": 0.01, "gamma": 0.55}, key=key)
        return descend(noisy, lambda x: 0.0 * jnp.sum(x), jnp.zeros(2), 3)[0]

    keys = jax.random.split(jax.random.key(1), 3)
    paths = jax.jit(jax.vmap(run))(keys[jnp.array([0, 1, 0])])

    assert jnp.array_equal(paths[0], paths[2])
    assert not jnp.any(paths[0] == paths[1])
    with pytest.raises(ValueError, match="needs a key"):
        build("noisy_sgd", {}, {"learning_rate": 1.0})


def backtracking():
    search = optax.scale_by_backtracking_linesearch(max_backtracking_steps=15)
    return optax.chain(optax.sgd(1.0), search)


@pytest.mark.parametrize("make", [lambda: start("lbfgs"), backtracking])
def test_evaluations_are_the_calls_a_line_search_makes(make):
    calls = []

    def f(x):
        jax.debug.callback(lambda: calls.append(1))
        return Rosenbrock()(x)

    _, spent = descend(make(), f, jnp.array([-1.2, 1.0]), 12)

    jax.effects_barrier()
    assert sum(int(n) for n in spent) == len(calls) - 12  # one call a step is the caller's own
    assert max(spent) > 1


def test_no_line_search_spends_nothing():
    assert descend(start("adam"), Rosenbrock(), jnp.array([-1.2, 1.0]), 1)[1] == [0]


def test_factory_prefers_own_files_then_optax_then_contrib():
    assert factory("prodigy").__module__ == "gdexp.optimizers.prodigy"
    assert factory("adam") is optax.adam
    assert factory("nadam") is optax.nadam
    assert factory("momo") is optax.contrib.momo


@pytest.mark.parametrize("name", ["admaw", "tree", "../sgd", "sgd.sgd", "Params"])
def test_unknown_optimizers_are_refused(name):
    with pytest.raises(UsageError, match="there is no optimizer"):
        factory(name)
    with pytest.raises(UsageError, match=r"did you mean adamw\?"):
        factory("adamww")


def test_a_missing_learning_rate_is_refused():
    with pytest.raises(UsageError, match=r"adadelta\.learning_rate must be a number"):
        build("adadelta", {"learning_rate": None}, {"rho": 0.9})


def test_the_example_runs():
    assert doctest.testmod(gdexp.optimizers).failed == 0
    assert doctest.testmod(gdexp.optimizers).attempted > 0
