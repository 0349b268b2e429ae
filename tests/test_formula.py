"""formula.py: what a formula means, against Python's own arithmetic, and what is refused."""

from __future__ import annotations

import itertools
import math
import operator
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import sifted
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from gdexp import formula
from gdexp.base import UsageError
from gdexp.formula import parse

pytestmark = pytest.mark.filterwarnings("error")
EPS = float(np.finfo(np.float64).eps)


@pytest.fixture(scope="module", autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def refusal(text: Any, **names: Any) -> str:
    """The message that refuses a text; no warning may come with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UsageError) as caught:
            parse(text, **names)
    return str(caught.value)


def pointed_at(message: str) -> str:
    """What the caret of a message points at; empty text at the end of the formula."""
    said, shown, caret = message.split("\n")
    assert 0 < len(said) <= 120
    assert len(shown) <= 2 + formula.WIDTH + 6
    assert re.fullmatch(r"  +\^", caret)
    return shown[len(caret) - 1 :]


# What a formula means


class Node(NamedTuple):
    """A random expression: how it is typed, and how Python computes it."""

    text: str
    binds: int  # 0 sum, 1 product, 2 sign, 3 power, 4 atom
    value: Callable[[dict[str, float]], tuple[float, float]]  # value and a bound on its rounding


def spread(function: Callable[..., float], arguments: Sequence[Node], ulps: float) -> Any:
    """Carries rounding through a function: all corners of what its arguments may be."""

    def value(point: dict[str, float]) -> tuple[float, float]:
        pairs = [argument.value(point) for argument in arguments]
        middle = function(*(v for v, _ in pairs))
        corners = itertools.product(*({v - e, v, v + e} for v, e in pairs))
        reach = max(abs(function(*corner) - middle) for corner in corners)
        return middle, 2 * reach + ulps * EPS * abs(middle)

    return value


def wrapped(node: Node, least: int) -> str:
    return node.text if node.binds >= least else f"({node.text})"


def binary(symbol: str, left: Node, right: Node, space: str) -> Node:
    function, binds = {
        "+": (operator.add, 0),
        "-": (operator.sub, 0),
        "*": (operator.mul, 1),
        "/": (operator.truediv, 1),
    }[symbol]
    text = f"{wrapped(left, binds)}{space}{symbol}{space}{wrapped(right, binds + 1)}"
    return Node(text, binds, spread(function, [left, right], 1))


def signed(sign: str, node: Node) -> Node:
    function = operator.neg if sign == "-" else operator.pos
    return Node(sign + wrapped(node, 2), 2, spread(function, [node], 0))


def power(node: Node, exponent: int) -> Node:
    text = f"{wrapped(node, 4)}**{exponent}"
    return Node(text, 3, spread(lambda v: v**exponent, [node], 2 + 2 * abs(exponent)))


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


CALLS = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "arcsin": math.asin,
    "acos": math.acos,
    "arccos": math.acos,
    "atan": math.atan,
    "arctan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "asinh": math.asinh,
    "arcsinh": math.asinh,
    "acosh": math.acosh,
    "arccosh": math.acosh,
    "atanh": math.atanh,
    "arctanh": math.atanh,
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "ln": math.log,
    "log1p": math.log1p,
    "log2": math.log2,
    "log10": math.log10,
    "sqrt": math.sqrt,
    "cbrt": lambda v: math.copysign(math.exp(math.log(abs(v)) / 3), v),
    "abs": abs,
    "sign": lambda v: float(np.sign(v)),
    "sigmoid": sigmoid,
    "erf": math.erf,
    "atan2": math.atan2,
    "arctan2": math.atan2,
    "hypot": math.hypot,
    "min": min,
    "max": max,
    "minimum": min,
    "maximum": max,
}
TWO = {"atan2", "arctan2", "hypot"}
MANY = {"min", "max", "minimum", "maximum"}


def called(name: str, arguments: Sequence[Node], space: str) -> Node:
    inside = f",{space}".join(argument.text for argument in arguments)
    return Node(f"{name}({space}{inside})", 4, spread(CALLS[name], arguments, 64))


def number(value: float) -> Node:
    return Node(repr(value), 4, lambda point: (float(value), 0.0))


def variable(name: str) -> Node:
    return Node(name, 4, lambda point: (point[name], 0.0))


NAMES = ("x", "y", "z2")
SPACE = st.sampled_from(["", " ", "\n\t "])
LEAVES = st.one_of(
    st.sampled_from(NAMES).map(variable),
    st.sampled_from(NAMES).map(variable),
    st.integers(0, 12).map(number),
    st.floats(1e-3, 1e3).map(number),
    st.just(Node("pi", 4, lambda point: (math.pi, 0.0))),
)


def arithmetic(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(signed, st.sampled_from("+-"), inner),
        st.builds(power, inner, st.integers(-4, 6)),
        st.builds(binary, st.sampled_from("+-*/"), inner, inner, SPACE),
    )


def calls(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    one = st.sampled_from(sorted(CALLS.keys() - TWO - MANY))
    two = st.sampled_from(sorted(TWO))
    many = st.sampled_from(sorted(MANY))
    return st.one_of(
        st.builds(called, one, st.tuples(inner), SPACE),
        st.builds(called, two, st.tuples(inner, inner), SPACE),
        st.builds(called, many, st.lists(inner, min_size=2, max_size=3), SPACE),
        arithmetic(inner),
    )


def trees(grow: Any, levels: int) -> st.SearchStrategy[Node]:
    inner = LEAVES
    for _ in range(levels):
        inner = st.one_of(grow(inner), grow(inner), inner)
    return grow(inner)


ARITHMETIC = trees(arithmetic, 4)
EXPRESSIONS = trees(calls, 2)
POINTS = st.fixed_dictionaries({name: st.floats(-4, 4, allow_subnormal=False) for name in NAMES})


def check_value(node: Node, point: dict[str, float]) -> None:
    if not re.search(r"\b(x|y|z2)\b", node.text):
        node = binary("+", node, variable("x"), " ")
    try:
        wanted, bound = node.value(point)
    except (ArithmeticError, ValueError, TypeError):
        assume(False)
    assume(abs(wanted) < 1e100)
    assume(bound <= 1e-9 * max(1.0, abs(wanted)))  # else the formula itself is ill-conditioned
    read = parse(node.text, variables=NAMES)
    value = read(np.array([point[name] for name in NAMES]))
    assert value.shape == ()
    assert value.dtype == np.float64
    assert abs(float(value) - wanted) <= max(bound, 1e-12 * abs(wanted), 1e-290)


@settings(max_examples=300, deadline=None)
@given(ARITHMETIC, POINTS)
def test_arithmetic_is_pythons(node: Node, point: dict[str, float]) -> None:
    check_value(node, point)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(EXPRESSIONS, POINTS)
def test_functions_are_pythons(node: Node, point: dict[str, float]) -> None:
    check_value(node, point)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_each_function_alike_for_constants_and_for_points(name: str) -> None:
    assert set(CALLS) == set(formula.FUNCTIONS)
    values = [1.5, 0.7, 2.25] if name.endswith("cosh") else [0.375, -0.7, 0.5]
    values = values[: 2 if name in TWO else 3 if name in MANY else 1]
    wanted = CALLS[name](*values)
    folded = parse(f"0*x + {name}({', '.join(map(repr, values))})")
    assert len(folded.program) == 5
    assert float(folded([1.0])) == pytest.approx(wanted, rel=1e-12)
    letters = "abc"[: len(values)]
    free = parse(f"{name}({','.join(letters)})", variables=letters)
    assert float(free(values)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("x", [-800.0, -1.0, 0.0, 800.0])
def test_constants_keep_extreme_values(x: float) -> None:
    assert float(parse(f"sigmoid({x}) + 0*x")([1.0])) == float(jax.nn.sigmoid(x))
    assert float(parse(f"sign({x}) + 0*x")([1.0])) == np.sign(x)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("-x**2", -9.0),
        ("(-x)**2", 9.0),
        ("2**x**2", 512.0),
        ("(2**x)**2", 64.0),
        ("2**-x", 0.125),
        ("x - 2 - 3", -2.0),
        ("x/2/3", 0.5),
        ("12/x*2", 8.0),
        ("x--x", 6.0),
        ("x**0.5*x**.5", 3.0),
        ("+x + 1. + 1e0 + 1E+0 + 10e-1", 7.0),
        ("e*x/e", 3.0),
        ("log(e**x)", 3.0),
        (" x\n + 1\t", 4.0),
        ("x", 3.0),
        ("x**0", 1.0),
        ("x**-1*3", 1.0),
        ("min(x, 5, 1) + max(x, 4)", 5.0),
    ],
)
def test_values(text: str, wanted: float) -> None:
    assert float(parse(text)([3.0])) == pytest.approx(wanted, rel=1e-15)


@given(st.floats(1e-100, 1e3), st.booleans())
@settings(max_examples=50, deadline=None)
def test_squares_are_products_in_bits(size: float, positive: bool) -> None:
    x = size if positive else -size
    point = jnp.array([x])
    assert parse("x**2")(point) == point[0] * point[0]
    assert float(jax.grad(parse("x**2"))(point)[0]) == 2 * x


def test_powers_have_gradients_at_zero_and_below() -> None:
    zero, below = jnp.zeros(1), -jnp.ones(1)
    assert jax.grad(parse("x**1"))(zero) == 1
    assert jax.grad(parse("x**0"))(zero) == 0
    assert jax.grad(parse("x**3"))(below) == 3
    assert jax.grad(parse("x**101"))(below) == 101
    assert jax.grad(parse("x**-3"))(below) == -3
    assert jax.hessian(parse("x**4"))(zero) == 0


def instructions(text: str) -> list[tuple[str, Any]]:
    return [tuple(step) for step in parse(text).program]


def test_program_is_flat_folded_and_literal() -> None:
    assert instructions("x + 2*3") == [("variable", 0), ("number", 6.0), ("+", 2)]
    assert instructions("x**64") == [("variable", 0), ("power", 64)]
    assert instructions("x**-(60+4)") == [("variable", 0), ("power", -64)]
    assert instructions("x**65") == [("variable", 0), ("number", 65.0), ("**", 2)]
    assert instructions("x**2.5") == [("variable", 0), ("number", 2.5), ("**", 2)]
    assert instructions("2**x") == [("number", 2.0), ("variable", 0), ("**", 2)]
    assert instructions("x**0.5") == [("variable", 0), ("sqrt", 1)]
    for step in parse("x + 7**2 + 3 + cos(pi) + min(1, 2)").program:
        assert step.action != "number" or type(step.operand) is float


SMOOTH = [
    "x**2 + 3*y**2",
    "(1 - x)**2 + 100*(y - x**2)**2",
    "sin(x)*cos(y) + exp(-x**2 - y**2)",
    "x**y + y**x",
    "hypot(x, y) + atan2(y, x) + log1p(x*y)",
    "sigmoid(x) - erf(y) + tanh(x/y) + cbrt(x) + x**1.5 + sqrt(y)",
    "max(x, 2*y, 0.1) + min(x, y) + abs(x - 3) + sign(y)*x",
    "log2(x) + log10(y) + expm1(x) + asinh(x) + acosh(1 + y) + atanh(x/9)",
]


@pytest.mark.parametrize("text", sifted(SMOOTH, 3))
def test_gradients_are_finite_differences(text: str) -> None:
    read = parse(text)
    point = np.array([0.8, 1.3])
    step = 1e-6
    wanted = [
        float(read(point + step * axis) - read(point - step * axis)) / (2 * step)
        for axis in np.eye(2)
    ]
    np.testing.assert_allclose(jax.grad(read)(jnp.array(point)), wanted, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("text", sifted(SMOOTH, 3))
def test_traces_under_every_transform_without_promotion(text: str) -> None:
    read = parse(text)
    points = jnp.array([[0.8, 1.3], [0.2, 2.0], [1.0, 1.0]])
    each = [float(read(point)) for point in points]
    np.testing.assert_allclose(jax.jit(jax.vmap(read))(points), each, rtol=1e-13)
    assert np.isfinite(jax.jit(jax.hessian(read))(points[0])).all()
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        for dtype in (jnp.float64, jnp.float32, jnp.bfloat16):
            value = jax.eval_shape(read, points[0].astype(dtype))
            assert (value.shape, value.dtype, value.weak_type) == ((), dtype, False)


@pytest.mark.parametrize("x", [(1.0, 2.0), [1, 2], np.array([1.0, 2.0]), np.array([1, 2])])
def test_takes_any_sequence_of_scalars(x: Any) -> None:
    value = parse("x/y")(x)
    assert value == 0.5
    assert (value.shape, value.dtype) == ((), jnp.float64)


def test_takes_traced_scalars() -> None:
    value = jax.jit(lambda x, y, a: parse("a*x/y", parameters=["a"])((x, y), a=a))
    assert value(jnp.float32(1), jnp.float32(2), 3.0).dtype == jnp.float32
    assert value(1.0, 2.0, 3) == 1.5


def test_counts_what_it_is_given() -> None:
    read = parse("a*x", parameters=["a"])
    with pytest.raises(ValueError, match="x holds 2 numbers"):
        read([1.0, 2.0], a=1.0)
    for wrong in ({}, {"b": 1.0}, {"a": 1.0, "b": 1.0}):
        with pytest.raises(TypeError, match="parameters are a"):
            read([1.0], **wrong)


# Names


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("y + x", ("y", "x")),
        ("b*(a + c)**a", ("b", "a", "c")),
        ("c**b**a + d", ("c", "b", "a", "d")),
        ("x10 + x2 + x0", ("x0", "x2", "x10")),
        ("x2 + x1 + y", ("x2", "x1", "y")),
        ("x2 + x1*pi", ("x1", "x2")),
        ("sin(v)*u + w_1 + Q", ("v", "u", "w_1", "Q")),
        ("E + x", ("E", "x")),
        ("cosh1 + mini", ("cosh1", "mini")),
    ],
)
def test_variables_are_ordered_as_in_the_text(text: str, wanted: tuple[str, ...]) -> None:
    assert parse(text).variables == wanted


def test_variables_may_be_given() -> None:
    read = parse("y - x", variables=["x", "y", "unused"])
    assert read.variables == ("x", "y", "unused")
    assert read([1.0, 5.0, 100.0]) == 4.0
    assert list(jax.grad(read)(jnp.ones(3))) == [-1.0, 1.0, 0.0]
    message = refusal("velocty + position", variables=["position", "velocity"])
    assert "unknown name 'velocty': did you mean velocity?" in message
    assert pointed_at(message) == "velocty + position"
    assert "there are position, velocity" in refusal("q", variables=["position", "velocity"])


def test_parameters() -> None:
    read = parse("(a - x)**2 + b*(y - x**2)**2", parameters=["b", "a"])
    assert (read.variables, read.parameters) == (("x", "y"), ("b", "a"))
    assert read([0.0, 2.0], a=1.0, b=100.0) == 401.0
    assert jax.grad(lambda a: read([0.0, 2.0], a=a, b=1.0))(3.0) == 6.0
    both = jax.vmap(lambda a: read(jnp.zeros(2), a=a, b=1.0))(jnp.arange(3.0))
    assert list(both) == [0.0, 1.0, 4.0]
    assert read(jnp.zeros(2, jnp.float32), a=np.float64(1), b=jnp.float64(1)).dtype == jnp.float32
    assert parse("x*self", parameters=["x"])([2.0], x=3.0) == 6.0


def test_pi_and_e_are_numbers_unless_named() -> None:
    assert parse("pi*x + e").variables == ("x",)
    assert parse("pi*x + e", variables=["pi", "x"]).variables == ("pi", "x")
    assert parse("pi*x + e", parameters=["e"])([0.0], e=7.0) == 7.0


def test_equal_formulas_are_equal_and_hash() -> None:
    assert parse("x + 1") == parse("x + 1")
    assert len({parse("x + 1"), parse("x + 1"), parse("x + 1", variables=["x", "y"])}) == 2


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"parameters": ["b"]}, "parameter b is not in the formula"),
        ({"parameters": ["a"], "variables": ["x", "a"]}, "a is named twice"),
        ({"variables": ["x", "x"]}, "x is named twice"),
        ({"variables": ["sin"]}, "sin is a function"),
        ({"parameters": ["ln"]}, "ln is a function"),
        ({"parameters": ["lambda"]}, "'lambda' cannot be a name"),
        ({"parameters": ["None"]}, "'None' cannot be a name"),
        ({"variables": ["nan"]}, "'nan' cannot be a name"),
        ({"variables": ["x.y"]}, "'x.y' cannot be a name"),
        ({"variables": ["\ud800\n"]}, r"'\ud800\n' cannot be a name"),
        ({"variables": ["_x"]}, "'_x' cannot be a name"),
        ({"variables": [""]}, "'' cannot be a name"),
        ({"variables": [3]}, "3 cannot be a name"),
    ],
)
def test_refuses_names(names: dict[str, Any], says: str) -> None:
    message = refusal("a*x", **names)
    assert message.startswith(says)
    assert "\n" not in message


# What is refused, where it points, and what it says

REFUSED = [
    # the mistakes of every day: text, from where the caret points on, what the answer holds
    ("x^2", "^2", "x**2"),
    ("x²", "²", "x**2"),
    ("2x", "x", "2*x"),
    ("2 x", "x", "2*x"),
    ("3(x)", "(x)", "3*(...)"),
    ("(x)(y)", "(y)", "(...)*(...)"),
    ("(x)2", "2", "(...)*2"),
    ("x y", "y", "x*y"),
    ("x(x + 1)", "x(x + 1)", "x*(...)"),
    ("pi(x)", "pi(x)", "pi*(...)"),
    ("sine(x)", "sine(x)", "did you mean sin?"),
    ("1 + Sqrt(x)", "Sqrt(x)", "did you mean sqrt?"),
    ("frobnicate(x)", "frobnicate(x)", "unknown function"),
    ("pow(x, 2)", "pow(x, 2)", "x**2"),
    ("sin", "sin", "sin(x)"),
    ("x + sinx", "sinx", "sin(x)"),
    ("t + cost", "cost", "cos(t)"),
    ("np.sin(x)", ".sin(x)", "not np.sin(x)"),
    ("y = x**2", "= x**2", "right of it"),
    ("f(x) = x", "= x", "right of it"),
    ("0,5*x", ",5*x", "0.5"),
    ("x % 2", "% 2", "gradient"),
    ("x // 2", "// 2", "gradient"),
    ("floor(x)", "floor(x)", "gradient"),
    ("|x|", "|x|", "abs(x)"),
    ("x[0]", "[0]", "x0"),
    ("{x}", "{x}", "( )"),
    ("π*x", "π*x", "pi"),
    ("2×x", "×x", "2*x"),
    ("x − 1", "− 1", "minus"),
    ("√x", "√x", "sqrt(x)"),
    ("", "", "missing"),
    (" \n\t", "", "missing"),
    ("x +", "", "missing"),
    ("x + * y", "* y", "before '*'"),
    ("sin()", ")", "missing"),
    ("(x", "(x", "never closed"),
    ("x)", ")", "closes nothing"),
    ("sin(x, y)", "sin(x, y)", "1 value, not 2"),
    ("atan2(x)", "atan2(x)", "2 values, not 1"),
    ("1 + max(x)", "max(x)", "2 or more values, not 1"),
    ("min(x,)", ")", "missing"),
    ("(x, y)", ", y)", "commas"),
    ("x, y", ", y", "commas"),
    ("3 + pi", "3 + pi", "needs a variable"),
    # numbers
    ("1e999", "1e999", "too large"),
    ("x + " + "9" * 400, "9" * 56 + "...", "too large"),
    ("0x10 + x", "x10 + x", "decimal"),
    ("x + 007", "07", "decimal"),
    ("1_000*x", "_000*x", "1000"),
    ("x + 1j", "j", "real"),
    ("inf*x", "inf*x", "'inf'"),
    ("x + nan", "nan", "'nan'"),
    ("x + 1/0", "/0", "finite"),
    ("x + (1)/(0)", "/(0)", "finite"),
    ("x + log(-1)", "log(-1)", "finite"),
    ("x + 0**-1", "**-1", "finite"),
    ("x*sqrt(-1)", "sqrt(-1)", "finite"),
    ("x + (-8)**(1/3)", "**(1/3)", "finite"),
    ("x + 10**400", "**400", "finite"),
    ("x + 1e308*10", "*10", "finite"),
    ("x + exp(710)", "exp(710)", "finite"),
    ("9**9**9*x", "**9**9*x", "finite"),
    ("x + 9**9**9**9**9", "**9**9", "2 powers"),
    # attacks
    ("x.__class__", ".__class__", "attributes"),
    ("__import__('os')", "__import__('os')", "begin with a letter"),
    ("().__class__.__bases__", ".__class__.__bases__", "attributes"),
    ("getattr(x, y)", "getattr(x, y)", "unknown function"),
    ("eval(x)", "eval(x)", "unknown function"),
    ("[x for x in y]", "[x for x in y]", "subscripts"),
    ("(x for x in y)", "for x in y)", "'for'"),
    ("lambda: 0", "lambda: 0", "'lambda'"),
    ("f'{x}'", "'{x}'", "quotes"),
    ('x + "a"', '"a"', "quotes"),
    ("x if x else y", "if x else y", "'if'"),
    ("x and y", "and y", "'and'"),
    ("1and x", "and x", "'and'"),
    ("0x1for x in y", "in y", "'in'"),
    ("not x", "not x", "'not'"),
    ("x is y", "is y", "'is'"),
    ("await x", "await x", "'await'"),
    ("(yield x)", "yield x)", "'yield'"),
    ("True", "True", "'True'"),
    ("x + None", "None", "'None'"),
    ("...", "...", "attributes"),
    ("(x := 1)", ":= 1)", "':'"),
    ("x == y", "== y", "'='"),
    ("x < y", "< y", "comparisons"),
    ("x != y", "!= y", "'!'"),
    ("sin(x=1)", "=1)", "'='"),
    ("sin(*x)", "*x)", "missing"),
    ("sin(**x)", "**x)", "missing"),
    ("*x", "*x", "missing"),
    ("x @ y", "@ y", "'@'"),
    ("~x", "~x", "'~'"),
    ("x << y", "<< y", "comparisons"),
    ("x; y", "; y", "';'"),
    ("x # y", "# y", "'#'"),
    ("x \\\n + y", "\\  + y", "'\\\\'"),
    ("x\nimport os", "import os", "'import'"),
    ("x\n\nx = 1", "= 1", "right of it"),
    ("x\r+ y", "?+ y", "'\\r'"),
    ("x\f", "?", "'\\x0c'"),
    ("x\0", "?", "'\\x00'"),
    ("x\x1b[31m", "?[31m", "'\\x1b'"),
    ("x + 😀", "?", "'\\U0001f600'"),
    ("\N{CYRILLIC SMALL LETTER HA} + 1", "? + 1", "'\\u0445'"),
    ("x\N{NO-BREAK SPACE}+ 1", "?+ 1", "'\\xa0'"),
    ("\N{FULLWIDTH LATIN SMALL LETTER X}", "?", "'\\uff58'"),
    ("x + \ud800", "?", "'\\ud800'"),
    ("\ufeffx", "?x", "'\\ufeff'"),
]


@pytest.mark.parametrize(("text", "rest", "says"), REFUSED)
def test_refuses_and_points(text: str, rest: str, says: str) -> None:
    message = refusal(text)
    assert says in message.split("\n")[0]
    assert pointed_at(message) == rest


def test_long_formulas_are_shown_in_part() -> None:
    text = "x + " * 200 + "tann(x)" + " + x" * 200
    message = refusal(text)
    assert pointed_at(message).startswith("tann(x) + x")
    shown = message.split("\n")[1].strip()
    assert shown.startswith("...")
    assert shown.endswith("...")
    assert shown.strip(".") in text


# Limits: the largest that is read, and the smallest that is not


def nested(text: str, levels: int) -> str:
    return "(" * levels + text + ")" * levels


LIMITS = [
    (lambda n: "x" + " " * (n - 1), formula.MAX_LENGTH, "4096 characters"),
    (lambda n: nested("x", n), formula.MAX_NESTING, "nested too deep"),
    (lambda n: "-" * n + "x", formula.MAX_NESTING, "nested too deep"),
    (lambda n: "sin(" * n + "x" + ")" * n, formula.MAX_NESTING, "nested too deep"),
    (lambda n: "x**" + "-" * (n - 1) + "x", formula.MAX_NESTING, "nested too deep"),
    (lambda n: nested("-x", n - 1), formula.MAX_NESTING, "nested too deep"),
    (lambda n: "**".join(["x"] * (n + 1)), formula.MAX_TOWER, "2 powers"),
    (lambda n: "x**(1 + sin(" * n + "x" + "))" * n, formula.MAX_TOWER, "2 powers"),
    (lambda n: "+" * (n % 2) + "x" + "+x" * ((n - 1) // 2), formula.MAX_INSTRUCTIONS, "too long"),
]


@pytest.mark.parametrize(("make", "limit", "says"), LIMITS)
def test_limits(make: Callable[[int], str], limit: int, says: str) -> None:
    parse(make(limit))
    message = refusal(make(limit + 1))
    assert says in message
    pointed_at(message)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4096,
        "(" * 4097,
        nested("x", 2048),
        "-" * 3000 + "x",
        "-" * 4096,
        "**".join(["x"] * 1365),
        "**-".join(["x"] * 1000),
        "x**" + "*(x)**".join(["(x)"] * 500) + "**(x)" * 65,
        "sin(" * 1024,
        "f" + "()" * 2000,
        "x" + ".x" * 2000,
        "+".join(["x"] * 2048),
        "x" * 10_000_000,
        "9" * 4096,
        "0." + "9" * 4094,
        "9**" * 1365 + "9",
        "x + " + "*".join(["9e99"] * 100),
        "," * 4096,
        "[" * 4096,
        "{" * 4096,
        "\\\n" * 2048,
        "'" * 4095,
        "x" + " " * 5000,
    ],
)
def test_floods_are_refused(text: str) -> None:
    pointed_at(refusal(text))


def test_long_sums_are_read_and_run() -> None:
    read = parse("+".join(["x"] * 1500))
    assert read([2.0]) == 3000.0
    assert parse("-".join(["1"] * 1499) + "*x")([1.0]) == -1497.0
    assert parse("min(" + ", ".join(["x"] * 1300) + ")")([2.0]) == 2.0
    assert parse("x" + " + x**2" * 500)([1.0]) == 501.0
    horner = parse("1 + x*(" * 60 + "1" + ")" * 60)
    assert horner([1.0]) == 61.0


def test_python_names_open_nothing() -> None:
    """Without a call there is nothing to reach: such names are variables like any other."""
    assert parse("eval + exec*open").variables == ("eval", "exec", "open")


@pytest.mark.parametrize(
    "text",
    [
        "x.y",
        "x[0]",
        "x @ y",
        "lambda: 0",
        "'a'",
        "True",
        "1j",
        "x < 1",
        "sin(x, y=1)",
        "sin(*x)",
        "sin(x=x)",
    ],
)
def test_the_walk_accepts_nothing_the_reader_missed(text: str) -> None:
    with pytest.raises(UsageError):
        formula._compile(text, {"x": formula.Instruction("variable", 0)})


# Any text at all

FRAGMENTS = st.sampled_from(
    [*"xyab0129.+-*/()^%,=<>[]{}'\"\\;:@~&|!?#$_ \t\n\r\0éπ²😀\ud800", "**", "//", ":=", "==", "->"]
    + ["sin(", "max(", "sin", "pi", "e", "1e5", "1e-5", "1e999", "0x1f", "1_0", "2j", "x0", "x1"]
    + ["lambda", "if", "else", "for", "in", "and", "not", "None", "import", "yield", "f'", '"""']
    + ["__class__", "eval(", "(x)", "(1)", "**2", "**-1", "1/0", "log(", "-1", "x" * 40, "((((((("]
)
SOUP = st.lists(FRAGMENTS, max_size=40).map("".join)
SENSIBLE = st.lists(
    st.sampled_from([*"xyz0123+-*/()(),", "**", "sin(", "min(", "atan2(", " ", "1e9", "e", ".5"]),
    max_size=25,
).map("".join)
LISTED = st.none() | st.lists(st.sampled_from(["x", "y", "x0", "pi", "sin", "", "é"]), max_size=3)


