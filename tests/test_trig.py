"""Sine and cosine of float32: their constants, their error, their symmetry, what XLA makes of them.

All 2^32 arguments were compared with glibc's float64 once, in a loop compiled with and without FMA:
1 ulp at most, but for those in BEYOND_ONE. What is here samples the same.
"""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from gdexp import trig

LANES = 1024
OURS = {"sin": trig.sin, "cos": trig.cos}
NEAREST = 16367173 * 2.0**72  # the float32 nearest to a multiple of π/2: 2^-29.2 off
BEYOND_ONE = {  # the bits of the positive arguments with an error above 1 ulp: all beyond 2^40
    "sin": [0x543146A6, 0x54B146A6, 0x5C87BCD0, 0x6B9976F1, 0x71F9BE45, 0x772426EB],
    "cos": [0x53B146A6, 0x5C07BCD0, 0x66F0A80A, 0x6D2063C2, 0x79407F54],
}
VECTORISED = {
    *(
        "abs",
        "add",
        "and",
        "bitcast_convert_type",
        "convert_element_type",
        "div",
        "lt",
        "mul",
        "ne",
    ),
    *("or", "select_n", "shift_left", "shift_right_logical", "sub", "xor"),
    "jit",  # of jnp.where: a select_n
}


@jax.jit
def in_a_loop(x):
    """Sine and cosine of [N] arguments as the engine takes them: some lanes at a time, batched."""

    def chunk(i, found):
        part = lax.dynamic_slice(x, (i * LANES,), (LANES,))
        new = jnp.stack([jax.vmap(f)(part) for f in OURS.values()])
        return lax.dynamic_update_slice(found, new, (0, i * LANES))

    return lax.fori_loop(0, x.size // LANES, chunk, jnp.zeros((len(OURS), x.size), x.dtype))


def found(x):
    """name -> the values at x, any number of float32."""
    padded = np.zeros((x.size // LANES + 1) * LANES, np.float32)
    padded[: x.size] = x
    return dict(zip(OURS, np.asarray(in_a_loop(padded))[:, : x.size], strict=True))


def ulps(values, exact):
    """The error in units of the last place of float32 at the exact value."""
    _, exponent = np.frexp(exact)
    return np.abs(values.astype(float) - exact) / np.ldexp(1.0, np.maximum(exponent, -125) - 24)


def of_bits(bits):
    return np.asarray(bits, np.uint32).view(np.float32)


def test_the_words_are_those_of_two_over_pi():
    with mpmath.workprec(400):
        whole = int(mpmath.floor(2 / mpmath.pi * 2**199))
    assert [int(word) for word in trig.TWO_OVER_PI] == [
        whole >> shift & 0xFFFFFFFF for shift in range(192, -1, -32)
    ]


def test_half_pi_is_the_sum_of_a_short_head_and_a_tail():
    head, tail = float(trig.HALF_PI_HEAD), float(trig.HALF_PI_TAIL)
    assert (head * 2**11).is_integer() and 0 < np.pi / 2 - head < 2**-11
    assert abs(np.pi / 2 - head - tail) < 2**-36
    assert abs(np.pi / 2 - float(trig.HALF_PI)) < 2**-24


def test_the_polynomials_are_as_near_as_they_are_said_to_be():
    for r in (mpmath.mpf(i) / 500 for i in range(1, 501)):
        s, c = (sum(float(k) * r ** (2 * i) for i, k in enumerate(p)) for p in (trig.S, trig.C))
        assert abs((r + r**3 * s) / mpmath.sin(r) - 1) < mpmath.mpf(2) ** -31
        assert abs((1 - r**2 / 2 + r**4 * c) / mpmath.cos(r) - 1) < mpmath.mpf(2) ** -29


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("reach", [1e-3, 1, 4, 64, 2**13, 2**24, 1e10, 3e38])
def test_within_an_ulp_over_an_interval(name, reach):
    x = np.linspace(-reach, reach, 50 * LANES).astype(np.float32)
    assert ulps(found(x)[name], getattr(np, name)(x.astype(float))).max() < 1


@pytest.mark.parametrize("name", OURS)
def test_within_an_ulp_at_every_scale(name):
    x = of_bits(np.random.default_rng(0).integers(1 << 23, 255 << 23, 100 * LANES))
    assert ulps(found(x)[name], getattr(np, name)(x.astype(float))).max() < 1


@pytest.mark.parametrize("name", OURS)
def test_relatively_exact_where_it_vanishes(name):
    zeros = (np.arange(1, 20_000) * (np.pi / 2)).astype(np.float32)
    x = of_bits(zeros.view(np.uint32)[:, None] + np.arange(-2, 3).astype(np.uint32)).ravel()
    assert ulps(found(x)[name], getattr(np, name)(x.astype(float))).max() < 1


@pytest.mark.parametrize("name", OURS)
def test_the_worst_of_all_arguments(name):
    x = of_bits(BEYOND_ONE[name])
    with mpmath.workprec(300):
        exact = np.array([float(getattr(mpmath, name)(float(v))) for v in x])
    error = ulps(found(x)[name], exact)
    assert error.max() < 1.5 and x.min() > 2**40


def test_the_argument_nearest_to_a_zero():
    with mpmath.workprec(300):
        exact = np.array([float(mpmath.cos(NEAREST))])
    assert abs(exact[0]) < 2e-9
    assert ulps(found(np.float32([NEAREST]))["cos"], exact)[0] < 0.5


@settings(max_examples=30)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=LANES // 16, max_size=LANES // 16))
def test_any_bits_at_all(bits):
    x = of_bits(bits)
    finite = np.isfinite(x)
    here, there = found(x), found(-x)
    np.testing.assert_array_equal(
        here["sin"].view(np.uint32)[finite] ^ np.uint32(1 << 31),
        there["sin"].view(np.uint32)[finite],
    )
    np.testing.assert_array_equal(here["cos"][finite], there["cos"][finite])
    x = x[finite & (np.abs(x) >= np.finfo(np.float32).tiny)]
    for name, values in found(x).items():
        assert (np.abs(values) <= 1).all()
        assert (ulps(values, getattr(np, name)(x.astype(float))) < 1.5).all()


def test_zeros_denormals_and_what_is_not_finite():
    x = np.float32([0.0, -0.0, 1e-40, -1e-40, np.inf, -np.inf, np.nan])
    values = found(x)
    np.testing.assert_array_equal(values["sin"], [0, 0, 0, 0, *[np.nan] * 3])
    np.testing.assert_array_equal(np.signbit(values["sin"][:4]), [False, True, False, True])
    np.testing.assert_array_equal(values["cos"], [1, 1, 1, 1, *[np.nan] * 3])


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("x64", [False, True])
def test_nothing_in_it_keeps_xla_from_vectorising(name, x64):
    with jax.enable_x64(x64), jax.numpy_dtype_promotion("strict"):
        closed = jax.make_jaxpr(OURS[name])(jnp.ones((2, 3), jnp.float32))
    [out] = closed.out_avals
    assert (out.shape, out.dtype) == ((2, 3), jnp.float32)
    assert {eqn.primitive.name for eqn in closed.eqns} <= VECTORISED
    assert {v.aval.dtype.itemsize for eqn in closed.eqns for v in eqn.outvars} <= {1, 4}


@pytest.mark.parametrize("name", OURS)
def test_two_users_cost_one_evaluation(name):
    def both(x):
        value = OURS[name](x)
        return x - value, value * value

    text = jax.jit(both).lower(jnp.ones(LANES)).compile().as_text()
    assert text.count(" divide(") == 1


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("dtype", ["float16", "int32"])
def test_another_type_is_refused(name, dtype):
    with pytest.raises(TypeError, match=f"float32 only, not of {dtype}"):
        OURS[name](jnp.ones(3, dtype))
