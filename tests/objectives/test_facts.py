"""Every file of gdexp/objectives/ against the facts it states; a new file is tested as it is."""

import dataclasses
import functools
import itertools
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from cases import sifted
from mpmath import mpf

from gdexp.base import Objective, card_of, discover, numbers_of
from gdexp.learning import Learning

OBJECTIVES = discover("gdexp.objectives", Objective)
KINDS = ("minimum", "saddle", "maximum", "degenerate")
STEP = 1e-6  # of one-sided differences
GRAD_TOL = 1e-4  # the default at which a run stops


def dims_of(cls, dims=(1, 2, 3, 5, 10)):
    """The dimensions to test at; one None where the class fixes its own."""
    if "dim" not in card_of(cls):
        return [None]
    return sorted({cls.min_dim, *(d for d in dims if d >= cls.min_dim)})


SMALL = {"mlp": {"hidden": (1,), "held_out": 2}}  # networks whose Hessian is soon computed


def build(cls, dim=None, **numbers):
    small = SMALL.get(cls.__name__.lower(), {})
    return cls(**({} if dim is None else {"dim": dim}), **small, **numbers)


FILES = [pytest.param(name, cls, id=name) for name, cls in OBJECTIVES.items()]
SELDOM = (3, 10)  # dimensions that only the slow tests look at, too
CASES = sifted(
    [
        pytest.param(
            build(cls, dim),
            id=name if dim is None else f"{name}-{dim}",
            marks=pytest.mark.slow if dim in SELDOM and dim != cls.min_dim else (),
        )
        for name, cls in OBJECTIVES.items()
        for dim in dims_of(cls)
    ],
    3,
)
NUMBERED = [
    pytest.param(cls, dim, id=name if dim is None else f"{name}-{dim}")
    for name, cls in OBJECTIVES.items()
    if numbers_of(card_of(cls))
    for dim in dims_of(cls, dims=(3,))
    if build(cls, dim).stationary()
]


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


class Local(NamedTuple):
    """A function around one point, from its own derivatives and from its values nearby."""

    f: np.ndarray  # []
    grad: np.ndarray  # [D]
    hessian: np.ndarray  # [D, D]
    slopes: np.ndarray  # [2D]: one-sided, along each axis and against it

    @property
    def sharpness(self):
        return np.abs(np.linalg.eigvalsh(self.hessian)).max()

    @property
    def cusped(self):
        """Values nearby change faster than they can where a gradient exists and is zero."""
        rounding = 1e-15 * (1 + abs(self.f)) / STEP
        return np.abs(self.slopes).max() > 10 * (STEP * self.sharpness + rounding)

    @property
    def kind(self):
        """By the Hessian's eigenvalues; by the slopes at a cusp, which has no Hessian."""
        if self.cusped:
            signs = set(np.sign(self.slopes))
        else:
            eigenvalues = np.linalg.eigvalsh(self.hessian)
            noise = 1e-9 * self.sharpness
            signs = set(np.where(np.abs(eigenvalues) <= noise, 0, np.sign(eigenvalues)))
        if 0 in signs:
            return "degenerate"
        return "minimum" if signs == {1} else "maximum" if signs == {-1} else "saddle"


def around(f, x):
    """`Local`, traced."""
    sides = STEP * jnp.concatenate([jnp.eye(x.size), -jnp.eye(x.size)])
    here, grad = jax.value_and_grad(f)(x)
    return here, grad, jax.hessian(f)(x), (jax.vmap(f)(x + sides) - here) / STEP


def unbatch(fields):
    return [Local(*map(np.asarray, row)) for row in zip(*fields, strict=True)]


@functools.cache
def explore(objective):
    """`Local` at the start, then at each stationary point: one program an objective."""
    points = jnp.array([objective.start(), *(fact.x for fact in objective.stationary())])
    return unbatch(jax.jit(jax.vmap(functools.partial(around, objective)))(points))


def check(fact, local):
    assert abs(local.f - fact.f) <= 1e-9
    assert np.abs(local.grad).max() <= 1e-13 * (1 + local.sharpness * (1 + np.abs(fact.x).max()))
    assert local.kind == fact.kind


def domain(objective):
    return [np.broadcast_to(end, objective.dim) for end in (objective.low, objective.high)]


def sample(objective, count):
    low, high = domain(objective)
    return np.random.default_rng(0).uniform(low, high, (count, objective.dim))


# Stationary points