def check_any(text: str, variables: list[str] | None, parameters: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read = parse(text, variables=variables, parameters=parameters)
        except UsageError as refused:
            said, *shown = str(refused).split("\n")
            assert len(said) <= 120
            if shown:
                pointed_at(str(refused))
            return
    assert read.variables
    assert read.text == text
    kinds = {"number", "variable", "parameter", "power", *formula.OPERATORS, *formula.FUNCTIONS}
    assert {step.action for step in read.program} <= kinds
    assert len(read.program) <= formula.MAX_INSTRUCTIONS
    fits = all(abs(number) <= float(np.finfo(np.float32).max) for number in read.constants)
    dtype = jnp.float32 if fits else jnp.float64  # dtype=float32 is refused then
    with jax.enable_x64(not fits):
        value = jax.eval_shape(
            lambda x, p: read(x, **p),
            jax.ShapeDtypeStruct((len(read.variables),), dtype),
            dict.fromkeys(read.parameters, 1.0),
        )
    assert (value.shape, value.dtype) == ((), dtype)


@settings(max_examples=600, deadline=None)
@given(st.text(max_size=60))
@example("x" * 4096)
def test_any_text(text: str) -> None:
    check_any(text, None, [])


@settings(max_examples=800, deadline=None)
@given(SOUP, LISTED, LISTED.map(lambda names: names or []))
def test_any_soup(text: str, variables: list[str] | None, parameters: list[str]) -> None:
    check_any(text, variables, parameters)


@settings(max_examples=800, deadline=None)
@given(SENSIBLE)
def test_any_near_formula(text: str) -> None:
    check_any(text, None, [])


@pytest.mark.slow
@settings(max_examples=30_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=300) | SOUP | SENSIBLE, LISTED, LISTED.map(lambda names: names or []))
def test_any_text_at_length(text: str, variables: list[str] | None, parameters: list[str]) -> None:
    check_any(text, variables, parameters)


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(ARITHMETIC | EXPRESSIONS, POINTS)
def test_values_at_length(node: Node, point: dict[str, float]) -> None:
    check_value(node, point)
