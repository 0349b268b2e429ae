"""A formula in text becomes a JAX function of a point.

>>> valley = parse("(1 - x)**2 + a*(y - x**2)**2", parameters=["a"])
>>> valley.variables
('x', 'y')
>>> float(valley([0.0, 2.0], a=100.0))
401.0

Python never runs any of the text. It is read into words, whose order is checked here, so that every
mistake has a place and a plain answer; `ast.parse` then only says what binds tighter; a walk over
that tree, which knows the few nodes it accepts, writes a flat list of instructions for a stack.
Nothing here calls itself, so no text can reach Python's recursion limit.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import keyword
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gdexp import base

MAX_LENGTH = 4096  # characters: bounds the time that any later step can take
MAX_NESTING = 64  # open parentheses, signs and powers: bounds the depth of Python's own parser
MAX_TOWER = 2  # powers in one another's exponent: x**y**z grows faster than any float holds
MAX_INSTRUCTIONS = 3000  # a sum of 1,500 terms; XLA needs seconds to compile that many
MAX_UNROLLED = 64  # whole exponents up to this are multiplied out: at most 12 products

WIDTH = 60  # characters of the formula shown with an error


class Function(NamedTuple):
    """One name a formula may call: how many values it takes, and what it means."""

    arity: int | None  # None: two or more
    in_python: Callable[..., float]  # folds constants
    in_jax: Callable[..., Any]


class Instruction(NamedTuple):
    """One step of a stack machine: push a number, variable or parameter, or apply a function."""

    action: str  # "number", "variable", "parameter", "power", an operator or a function
    operand: float | int | str  # value, index in x, name, exponent; else how many values it takes


def _sigmoid(value: float) -> float:
    small = math.exp(-abs(value))  # never overflows
    return (1.0 if value >= 0 else small) / (1.0 + small)


OPERATORS = {
    "+": Function(2, operator.add, operator.add),
    "-": Function(2, operator.sub, operator.sub),
    "*": Function(2, operator.mul, operator.mul),
    "/": Function(2, operator.truediv, operator.truediv),
    "**": Function(2, operator.pow, jnp.power),
    "negative": Function(1, operator.neg, operator.neg),
}
_COMMON = "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh"
_COMMON += " exp expm1 log log1p log2 log10 sqrt cbrt"  # of one name in math and in jax.numpy
FUNCTIONS = {name: Function(1, vars(math)[name], vars(jnp)[name]) for name in _COMMON.split()} | {
    "abs": Function(1, abs, jnp.abs),
    "sign": Function(1, lambda value: float((value > 0) - (value < 0)), jnp.sign),
    "sigmoid": Function(1, _sigmoid, jax.nn.sigmoid),
    "erf": Function(1, math.erf, jax.lax.erf),
    "atan2": Function(2, math.atan2, jnp.atan2),
    "hypot": Function(2, math.hypot, jnp.hypot),
    "min": Function(None, min, lambda *values: functools.reduce(jnp.minimum, values)),
    "max": Function(None, max, lambda *values: functools.reduce(jnp.maximum, values)),
}
_SPELLINGS = "ln=log arcsin=asin arccos=acos arctan=atan arctan2=atan2 arcsinh=asinh"
_SPELLINGS += " arccosh=acosh arctanh=atanh minimum=min maximum=max"
FUNCTIONS |= {new: FUNCTIONS[old] for new, old in (s.split("=") for s in _SPELLINGS.split())}
_MEANING = OPERATORS | FUNCTIONS
CONSTANTS = {"pi": math.pi, "e": math.e}

_ANSWERS = {  # what to say about characters and functions that no formula holds
    "powers are written x**2": "^ ² ³ pow power",
    "multiplication is written 2*x": "× ·",
    "division is written x/2": "÷",
    "minus is the plain - of the keyboard": "− –",
    "this number is written pi": "π",
    "square roots are written sqrt(x)": "√",
    "absolute values are written abs(x)": "| fabs",
    "a formula has no '=': type only what stands to the right of it": "=",
    "a formula has no comparisons: use min, max, abs or sign": "< >",
    "a formula has no attributes: type sin(x), not np.sin(x)": ".",
    "a formula has no subscripts: variables are named x0, x1, ...": "[ ]",
    "only ( ) group in a formula": "{ }",
    "a formula has no quotes: leave them out": "' \" `",
    "names begin with a letter, and digits are not grouped: 1000": "_",
    "this has no useful gradient: a formula is differentiable": "/ % mod floor ceil round",
}
HINTS = {word: answer for answer, words in _ANSWERS.items() for word in words.split()}
_RESERVED = {*keyword.kwlist, "inf", "nan"}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WORD = re.compile(
    r"(?P<number>(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    rf"|(?P<name>{_NAME.pattern})"
    r"|(?P<mark>\*\*|/(?!/)|[-+*(),])"
)
_NUMBERED = re.compile(r"x[0-9]+")
_SYMBOLS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}


class Word(NamedTuple):
    """A piece of the text and where it begins."""

    kind: str  # number | name | mark
    text: str
    at: int

    def __str__(self) -> str:
        """As a message shows it: short."""
        return "(...)" if self.text in "()" else self.text[:20]


@dataclasses.dataclass(frozen=True)
class Formula:
    """A checked formula: a function of a point `[D]`, D = len(variables), in JAX operations.

    Made by `parse`. Equal texts and names give equal formulas, and the same hash.
    """

    text: str
    variables: tuple[str, ...]  # [D] in the order of x
    parameters: tuple[str, ...]
    program: tuple[Instruction, ...]

    @property
    def constants(self) -> tuple[float, ...]:
        """The numbers in it."""
        return tuple(operand for action, operand in self.program if action == "number")

    def __call__(self, x: Any, /, **parameters: Any) -> Any:  # x [D] -> scalar
        """The value at `x`, an array or a sequence of D scalars, in the dtype of `x`.

        Every parameter is given by name: a float or a traced scalar.
        """
        if len(x) != len(self.variables):
            raise ValueError(f"x holds {len(x)} numbers; one each for {_listing(self.variables)}")
        if set(parameters) != set(self.parameters):
            raise TypeError(f"the formula's parameters are {_listing(self.parameters)}")
        dtype = jnp.result_type(*(x if isinstance(x, tuple | list) else (x,)), 0.0)
        point = [jnp.asarray(x[i], dtype) for i in range(len(x))]
        given = {name: jnp.asarray(value, dtype) for name, value in parameters.items()}
        stack: list[Any] = []
        for action, operand in self.program:
            match action:
                case "number":
                    stack.append(operand)  # a Python float: takes the dtype of what it meets
                case "variable":
                    stack.append(point[operand])
                case "parameter":
                    stack.append(given[operand])
                case "power":
                    stack.append(jax.lax.integer_pow(stack.pop(), operand))
                case _:
                    values = stack[-operand:]
                    stack[-operand:] = [_MEANING[action].in_jax(*values)]
        return stack.pop()


def parse(
    text: str, variables: Sequence[str] | None = None, parameters: Sequence[str] = ()
) -> Formula:
    """Reads a formula.

    Args:
      text: + - * / ** ( ), numbers, `pi`, `e`, names, and the functions of `FUNCTIONS`.
      variables: the names of the dimensions of x, in order; some may not stand in the text. Without
        it: the names that are not parameters as the text mentions them, or by number where all are
        like x0, x1, x10.
      parameters: names whose values are given with each call; all must stand in the text.

    Raises:
      base.UsageError: with the place in the text, and what to type instead.
    """
    _check_declared([*(variables or ()), *parameters])
    if len(text) > MAX_LENGTH:
        raise _error(text, MAX_LENGTH, f"a formula has at most {MAX_LENGTH} characters")
    line = text.replace("\n", " ").replace("\t", " ").strip(" ")
    words = _read(line)
    _check_order(line, words)
    names = _find_variables(line, words, variables, parameters)
    leaves = {name: Instruction("number", value) for name, value in CONSTANTS.items()}
    leaves |= {name: Instruction("variable", index) for index, name in enumerate(names)}
    leaves |= {name: Instruction("parameter", name) for name in parameters}
    return Formula(text, names, tuple(parameters), _compile(line, leaves))


def _error(line: str, at: int, message: str) -> base.UsageError:
    start = max(0, min(at - WIDTH // 2, len(line) - WIDTH))
    before, after = "..." * (start > 0), "..." * (len(line) > start + WIDTH)
    window = line[start : start + WIDTH]
    shown = "".join(c if " " <= c <= "~" or c in HINTS else "?" for c in window)
    blank = " " * (len(before) + at - start)
    return base.UsageError(f"{message}\n  {before}{shown}{after}\n  {blank}^")


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(name[:20] for name in names[:8])
    return f"{shown}, ..." if len(names) > 8 else shown or "none"


def _check_declared(names: Sequence[str]) -> None:
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _RESERVED:
            raise base.UsageError(f"{name!a:.24} cannot be a name: type one like x1")
        if name in FUNCTIONS:
            raise base.UsageError(f"{name} is a function: choose another name")
        if names.count(name) > 1:
            raise base.UsageError(f"{name:.20} is named twice among variables and parameters")


def _read(line: str) -> list[Word]:
    words, at, size = [], 0, 0
    while at < len(line):
        if line[at] == " ":
            at += 1
            continue
        found = _WORD.match(line, at)
        if found is None:
            plain = f"{line[at]!a} means nothing in a formula: leave it out"
            raise _error(line, at, HINTS.get(line[at], plain))
        word = Word(str(found.lastgroup), found.group(), at)
        if word.kind == "number" and not math.isfinite(float(word.text)):
            raise _error(line, at, "this number is too large: the largest is about 1.8e308")
        if word.text in _RESERVED:
            raise _error(line, at, f"'{word}' cannot stand in a formula: it is only arithmetic")
        words.append(word)
        size += word.text not in "(,)"  # each other word is one instruction at most
        if size > MAX_INSTRUCTIONS:
            raise _error(line, at, f"too long: at most {MAX_INSTRUCTIONS} numbers, names and signs")
        at = found.end()
    return words


def _check_order(line: str, words: list[Word]) -> None:
    """Checks that operands and operators alternate, and how deep they nest."""
    opened: list[tuple[Word, bool]] = []  # each "(" and whether it calls a function
    pending = [0]  # for each level of parentheses, the signs and powers waiting for their operand
    last = None  # the word that ends an operand, if the one before does
    for word in words:
        if word.text == "(" or word.kind != "mark":
            calls = word.text == "(" and last is not None and last.kind == "name"
            if last is not None and not calls:
                raise _error(line, word.at, _missing_operator(last, word))
            last = word
            if word.text == "(":
                opened.append((word, calls))
                pending.append(0)
                last = None
        elif last is None:
            if word.text not in "+-":
                raise _error(line, word.at, f"before '{word.text}' a number or a name is missing")
            pending[-1] += 1
        elif word.text == ")":
            if not opened:
                raise _error(line, word.at, "this ')' closes nothing: leave it out")
            opened.pop()
            pending.pop()
            last = word
        else:
            if word.text == "," and not (opened and opened[-1][1]):
                raise _error(line, word.at, "only functions take commas; type 0.5, not 0,5")
            pending[-1] = pending[-1] + 1 if word.text == "**" else 0
            last = None
        if len(opened) + sum(pending) > MAX_NESTING:
            raise _error(line, word.at, f"nested too deep: at most {MAX_NESTING} levels")
    if last is None:
        raise _error(line, len(line), "a number or a name is missing at the end")
    if opened:
        raise _error(line, opened[-1][0].at, "this '(' is never closed: type a ')'")


def _missing_operator(last: Word, word: Word) -> str:
    if last.text == "0" and word.text != "(":
        return "numbers are decimal, without leading zeros: 16, not 0x10 or 016"
    if last.text in FUNCTIONS:
        return f"functions take parentheses: {last}({word})"
    real = "numbers are real; " if last.kind == "number" and word.text in ("j", "J") else ""
    return f"{real}multiplication is written {last}*{word}"


def _find_variables(
    line: str, words: list[Word], variables: Sequence[str] | None, parameters: Sequence[str]
) -> tuple[str, ...]:
    """The variables in their order, once every name is known to be right where it stands."""
    used = _find_names(line, words, [*(variables or ()), *parameters])
    found = [name for name in used if name not in parameters]
    for name in found:
        if variables is None:
            _check_glued(line, used[name], used)
        elif name not in variables:
            known = [*variables, *parameters]
            hint = base.nearest(name[:20], known) or f": there are {_listing(known)}"
            raise _error(line, used[name].at, f"unknown name '{used[name]}'{hint}")
    if not found:
        raise _error(line, 0, "a formula needs a variable, like x")
    for name in parameters:
        if name not in used:
            raise base.UsageError(f"parameter {name:.20} is not in the formula: leave it out")
    if variables is None and all(_NUMBERED.fullmatch(name) for name in found):
        digits = {name: name[1:].lstrip("0") for name in found}
        found.sort(key=lambda name: (len(digits[name]), digits[name], name))
    return tuple(found if variables is None else variables)


def _find_names(line: str, words: list[Word], declared: Sequence[str]) -> dict[str, Word]:
    """Every name that is no function and no constant, and where the text has it first."""
    used: dict[str, Word] = {}
    for word, after in zip(words, [*words[1:], None], strict=True):
        if word.kind != "name":
            continue
        if after is not None and after.text == "(":
            _check_function(line, word, declared)
        elif word.text in FUNCTIONS:
            raise _error(line, word.at, f"{word} is a function: its value is written {word}(x)")
        elif word.text in declared or word.text not in CONSTANTS:
            used.setdefault(word.text, word)
    return used


def _check_function(line: str, word: Word, declared: Sequence[str]) -> None:
    if word.text in FUNCTIONS:
        return
    if word.text in HINTS:
        raise _error(line, word.at, HINTS[word.text])
    one = len(word.text) == 1 or _NUMBERED.fullmatch(word.text)
    if one or word.text in CONSTANTS or word.text in declared:
        raise _error(line, word.at, f"{word} is no function; to multiply, type {word}*(...)")
    nearest = base.nearest(word.text[:20].lower(), FUNCTIONS)
    hint = nearest or ": there are sin, cos, tanh, exp, log, sqrt, abs, min, max and more"
    raise _error(line, word.at, f"unknown function '{word}'{hint}")


def _check_glued(line: str, word: Word, used: Mapping[str, Word]) -> None:
    """Refuses `sinx`, which would silently be a variable of its own."""
    for function in FUNCTIONS:
        rest = word.text.removeprefix(function)
        if rest != word.text and (rest in used or re.fullmatch(r"[xyz][0-9]*", rest)):
            raise _error(line, word.at, f"functions take parentheses: {function}({rest:.20})")


def _compile(line: str, leaves: Mapping[str, Instruction]) -> tuple[Instruction, ...]:
    """Writes operands before their operator, with a list of what is left to do."""
    try:
        tree = ast.parse(line, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        raise _error(line, 0, "too involved for Python's parser: shorten the formula") from None
    program: list[Instruction] = []
    todo: list[tuple[ast.AST, int, bool]] = [(tree.body, 0, False)]
    while todo:
        node, tower, ready = todo.pop()
        action, operands = _parts(line, node)
        if not ready:
            power = action == "**"
            if power and tower == MAX_TOWER:
                raise _error(line, _place(line, node), f"at most {MAX_TOWER} powers, as in x**y**z")
            todo.append((node, tower, True))
            inner = [(child, tower + (power and i == 1), False) for i, child in enumerate(operands)]
            todo.extend(reversed(inner))
        elif isinstance(node, ast.Constant):
            program.append(Instruction("number", float(node.value)))
        elif isinstance(node, ast.Name):
            program.append(leaves[node.id])
        elif not _apply(program, action, len(operands)):
            raise _error(line, _place(line, node), "this has no finite real value")
    return tuple(program)


def _parts(line: str, node: ast.AST) -> tuple[str, list[ast.expr]]:
    """What a node does and to what: the whitelist. No other node is accepted."""
    match node:
        case ast.Name():
            return "", []
        case ast.Constant() if type(node.value) in (int, float):
            return "", []
        case ast.UnaryOp(op=ast.UAdd()):
            return "", [node.operand]
        case ast.UnaryOp(op=ast.USub()):
            return "negative", [node.operand]
        case ast.BinOp() if type(node.op) in _SYMBOLS:
            return _SYMBOLS[type(node.op)], [node.left, node.right]
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            wanted, given = FUNCTIONS[name].arity, len(node.args)
            if given != wanted and (wanted or given < 2):
                takes = f"{name} takes {wanted or '2 or more'} value{'s' * (wanted != 1)}"
                raise _error(line, node.col_offset, f"{takes}, not {given}")
            return name, node.args
    raise _error(line, _place(line, node), "only arithmetic and functions stand in a formula")


def _place(line: str, node: ast.AST) -> int:
    """Where to point: at the operator itself, not at all that it takes."""
    if isinstance(node, ast.BinOp) and type(node.op) in _SYMBOLS:
        return line.index(_SYMBOLS[type(node.op)], node.left.end_col_offset)
    return getattr(node, "col_offset", 0)


def _apply(program: list[Instruction], action: str, count: int) -> bool:
    """Appends an operator, or its result where all is constant; False where that is no number."""
    if not action:  # unary plus
        return True
    if all(step.action == "number" for step in program[-count:]):
        values = [step.operand for step in program[-count:]]
        try:
            value = _MEANING[action].in_python(*values)
        except (ArithmeticError, ValueError):
            return False
        program[-count:] = [Instruction("number", value)]
        return isinstance(value, float) and math.isfinite(value)
    exponent = program[-1].operand if program[-1].action == "number" else None
    if action == "**" and exponent == 0.5:
        program[-1] = Instruction("sqrt", 1)
    elif action == "**" and exponent in range(-MAX_UNROLLED, MAX_UNROLLED + 1):
        program[-1] = Instruction("power", int(exponent))
    else:
        program.append(Instruction(action, count))
    return True