@pytest.mark.parametrize("objective", CASES)
def test_stationary_points_are_what_they_are_said_to_be(objective):
    for fact, local in zip(objective.stationary(), explore(objective)[1:], strict=True):
        check(fact, local)


@pytest.mark.parametrize("objective", CASES)
def test_stationary_points_are_distinct_and_inside_the_domain(objective):
    low, high = domain(objective)
    facts = objective.stationary()
    assert len({fact.x for fact in facts}) == len(facts)
    for fact in facts:
        assert len(fact.x) == objective.dim
        assert np.all(low <= fact.x) and np.all(fact.x <= high)
        assert {type(v) for v in (*fact.x, fact.f)} == {float}
        assert fact.kind in KINDS


@pytest.mark.parametrize("objective", CASES)
def test_values_round_to_the_published_digits(objective):
    for fact in objective.stationary():
        if fact.published is not None:
            decimals = len(fact.published.partition(".")[2])
            assert round(fact.f, decimals) == float(fact.published)


@pytest.mark.parametrize("objective", CASES)
def test_no_point_lies_below_the_lowest_known_minimum(objective):
    minima = [fact for fact in objective.stationary() if fact.kind == "minimum"]
    if minima:
        lowest = min(minima, key=lambda fact: fact.f)
        near = lowest.x + np.random.default_rng(1).normal(scale=1e-2, size=(1000, objective.dim))
        points = np.concatenate([sample(objective, 4000), near])
        assert jax.jit(jax.vmap(objective))(points).min() >= lowest.f - 1e-12


@pytest.mark.parametrize(
    "name",
    [
        "double_well",
        "goldfield",
        "goldstein_price",
        "himmelblau",
        "six_hump_camel",
        "styblinski_tang",
        "three_hump_camel",
        "two_wells",
    ],
)
def test_list_of_stationary_points_is_complete(name):
    """The indices of a function that grows on all sides sum to 1 (Morse): none is missing alone."""
    negative = [
        np.sum(np.linalg.eigvalsh(at.hessian) < 0) for at in explore(OBJECTIVES[name]())[1:]
    ]
    assert sum((-1) ** count for count in negative) == 1


@pytest.mark.parametrize("objective", CASES)
def test_a_cusp_is_named_in_the_docstring(objective):
    cusped = any(local.cusped for local in explore(objective)[1:])
    assert cusped == ("cusp" in type(objective).__doc__)


@pytest.mark.parametrize("dim", [1, 2, 10])
def test_the_tip_of_ackley_has_its_slope_on_all_sides_and_a_zero_gradient(dim):
    objective = OBJECTIVES["ackley"](dim=dim)
    tip = explore(objective)[1]
    np.testing.assert_array_equal(tip.grad, 0.0)
    np.testing.assert_allclose(tip.slopes, 20 * 0.2 / np.sqrt(dim), rtol=1e-4)
    gradients = jax.jit(jax.vmap(jax.grad(objective)))
    for dtype in (jnp.float32, jnp.float64):
        near = gradients(jnp.array([[0], [1e-30], [1e-20], [1e-8]], dtype) * jnp.ones(dim, dtype))
        assert np.all(np.isfinite(near)) and np.all(near >= 0)


# Starts and derivatives


@pytest.mark.parametrize("objective", CASES)
def test_start_is_inside_the_domain_and_not_stationary(objective):
    low, high = domain(objective)
    start, local = objective.start(), explore(objective)[0]
    assert len(start) == objective.dim and {type(v) for v in start} == {float}
    assert np.all(low <= start) and np.all(start <= high)
    assert np.isfinite(local.f) and np.all(np.isfinite(local.hessian))
    assert GRAD_TOL < np.linalg.norm(local.grad) < np.inf


@pytest.mark.parametrize("objective", CASES)
def test_gradient_agrees_with_central_differences(objective):
    points, step = sample(objective, 20), 1e-5
    sides = points[:, None, None] + step * np.stack([np.eye(objective.dim), -np.eye(objective.dim)])
    f, grad = map(np.asarray, jax.jit(jax.vmap(jax.value_and_grad(objective)))(points))
    above, below = np.moveaxis(jax.jit(jnp.vectorize(objective, signature="(d)->()"))(sides), 1, 0)
    scale = 1 + np.abs(f)[:, None] + np.abs(grad).max(axis=1, keepdims=True)
    assert np.abs((grad - (above - below) / (2 * step)) / scale).max() < 1e-6


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("objective", CASES)
def test_value_is_a_scalar_of_the_points_dtype(objective, dtype):
    card = dataclasses.asdict(objective)
    traced = dict.fromkeys(numbers_of(card), jax.ShapeDtypeStruct((), dtype))
    x = jax.ShapeDtypeStruct((objective.dim,), dtype)
    program = jax.value_and_grad(lambda x, numbers: dataclasses.replace(objective, **numbers)(x))
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        for numbers in ({}, traced):
            value, grad = jax.eval_shape(program, x, numbers)
            assert (value.shape, value.dtype) == ((), dtype)
            assert (grad.shape, grad.dtype) == (x.shape, dtype)


