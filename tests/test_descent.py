"""One run: its tests in their order, its norm, what it keeps."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import sifted
from hypothesis import given, settings
from hypothesis import strategies as st

from gdexp import batches, descent, lanes, logs, program, stopping, stream
from gdexp.backend import PLAIN
from gdexp.base import Ends, Reason
from gdexp.descent import Problem, Rules
from gdexp.lanes import Pace
from gdexp.refill import Queue


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def rules(**changed):
    usual = {
        "numbers": np.zeros(0),
        "seed": np.zeros(2, np.uint32),
        "max_steps": np.int32(100),
        "grad_tol": -1.0,
        "f_tol": None,
        "escape_radius": 1e6,
        "max_value": None,
        "targets": np.zeros(0),
    }
    given = {k: None if v is None else jnp.asarray(v) for k, v in (usual | changed).items()}
    squares = program.clear(np.float64, float(given["grad_tol"]))
    return Rules(**given, squares=squares, table=())


def problem(f, rate=0.1):
    return Problem(
        lambda x, numbers, _: f(x[0]),
        lambda numbers, key: optax.with_extra_args_support(optax.sgd(rate)),
        lambda state: 0,
        (),
    )


def descend(f, x0, rate=0.1, **changed) -> Ends:
    """The end of one run, by the loop that a device runs."""
    asked, given = problem(f, rate), rules(**changed)
    words = np.zeros((1, 2), np.uint32)
    queue = Queue(np.array([[x0]]), np.zeros((1, 0)), words, np.int32(0), np.int32(1))
    pace = Pace(np.int32(1000), np.int32(batches.LEAST), stream.FOREVER, np.bool_(False))
    work = lanes.blank(asked, given, queue, 8)
    work = jax.jit(lambda *args: lanes.advance(asked, PLAIN, *args))(given, queue, work, pace)
    _, ends = logs.ends_of(1.0, logs.ended(work))
    return Ends(*(column[0] for column in ends))


def ending(f, x0, rate=0.1, **changed):
    run = descend(f, x0, rate, **changed)
    return Reason(int(run.reason)), int(run.steps)


def step_into(value):
    """A line down from 1 whose values below 0 are `value`, with a gradient that stays 1."""
    return lambda x: jnp.where(x < 0, jnp.where(x < 0, value, 0.0) + x, x)


def bend(x, below):
    """x itself above 0, with the custom gradient `below` under it."""

    @jax.custom_jvp
    def f(x):
        return x

    f.defjvp(lambda p, t: (p[0], t[0] * jnp.where(p[0] < 0, below, 1.0)))
    return f(x)


@pytest.mark.parametrize(
    ("f", "x0", "changed", "expected"),
    sifted(
        [
            (lambda x: jnp.log(x), -1.0, {}, (Reason.INVALID_START, 0)),
            (
                lambda x: jnp.sqrt(x),
                0.0,
                {},
                (Reason.INVALID_START, 0),
            ),  # f is 0, its slope infinite
            (lambda x: x**2, np.inf, {}, (Reason.INVALID_START, 0)),
            (step_into(np.nan), 0.25, {}, (Reason.NONFINITE_VALUE, 3)),
            (step_into(np.inf), 0.25, {}, (Reason.NONFINITE_VALUE, 3)),
            (lambda x: bend(x, np.nan), 0.25, {}, (Reason.NONFINITE_GRADIENT, 3)),
            (lambda x: -(x**2), 1.0, {"rate": 10.0}, (Reason.ESCAPED, 5)),
            (lambda x: -x, 0.0, {"escape_radius": 0.45}, (Reason.ESCAPED, 5)),
            (lambda x: x, 1.0, {"max_value": 0.5}, (Reason.ESCAPED, 0)),
            (lambda x: x**2, 1.0, {"grad_tol": 1.0}, (Reason.GRAD_TOL, 4)),
            (lambda x: x**2, 0.0, {"grad_tol": 1e-4}, (Reason.GRAD_TOL, 0)),
            (
                lambda x: x**2,
                0.0,
                {"grad_tol": -1.0, "max_steps": np.int32(7)},
                (Reason.MAX_STEPS, 7),
            ),
            (lambda x: x**2, 1.0, {"f_tol": 0.5}, (Reason.F_TOL, 1)),
            (lambda x: x, 1.0, {"max_steps": np.int32(0)}, (Reason.MAX_STEPS, 0)),
        ],
        2,
    ),
)
def test_reason_and_steps(f, x0, changed, expected):
    assert ending(f, x0, **changed) == expected


def test_a_point_can_leave_while_value_and_gradient_stay_finite():
    # the slope is −2 up to 1 and 0 from there on: one step lands beyond all numbers
    run = descend(lambda x: -2 * jnp.minimum(x, 1.0), 0.0, rate=1.2e308, escape_radius=np.inf)
    assert Reason(int(run.reason)) == Reason.NONFINITE_POINT
    assert float(run.x[0]) == 0.0


@pytest.mark.parametrize(
    ("changed", "expected"),
    [  # at x0 = 1 of x²: value 1, gradient 2; every test below holds at once
        ({"max_value": 0.5, "grad_tol": 5.0, "max_steps": np.int32(0)}, Reason.ESCAPED),
        ({"grad_tol": 5.0, "max_steps": np.int32(0)}, Reason.GRAD_TOL),
        ({"max_steps": np.int32(0)}, Reason.MAX_STEPS),
    ],
)
def test_the_first_test_that_holds_wins_at_the_start(changed, expected):
    assert ending(lambda x: x**2, 1.0, **changed) == (expected, 0)


def test_the_first_test_that_holds_wins_after_a_step():
    def f(x):  # to 0.8 in one step: value 0.64, gradient 1.6, change 0.36
        return x**2

    every = {"grad_tol": 1.6, "f_tol": 0.4, "max_steps": np.int32(1)}
    assert ending(f, 1.0, **every) == (Reason.GRAD_TOL, 1)
    assert ending(f, 1.0, **every | {"grad_tol": 1.5}) == (Reason.F_TOL, 1)
    assert ending(f, 1.0, **every | {"grad_tol": 1.5, "f_tol": 0.3}) == (Reason.MAX_STEPS, 1)


def test_what_is_kept_is_the_last_state_where_all_is_finite():
    run = descend(step_into(np.nan), 0.25)
    assert float(run.x[0]) == pytest.approx(0.05)
    assert float(run.f) == pytest.approx(0.05)
    assert float(run.grad_norm) == 1.0
    assert float(run.f_best) == pytest.approx(0.05)
    assert int(run.evaluations) == 4


def test_targets_are_stamped_with_the_first_step_at_or_below():
    run = descend(lambda x: x, 1.0, targets=np.array([1.0, 0.75, -5.0]), max_steps=np.int32(10))
    assert run.reached.tolist() == [0, 3, -1]


PLACE = stopping.Place(jnp.int32(0), jnp.int32(1))


def stepped(asked, given, task, run, limit, pause):
    """`run` after one step and a look at it."""
    seen = descent.see(asked, given, task, run)
    run = run._replace(stance=stopping.watch(asked, given, task, run, seen, limit, PLACE))
    run = descent.step(asked, given, task, run, seen, pause)
    return stopping.judge(asked, given, task, run, seen, limit, PLACE)


def test_a_run_that_has_ended_stays_to_the_bit():
    asked, given = problem(lambda x: x**2), rules(grad_tol=1e-3)
    task, run = descent.init(asked, given, jnp.ones(1), jnp.zeros(0), jnp.zeros(2, jnp.uint32))
    step = jax.jit(lambda run: stepped(asked, given, task, run, 100, 100))
    for _ in range(60):
        run, before = step(run), run
    assert run.reason == before.reason == Reason.GRAD_TOL
    for a, b in zip(jax.tree.leaves(run), jax.tree.leaves(before), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_pause_holds_a_run_without_ending_it():
    asked, given = problem(lambda x: x**2), rules(f_tol=0.1)
    task, run = descent.init(asked, given, jnp.ones(1), jnp.zeros(0), jnp.zeros(2, jnp.uint32))
    for _ in range(5):
        run = stepped(asked, given, task, run, 100, 3)
    assert (int(run.steps), int(run.reason)) == (3, Reason.RUNNING)
    assert float(run.x[0]) == pytest.approx(0.8**3)


@pytest.mark.parametrize("tolerance", [1e-30, 1e-14, 1e-5, 3.7, 1e25])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_clearly_above_the_tolerance_is_above_it(dtype, tolerance):
    low, high = program.clear(dtype, tolerance)
    above = np.nextafter(low, dtype(np.inf))
    assert above > high or np.sqrt(np.float64(above)) > dtype(tolerance)


@pytest.mark.slow
def test_a_run_is_judged_where_its_norm_is_not_clear():
    """Squares of this gradient are lost, or overflow, and yet no test holds: it goes on."""
    low, high = 1e-170, 1e170  # squared they are no numbers any more
    assert ending(lambda x: low * x, 1.0, grad_tol=low / 2) == (Reason.MAX_STEPS, 100)
    assert ending(lambda x: low * x, 1.0, grad_tol=low * 2) == (Reason.GRAD_TOL, 0)
    assert ending(lambda x: high * x, 1.0, 1e-171) == (Reason.MAX_STEPS, 100)
    assert ending(lambda x: high * x, 1.0, 1e-171, escape_radius=1.02) == (Reason.ESCAPED, 31)


def norm(values, dtype):
    """By a compiled, batched program: XLA rewrites what it compiles."""
    batch = jnp.tile(jnp.array(values, dtype), (3, 1))
    return np.asarray(NORM(batch))[0]


NORM = jax.jit(jax.vmap(stopping.euclidean))


def floats(width):
    """All finite ones but denormals, which XLA takes for zero."""
    return st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False, width=width)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_norm_is_right_at_every_scale(dtype, data):
    limits = np.finfo(dtype)
    values = data.draw(st.lists(floats(limits.bits), min_size=1, max_size=3))
    exact = sum(Fraction(v) ** 2 for v in values)
    if exact > Fraction(float(limits.max)) ** 2 * Fraction(9, 10):
        return  # at the very edge rounding decides
    got = norm(values, dtype)
    if exact:
        assert abs(Fraction(float(got)) ** 2 / exact - 1) < 16 * float(limits.eps)
    else:
        assert got == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_norm_of_what_is_not_finite_is_not_finite(bad):
    assert not np.isfinite(norm([1.0, bad], np.float32))
    assert not np.isfinite(norm([bad], np.float64))


def test_keys_depend_on_seed_and_number_only():
    def data(seed, number):
        words = [jnp.array(w, jnp.uint32) for w in (seed, number)]
        return tuple(jax.random.key_data(descent.key(*words)).tolist())

    found = [data(s, n) for s in ([0, 0], [0, 1], [1, 0]) for n in ([0, 0], [0, 1], [1, 0])]
    assert len(set(found)) == len(found)
    assert data([0, 1], [0, 1]) == found[4]
