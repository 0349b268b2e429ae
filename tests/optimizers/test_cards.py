"""Every card in conf/optimizer is optax's optimizer, and each of its floats an axis of one program.

In float64 a batch of descents equals a Python loop over optax's own updates, most to the last bit.
"""

import inspect
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
import yaml
from cases import sifted

from gdexp.base import numbers_of
from gdexp.objectives.rosenbrock import Rosenbrock
from gdexp.optimizers import build, factory

pytestmark = pytest.mark.filterwarnings("error")

PATHS = sorted(pathlib.Path(__file__).parents[2].glob("conf/optimizer/*.yaml"))
CARDS = {path.stem: yaml.safe_load(path.read_text())[path.stem] for path in PATHS}
# compiled in every run of the tests; the others are slow tests
ALWAYS = ("sgd", "adam", "noisy_sgd")


NULLS = [name for name, card in CARDS.items() if None in card.values()]
STEPS = 200

# At the card's rate these diverge on Rosenbrock (sgd and its like) or amplify the last bit until
# runs part (dowg, prodigy), by up to 0.1 within 200 steps.
RATES = {
    "dowg": 0.1,
    "fromage": 0.001,
    "noisy_sgd": 0.001,
    "optimistic_gradient_descent": 0.001,
    "prodigy": 0.1,
    "schedule_free_sgd": 0.001,
    "sgd": 0.001,
}

# optax computes one term of these from the step count in float32; a Python float joins it there, a
# float64 scalar raises it to float64, and a traced number is a float64 scalar.
STRONG = ("adafactor", "madgrad")

# How optax itself is called where gdexp has an own file with other arguments.
DIRECT = {
    "dadapt_adamw": lambda b1, b2, **rest: optax.contrib.dadapt_adamw(betas=(b1, b2), **rest),
    "dog": lambda init_step, init_value, **rest: optax.contrib.dog(
        init_step=(init_step, init_value), **rest
    ),
    "prodigy": lambda b1, b2, **rest: optax.contrib.prodigy(betas=(b1, b2), **rest),
}

OURS = ("newton", "random_search")  # which optax has not

rosenbrock = Rosenbrock()
BOX = (np.array(rosenbrock.space().low), np.array(rosenbrock.space().high))
X0 = np.array(rosenbrock.start())  # [D]


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def library(name):
    """optax's own factory."""
    names = (DIRECT.get(name), getattr(optax, name, None), getattr(optax.contrib, name, None))
    return next(filter(None, names), factory(name))  # one of ours that optax lacks is its own


def step(optimizer, x, state):
    value, grad = jax.value_and_grad(rosenbrock)(x)
    update, state = optimizer.update(grad, state, x, value=value, grad=grad, value_fn=rosenbrock)
    return optax.apply_updates(x, update), state


def batch(name, structure):
    """numbers, keys [L, ...] -> the paths [L, STEPS, D], one program for all values."""

    def run(numbers, key):
        optimizer = build(name, structure, numbers, key=key, box=BOX)

        def body(carry, _):
            carry = step(optimizer, *carry)
            return carry, carry[0]

        x0 = jnp.array(X0)
        return jax.lax.scan(body, (x0, optimizer.init(x0)), length=STEPS)[1]

    return jax.jit(jax.vmap(run))


def loop(name, structure, numbers, key, steps):
    """The path [steps, D] by a Python loop over optax's jitted update."""
    number = np.float64 if name in STRONG else float
    arguments = {**structure, **{k: number(v) for k, v in numbers.items()}}
    given = {"key": key, "box": BOX}
    arguments |= {k: given[k] for k in inspect.signature(factory(name)).parameters if k in given}
    optimizer = optax.with_extra_args_support(library(name)(**arguments))
    update = jax.jit(lambda x, state: step(optimizer, x, state))
    x = jnp.array(X0)
    state, path = optimizer.init(x), []
    for _ in range(steps):
        x, state = update(x, state)
        path.append(np.asarray(x))
    return np.array(path)


def other(number):
    """Another value a user might try."""
    return 0.9 * number if number >= 1e-3 else 1e-3


def split(card):
    numbers = numbers_of(card)
    return {k: v for k, v in card.items() if k not in numbers}, numbers


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_card_says_what_optax_does_by_default(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 10
    assert lines[0].startswith("# ") and not any(line.startswith("#") for line in lines[1:])
    assert lines[1] == f"{path.stem}:"
    parameters = inspect.signature(factory(path.stem)).parameters
    for key, value in CARDS[path.stem].items():
        default = parameters[key].default
        if key == "learning_rate" and default in (inspect.Parameter.empty, None):
            assert isinstance(value, float)  # without one, adadelta climbs
        else:
            assert value == default and type(value) is type(default)


@pytest.mark.parametrize("name", [name for name in CARDS if name not in OURS])
def test_own_factories_keep_the_defaults_of_optax(name):
    ours = inspect.signature(factory(name)).parameters
    optaxs = inspect.signature(
        getattr(optax, name, None) or getattr(optax.contrib, name)
    ).parameters
    for key in ours.keys() & optaxs.keys() - {"init_step"}:
        assert ours[key].default == optaxs[key].default


@pytest.mark.parametrize("name", sifted(CARDS, ALWAYS))
def test_batch_equals_a_loop_and_compiles_once(name, compilations):
    structure, numbers = split({**CARDS[name], **_rate(name)})
    lanes = [numbers]  # as on the card; each number changed alone; all changed
    lanes += [{**numbers, key: other(value)} for key, value in numbers.items()]
    lanes += [{key: other(value) for key, value in numbers.items()}]
    stacked = {key: np.array([lane[key] for lane in lanes]) for key in numbers}
    keys = jax.random.split(jax.random.key(0), len(lanes))
    program = batch(name, structure)

    paths = np.asarray(program(stacked, keys))

    assert np.isfinite(paths).all()
    as_given = loop(name, structure, lanes[0], keys[0], STEPS)
    np.testing.assert_allclose(paths[0], as_given, rtol=1e-12, atol=1e-12)
    # 20 steps: with all changed, a few part later (polyak_sgd by 0.07 within 200)
    changed = loop(name, structure, lanes[-1], keys[-1], 20)
    np.testing.assert_allclose(paths[-1, :20], changed, rtol=1e-12, atol=1e-12)
    with compilations() as compiled:
        program({key: 0.99 * value for key, value in stacked.items()}, keys)
    assert not compiled


@pytest.mark.parametrize("name", sifted(NULLS, 3))
def test_a_number_in_place_of_a_null_is_traced(name):
    structure, numbers = split({**CARDS[name], **_rate(name)})
    filled = {key: 0.5 for key, value in structure.items() if value is None}
    structure = {key: value for key, value in structure.items() if value is not None}
    numbers = {**numbers, **filled}
    stacked = {key: np.array([value]) for key, value in numbers.items()}

    keys = jax.random.split(jax.random.key(0), 1)

    path = np.asarray(batch(name, structure)(stacked, keys))[0]

    as_given = loop(name, structure, numbers, keys[0], 20)
    np.testing.assert_allclose(path[:20], as_given, rtol=1e-12, atol=1e-12)


def _rate(name):
    return {"learning_rate": RATES[name]} if name in RATES else {}
