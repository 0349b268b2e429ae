"""Formulas by the thousand: values against exact arithmetic, and texts that are none."""

from __future__ import annotations

import itertools
import random
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import mpmath
import numpy as np
import pytest

from gdexp import formula
from gdexp.base import UsageError

EPS = mpmath.mpf(2) ** -52
DIGITS = 50
WORSE = {"log1p": 128}  # 122 at −0.4142, where two polynomials of XLA meet
ULPS = 64  # by which XLA's other functions may be away: it states none, arctanh(-0.4) is by 24
NAMES = ("x", "y", "z2")
Value = tuple[mpmath.mpf, mpmath.mpf]  # exact, and how far float64 may be from it


class NoValueError(Exception):
    """Where an expression has no value, or none that float64 could tell."""


class Node(NamedTuple):
    """A random expression: how it is typed, and what it is worth."""

    text: str
    binds: int  # 0 sum, 1 product, 2 sign, 3 power, 4 atom
    value: Callable[[dict[str, float]], Value]


def carried(function: Callable[..., mpmath.mpf], arguments: list[Node], ulps: float):
    """A function of what may be away from its exact value: exact, and how far away then."""

    def value(point: dict[str, float]) -> Value:
        pairs = [argument.value(point) for argument in arguments]
        middle = real(function(*(v for v, _ in pairs)))
        corners = itertools.product(*({v - e, v + e} for v, e in pairs))
        reach = max(abs(real(function(*corner)) - middle) for corner in corners)
        if abs(middle) > 1e100 or reach > 1e-9 * max(1, abs(middle)):
            raise NoValueError
        return middle, 2 * reach + ulps * EPS * abs(middle)

    return value


def real(value: mpmath.mpf | mpmath.mpc) -> mpmath.mpf:
    if isinstance(value, mpmath.mpc) or not mpmath.isfinite(value):
        raise NoValueError
    return mpmath.mpf(value)


def cube_root(v: mpmath.mpf) -> mpmath.mpf:
    return mpmath.sign(v) * mpmath.cbrt(abs(v))


def angle(y: mpmath.mpf, x: mpmath.mpf) -> mpmath.mpf:
    """mpmath's zero has no sign, on which the angle depends left of the origin: π or −π."""
    if y == 0 and x <= 0:
        raise NoValueError
    return mpmath.atan2(y, x)


BINARY = {
    "+": (lambda a, b: a + b, 0),
    "-": (lambda a, b: a - b, 0),
    "*": (lambda a, b: a * b, 1),
    "/": (lambda a, b: a / b, 1),
}
SHARED = "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp expm1 log log10 sqrt erf"
ONE = {name: getattr(mpmath, name) for name in [*SHARED.split(), "sign"]}
ONE |= {
    "ln": mpmath.log,
    "log1p": lambda v: mpmath.log(1 + v),
    "log2": lambda v: mpmath.log(v, 2),
    "cbrt": cube_root,
    "abs": abs,
    "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)),
    **{f"arc{name}": getattr(mpmath, f"a{name}") for name in ("sin", "cos", "tan", "sinh", "cosh")},
    "arctanh": mpmath.atanh,
}
SEVERAL = {"atan2": angle, "arctan2": angle, "hypot": mpmath.hypot}
SEVERAL |= dict.fromkeys(["min", "minimum"], min) | dict.fromkeys(["max", "maximum"], max)


def wrapped(node: Node, least: int) -> str:
    return node.text if node.binds >= least else f"({node.text})"


def leaf(chance: random.Random) -> Node:
    kind = chance.randrange(8)
    if kind < 5:
        name = chance.choice(NAMES)
        return Node(name, 4, lambda point: (mpmath.mpf(point[name]), mpmath.mpf(0)))
    if kind == 5:
        return Node("pi", 4, lambda point: (+mpmath.pi, EPS * mpmath.pi))
    if kind == 6:
        return Node("e", 4, lambda point: (+mpmath.e, EPS * mpmath.e))
    text = chance.choice(
        [str(chance.randrange(12)), f"{chance.uniform(0.01, 99):.4g}", ".5", "2e-1"]
    )
    return Node(text, 4, lambda point: (mpmath.mpf(text), EPS * abs(mpmath.mpf(text))))


