"""Reading numbers, axes and distributions from what a user typed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gdexp.base import UsageError
from gdexp.experiment import Draw

MOST_VALUES = 10_000_000  # of one axis: they are held and stored as numbers
FORMS = "0.1 · 0.01,0.1,0.5 · log:1e-3:1:64 · lin:0:1:11"
DRAWS = "loguniform:1e-3:0.5 · uniform:0:1 · normal:0:1"
SPACINGS = {"log": np.geomspace, "lin": np.linspace}
SPACING_OF = {"geomspace": "log", "linspace": "lin"}


def number(key: str, value: Any, *, low: float = -math.inf, above: float = -math.inf) -> float:
    """`value` as a finite float that is ≥ `low` and > `above`; UsageError otherwise."""
    real = isinstance(value, str | int | float | np.integer | np.floating)
    try:
        found = float(value) if real and not isinstance(value, bool) else None
    except ValueError:
        found = None
    except OverflowError:
        found = math.inf
    if found is None:
        raise UsageError(f"{key}={shown(value)} is not a number")
    if not math.isfinite(found):
        raise UsageError(f"{key}={shown(value)} is not finite")
    if found < low:
        raise UsageError(f"{key}={found:g} is too small: give {low:g} or more")
    if found <= above:
        raise UsageError(f"{key}={found:g} is too small: give a number above {above:g}")
    return found


def whole(key: str, value: Any, *, low: int = 0, high: int = 2**31 - 2) -> int:
    """`value` as a whole number in [low, high]; 1e3 is one."""
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    else:
        exact = number(key, value)
        if exact != math.floor(exact):
            raise UsageError(f"{key}={shown(value)} is not a whole number")
        found = int(exact)
    if not low <= found <= high:
        raise UsageError(f"{key}={shown(value)} is out of range: give {low} to {high}")
    return found


def flag(key: str, value: Any) -> bool:
    """`value` if it is true or false."""
    if not isinstance(value, bool):
        raise UsageError(f"{key}={shown(value)} is neither true nor false")
    return value


def axis(key: str, value: Any) -> np.ndarray:
    """The values of an axis, float64 [N], N ≥ 1, all finite."""
    if isinstance(value, dict):
        value = _spelled(key, value)
    if isinstance(value, str):
        text = value.strip().strip("[]")
        if text.split(":")[0] in SPACINGS:
            return _spaced(key, text)
        value = text.split(",") if text else []
    if hasattr(value, "__array__"):  # of numpy, JAX, pandas
        value = np.atleast_1d(np.asarray(value))
        if value.ndim > 1:
            raise UsageError(f"{key} has the shape {value.shape}: give a flat list of numbers")
    values = value if isinstance(value, Sequence | np.ndarray) else [value]
    if len(values) == 0:
        raise UsageError(f"{key}= names no value: type one of {FORMS}")
    if len(values) > MOST_VALUES:
        raise UsageError(f"{key} has {len(values)} values; an axis holds at most {MOST_VALUES}")
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf" and np.isfinite(values).all():
        return values.astype(np.float64)
    try:
        return np.array([number(key, v) for v in values], np.float64)
    except UsageError as error:
        raise UsageError(f"{error}: type one of {FORMS}") from None


def draw(key: str, text: Any) -> Draw:
    """A distribution such as `loguniform:1e-3:0.5`."""
    parts = text.split(":") if isinstance(text, str) else []
    if len(parts) != 3 or parts[0] not in ("loguniform", "uniform", "normal"):
        raise UsageError(f"{key}={shown(text)} is not a distribution: type one of {DRAWS}")
    kind, a, b = parts[0], number(key, parts[1]), number(key, parts[2])
    if kind == "loguniform" and a <= 0:
        raise UsageError(f"{key}={text}: loguniform needs a low end above 0")
    if kind == "normal" and b < 0:
        raise UsageError(f"{key}={text}: a standard deviation is not negative")
    if kind != "normal" and b < a:
        raise UsageError(f"{key}={text}: the low end stands above the high end")
    if not math.isfinite(b / a if kind == "loguniform" else b - a):
        raise UsageError(f"{key}={text}: the ends are too far apart for a float")
    return Draw(kind, a, b)


def _spelled(key: str, value: dict) -> str:
    """{geomspace: [a, b, n]} as log:a:b:n."""
    if len(value) == 1:
        [(name, ends)] = value.items()
        if name in SPACING_OF and isinstance(ends, Sequence) and len(ends) == 3:
            return ":".join([SPACING_OF[name], *(str(end) for end in ends)])
    raise UsageError(
        f"{key}={value} is not an axis: type {{geomspace: [1e-3, 1, 64]}}, "
        f"{{linspace: [0, 1, 11]}}, or one of {FORMS}"
    )


def _spaced(key: str, text: str) -> np.ndarray:
    kind, *ends = text.split(":")
    if len(ends) != 3:
        raise UsageError(f"{key}={text}: type {kind}:FIRST:LAST:HOW_MANY, such as {kind}:1e-3:1:64")
    first, last = (
        number(f"{key}={text}: {n}", e) for n, e in zip(("FIRST", "LAST"), ends, strict=False)
    )
    count = whole(f"{key}={text}: HOW_MANY", ends[2], low=1, high=MOST_VALUES)
    if kind == "log" and (first == 0 or last == 0 or (first < 0) != (last < 0)):
        raise UsageError(
            f"{key}={text}: a geometric axis needs ends of one sign and no 0; "
            f"type lin:{ends[0]}:{ends[1]}:{count}, or begin above 0"
        )
    with np.errstate(all="ignore"):
        values = SPACINGS[kind](first, last, count)
    if not np.isfinite(values).all():
        raise UsageError(f"{key}={text}: the ends are too far apart for a float")
    return values


def shown(value: Any) -> str:
    """A value as a message shows it: in YAML's words, and short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = str(value)
    except ValueError:  # Python prints no whole number of more than 4,300 digits
        text = "a number of very many digits"
    return text if len(text) <= 60 else text[:57] + "..."


def parts(text: str) -> list[str]:
    """The parts of a text between the commas that stand outside brackets and quotes."""
    found, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[{(":
            depth += 1
        elif character in "]})":
            depth -= 1
        elif character == "," and depth == 0:
            found.append("")
            continue
        found[-1] += character
    return found


def plain(key: str, text: str) -> Any:
    """A text as `KEY=VALUE` has it: a number, numbers or points in brackets, or else a text."""
    try:
        return json.loads(text)
    except ValueError:
        if text.startswith("[["):
            raise UsageError(f"{key}={text:.60}: type {key}=[[3,3],[-2,0]]") from None
        return text