# Numbers


@pytest.mark.parametrize(("cls", "dim"), sifted(NUMBERED, 8))
def test_numbers_are_traced_and_facts_hold_for_any_of_them(cls, dim):
    defaults = numbers_of(card_of(cls))
    draws = [
        {key: factor * (defaults[key] or 1.0) for key, factor in zip(defaults, row, strict=True)}
        for row in itertools.product((1.0, 0.0, -0.1, -1.0, 3.0), repeat=len(defaults))
    ]
    known = [(draw, fact) for draw in draws for fact in build(cls, dim, **draw).stationary()]
    numbers = {key: jnp.array([draw[key] for draw, _ in known]) for key in defaults}
    points = jnp.array([fact.x for _, fact in known])
    program = jax.jit(jax.vmap(lambda v, x: around(build(cls, dim, **v), x)))
    for (_, fact), local in zip(known, unbatch(program(numbers, points)), strict=True):
        check(fact, local)
    assert all(np.all(np.isfinite(build(cls, dim, **draw).start())) for draw in draws)


# Values, by formulas typed a second time from the sources, in plain mpmath


def _rosenbrock(x, a, b):
    return sum(b * (v - u * u) ** 2 + (a - u) ** 2 for u, v in itertools.pairwise(x))


def _quadratic(x, condition_number, shift):
    last = max(len(x) - 1, 1)
    return sum(condition_number ** (mpf(i) / last) * (u - shift) ** 2 for i, u in enumerate(x)) / 2


def _rastrigin(x, amplitude):
    waves = sum(u * u - amplitude * mpmath.cos(2 * mpmath.pi * u) for u in x)
    return amplitude * len(x) + waves


def _ackley(x, a, b, c):
    funnel = mpmath.exp(-b * mpmath.sqrt(sum(u * u for u in x) / len(x)))
    ripple = mpmath.exp(sum(mpmath.cos(c * u) for u in x) / len(x))
    return -a * funnel - ripple + a + mpmath.e


def _griewank(x):
    product = mpmath.fprod(mpmath.cos(u / mpmath.sqrt(i)) for i, u in enumerate(x, start=1))
    return sum(u * u for u in x) / 4000 - product + 1


def _levy(x):
    w = [1 + (u - 1) / 4 for u in x]
    bowl = sum((u - 1) ** 2 * (1 + 10 * mpmath.sin(mpmath.pi * u + 1) ** 2) for u in w[:-1])
    last = (w[-1] - 1) ** 2 * (1 + mpmath.sin(2 * mpmath.pi * w[-1]) ** 2)
    return mpmath.sin(mpmath.pi * w[0]) ** 2 + bowl + last


def _goldstein_price(x, y):
    first = 19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2
    second = 18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2
    return (1 + (x + y + 1) ** 2 * first) * (30 + (2 * x - 3 * y) ** 2 * second)


def _beale(x, y):
    return sum((mpf(c) - x * (1 - y**i)) ** 2 for i, c in ((1, "1.5"), (2, "2.25"), (3, "2.625")))


def _two_wells(x, y):
    near, far = x**2 + y**2 + 2 * x + 2 * y + 2, x**2 + y**2 - 6 * x - 6 * y + 19
    return near * far


def _linear_map(x):
    predicted = [sum((i + 1) * x[4 * i + j] for i in range(4)) for j in range(4)]
    return sum((p - j - 2) ** 2 for j, p in enumerate(predicted)) / 4


def _linear_regression(x, slope, intercept, noise):
    errors = np.random.default_rng(0).standard_normal(100)
    places = [-5 + mpf(10) * i / 99 for i in range(100)]
    wanted = [slope * p + intercept + noise * mpf(e) for p, e in zip(places, errors, strict=True)]
    return sum((x[0] * p + x[1] - y) ** 2 for p, y in zip(places, wanted, strict=True)) / 100