def expression(chance: random.Random, levels: int) -> Node:
    """A random expression of so many levels at most."""
    if levels == 0 or chance.random() < 0.1:
        return leaf(chance)
    kind, space = chance.randrange(10), chance.choice(["", " ", "  "])
    one = expression(chance, levels - 1)
    if kind < 4:
        symbol = chance.choice("+-*/")
        function, binds = BINARY[symbol]
        other = expression(chance, levels - 1)
        text = f"{wrapped(one, binds)}{space}{symbol}{space}{wrapped(other, binds + 1)}"
        return Node(text, binds, carried(function, [one, other], 1))
    if kind == 4:
        return Node("-" + wrapped(one, 2), 2, carried(lambda v: -v, [one], 0))
    if kind == 5:
        n = chance.randrange(-4, 9)
        return Node(f"{wrapped(one, 4)}**{n}", 3, carried(lambda v: v**n, [one], 2 + 2 * abs(n)))
    if kind == 6:
        name = chance.choice(sorted(SEVERAL))
        other = expression(chance, levels - 1)
        text = f"{name}({one.text},{space}{other.text})"
        return Node(text, 4, carried(SEVERAL[name], [one, other], ULPS))
    name = chance.choice(sorted(ONE))
    return Node(f"{name}({one.text})", 4, carried(ONE[name], [one], WORSE.get(name, ULPS)))


@pytest.mark.parametrize("count", [500, pytest.param(50_000, marks=pytest.mark.slow)])
def test_values_are_those_of_exact_arithmetic(count):
    """Each of so many formulas that have a value, at a point, as far as its own rounding goes."""
    compared, wrong, seed = 0, [], 0
    with jax.enable_x64(True), mpmath.workdps(DIGITS):
        while compared < count:
            chance = random.Random(seed)
            seed += 1
            node = expression(chance, chance.randrange(1, 5))
            point = {name: chance.uniform(-4, 4) for name in NAMES}
            try:
                wanted, bound = node.value(point)
                read = formula.parse(node.text, variables=NAMES)
            except (NoValueError, ZeroDivisionError, ValueError, OverflowError):
                continue  # no value; or, of parse, no variable or a constant that has none
            found = mpmath.mpf(float(read(np.array([point[name] for name in NAMES]))))
            compared += 1
            if not abs(found - wanted) <= max(bound, EPS * abs(wanted), mpmath.mpf("1e-300")):
                wrong.append((node.text, point, float(found), float(wanted), float(bound)))
    assert wrong == []
    assert seed < 4 * count, "most of what is made has a value"


# -- texts of any kind -------------------------------------------------------------------------

PIECES = [*"xyab0129.+-*/()^%,=<>[]{}'\"\\;:@~&|!?#$_ \t\n\r\0éπ²😀", "**", "//", ":=", "==", "->"]
PIECES += [
    "sin(",
    "max(",
    "sin",
    "pi",
    "e",
    "1e5",
    "1e-5",
    "1e999",
    "0x1f",
    "1_0",
    "2j",
    "x0",
    "x1",
]
PIECES += [
    "lambda",
    "if",
    "else",
    "for",
    "in",
    "and",
    "not",
    "None",
    "import",
    "yield",
    "f'",
    '"""',
]
PIECES += [
    "__class__",
    "eval(",
    "(x)",
    "(1)",
    "**2",
    "**-1",
    "1/0",
    "log(",
    "-1",
    "x" * 40,
    "(" * 7,
]
PIECES += [
    "\ud800",
    "\u202e",
    "ｘ",
    "x" * 900,
    "(" * 70,
    "-" * 70,
    "**x" * 3,
    "9" * 400,
    "+x" * 400,
]
LIKELY = [*"xyz0123+-*/()(),", "**", "sin(", "min(", "atan2(", " ", "1e9", "e", ".5"]


def text(chance: random.Random) -> str:
    """A soup of pieces, or an expression with some of its characters changed."""
    kind = chance.randrange(3)
    if kind < 2:
        return "".join(chance.choices([PIECES, LIKELY][kind], k=chance.randrange(1, 30)))
    found = list(expression(chance, chance.randrange(1, 5)).text)
    for _ in range(chance.randrange(3)):
        at = chance.randrange(len(found))
        found[at : at + chance.randrange(2)] = chance.choice(PIECES)
    return "".join(found)


@pytest.mark.parametrize("count", [5_000, pytest.param(2_000_000, marks=pytest.mark.slow)])
def test_any_text_is_a_formula_or_refused_at_once(count):
    """Only `UsageError` is raised, and no text takes long; the slowest are tried again, as a busy
    machine may have been what was slow."""
    slowest: list[tuple[float, int]] = []
    read = 0
    for seed in range(count):
        made = text(random.Random(seed))
        seconds, refused = timed(made)
        read += not refused
        slowest = sorted([*slowest, (seconds, seed)])[-20:]
    again = {
        seed: min(timed(text(random.Random(seed)))[0] for _ in range(3)) for _, seed in slowest
    }
    assert max(again.values()) < 0.05, again
    assert count / 10 < read < count / 2, "some of both"


def timed(made: str) -> tuple[float, bool]:
    """Seconds of this thread to read a text, and whether it was refused."""
    began, refused = time.thread_time(), False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            formula.parse(made)
        except UsageError as error:
            refused = True
            assert len(str(error)) < 400
    return time.thread_time() - began, refused
