"""Schedules equal optax's, with every field an axis of one program."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gdexp.base import card_of, discover
from gdexp.schedules import Schedule
from gdexp.schedules.constant import Constant
from gdexp.schedules.cosine import Cosine
from gdexp.schedules.exponential import Exponential
from gdexp.schedules.linear_warmup import LinearWarmup

pytestmark = pytest.mark.filterwarnings("error")

SCHEDULES = discover("gdexp.schedules", Schedule)
COUNTS = np.arange(0, 60, dtype=np.int32)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def warmup(warmup_steps, init_value):
    line = optax.linear_schedule(init_value, 1.0, warmup_steps)
    return optax.join_schedules([line, optax.constant_schedule(1.0)], [warmup_steps])


CASES = [
    (Constant(), optax.constant_schedule(1.0)),
    (Exponential(10.0, 0.5), optax.exponential_decay(1.0, 10, 0.5)),
    (Exponential(7.0, 0.9, 20.0), optax.exponential_decay(1.0, 7, 0.9, 20)),
    (Exponential(7.0, 1.1, -5.0), optax.exponential_decay(1.0, 7, 1.1, -5)),
    (Exponential(0.0, 0.5), optax.exponential_decay(1.0, 0, 0.5)),
    (Exponential(10.0, 0.0), optax.exponential_decay(1.0, 10, 0.0)),
    (Cosine(40.0), optax.cosine_decay_schedule(1.0, 40)),
    (Cosine(40.0, 0.1), optax.cosine_decay_schedule(1.0, 40, 0.1)),
    (Cosine(25.0, 0.2, 1.7), optax.cosine_decay_schedule(1.0, 25, 0.2, 1.7)),
    (LinearWarmup(20.0), optax.warmup_constant_schedule(0.0, 1.0, 20)),
    (LinearWarmup(20.0, 0.3), warmup(20, 0.3)),
    (LinearWarmup(1.0), warmup(1, 0.0)),
    (LinearWarmup(0.0), warmup(0, 0.0)),
]


@pytest.mark.parametrize("ours, optaxs", CASES, ids=[repr(c[0]) for c in CASES])
def test_equals_optax(ours, optaxs):
    fields = card_of(type(ours)).keys()
    numbers = {key: np.array(getattr(ours, key)) for key in fields}

    traced = jax.jit(jax.vmap(lambda t, n: type(ours)(**n)(t), in_axes=(0, None)))(COUNTS, numbers)

    expected = np.array([optaxs(float(t)) for t in COUNTS])  # of an int32 optax makes a float32
    np.testing.assert_allclose(traced, expected, rtol=1e-12, atol=1e-12)
    plain = np.array([ours(t) for t in COUNTS])  # outside any jit too
    np.testing.assert_allclose(plain, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_field_is_an_axis(name):
    card = card_of(SCHEDULES[name])
    assert all(type(value) is float for value in card.values())
    rows = [card, *({**card, key: value + 0.5} for key, value in card.items())]
    lanes = {key: np.array([row[key] for row in rows]) for key in card}

    def path(numbers):
        return jax.vmap(lambda t: jnp.asarray(SCHEDULES[name](**numbers)(t)))(COUNTS)

    batched = jax.jit(jax.vmap(path, axis_size=len(rows)))(lanes)

    assert batched.shape == (len(rows), len(COUNTS))
    assert np.isfinite(batched).all()
    assert all(not np.array_equal(row, batched[0]) for row in batched[1:])


@pytest.mark.parametrize("name", SCHEDULES)
def test_says_what_it_is(name):
    assert SCHEDULES[name].formula and SCHEDULES[name].__doc__