def _gaussian_nll(x, mean, deviation):
    sample = [mean + deviation * mpf(e) for e in np.random.default_rng(0).standard_normal(100)]
    density = [mpmath.npdf(s, x[0], mpmath.exp(x[1])) for s in sample]
    return -sum(map(mpmath.log, density)) / 100


SECOND = {
    "ackley": _ackley,
    "beale": lambda x: _beale(*x),
    "booth": lambda x: 5 * x[0] ** 2 + 5 * x[1] ** 2 + 8 * x[0] * x[1] - 34 * x[0] - 38 * x[1] + 74,
    "double_well": lambda x: (x[0] ** 4 - 2 * x[0] ** 2 + 1) / 4,
    "gaussian_nll": _gaussian_nll,
    "goldfield": lambda x: 2 * x[0] ** 2 - 4 * x[0] * x[1] + x[1] ** 4 + 2,
    "goldstein_price": lambda x: _goldstein_price(*x),
    "griewank": _griewank,
    "himmelblau": lambda x: (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2,
    "levy": _levy,
    "linear_map": _linear_map,
    "linear_regression": _linear_regression,
    "matyas": lambda x: mpf("0.26") * (x[0] ** 2 + x[1] ** 2) - mpf("0.48") * x[0] * x[1],
    "parabola": lambda x: (x[0] + mpf(3) / 2) ** 2 - mpf(29) / 4,
    "paraboloid": lambda x: x[0] ** 2 - 2 * x[0] + 4 * x[1] ** 2 + 8 * x[1] + 5 + x[0] * x[1] / 2,
    "quadratic": _quadratic,
    "rastrigin": _rastrigin,
    "rosenbrock": _rosenbrock,
    "six_hump_camel": lambda x: (
        (4 * x[0] ** 2 - mpf("2.1") * x[0] ** 4 + x[0] ** 6 / 3 + x[0] * x[1] - 4 * x[1] ** 2)
        + 4 * x[1] ** 4
    ),
    "styblinski_tang": lambda x: sum(u**4 - 16 * u**2 + 5 * u for u in x) / 2,
    "three_hump_camel": lambda x: (
        2 * x[0] ** 2 - mpf("1.05") * x[0] ** 4 + x[0] ** 6 / 6 + x[0] * x[1] + x[1] ** 2
    ),
    "two_wells": lambda x: _two_wells(*x),
    "x2_sin_y": lambda x: x[0] ** 2 * mpmath.sin(x[1]),
}


@pytest.mark.parametrize("name", sifted(SECOND, 3))
def test_value_agrees_with_a_second_formula(name):
    cls = OBJECTIVES[name]
    defaults = numbers_of(card_of(cls))
    changed = {key: value * 0.75 + 0.5 for key, value in defaults.items()}
    for dim, numbers in itertools.product(dims_of(cls, dims=(2, 5)), (defaults, changed)):
        objective = build(cls, dim, **numbers)
        for scale in (1.0, -2.5):
            x = [scale * (-1) ** i * (0.375 + i / 8) for i in range(objective.dim)]
            with mpmath.workdps(40):
                exact = SECOND[name](
                    list(map(mpf, x)), **{key: mpf(value) for key, value in numbers.items()}
                )
            assert float(objective(jnp.array(x))) == pytest.approx(float(exact), rel=1e-12)


# Form


@pytest.mark.parametrize(("name", "cls"), FILES)
def test_file_holds_what_a_reader_needs_and_no_more(name, cls):
    fields = {field.name for field in dataclasses.fields(cls)}
    stated = {key for key in vars(cls) if not key.startswith("_")}
    learning = {"arrays", "held_out_arrays", "losses", "penalty", "outputs", "hits", "initialiser"}
    needed = learning if issubclass(cls, Learning) else set()
    needed |= {
        "formula",
        "blocks",
        "source",
        "dim",
        "min_dim",
        "low",
        "high",
        "start",
        "stationary",
    }
    assert cls.__name__.lower() == name.replace("_", "")
    assert dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen
    assert sys.modules[cls.__module__].__doc__.rstrip().endswith(".")
    assert not cls.__doc__.startswith(f"{cls.__name__}(")  # what dataclasses would write
    assert cls.formula and cls.source
    assert "start" in stated
    assert ("losses" if issubclass(cls, Learning) else "__call__") in vars(cls)
    assert stated <= fields | needed
    assert {type(value) for value in card_of(cls).values()} <= {
        int,
        float,
        bool,
        str,
        tuple,
        type(None),
    }
    assert np.all(np.less(cls.low, cls.high))
