"""`gdexp gradients objective=... [written='A, B'] [start.points=[[3,3]]] [num=8]`: is it right?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gdexp import formula, slopes
from gdexp.base import Objective, UsageError, nearest
from gdexp.commands import show
from gdexp.config import check, tree
from gdexp.config.values import parts, plain, whole

KEYS = ("objective", "written", "start.points", "num", "format")
EXAMPLE = "python -m gdexp gradients objective='x**2*sin(y)' written='2*x*sin(y), x**2*cos(y)'"
LETTERS = ("x", "y", "z")  # the variables of an objective that is no formula, up to three


def main(arguments: Sequence[str]) -> int:
    """Prints the gradient found in every way; 1 if they differ."""
    words = _words(arguments)
    asked = tree.defaults() | {"objective": tree.objective(words["objective"])}
    asked["dtype"] = "float64"
    if "start.points" in words:
        asked["start"] = tree.choose("start", "points") | {
            "points": plain("start.points", words["start.points"])
        }
    else:
        num = whole("num", words.get("num", 8), low=1, high=10_000)
        asked["start"] = tree.choose("start", "uniform") | {"num": num}
    experiment = check.experiment(asked, tree.defaults())
    [objective] = experiment.objectives.values()
    count = experiment.start.count(objective.space())
    points = experiment.start.at(np.arange(count), objective.space(), experiment.seed)
    written = _written(words["written"], objective) if "written" in words else None
    found = slopes.compare(objective, points, written)
    show(_table(found, _names(objective)), words)
    if "format" not in words:
        worst = found.differs.max()
        told = "all agree" if found.agree else f"THEY DIFFER, by {worst:.3g} of 1 + the largest"
        places = "1 point" if count == 1 else f"{count:,} points"
        print(f"\n{told}, at {places}; automatic is by JAX, numerical by differences of values")
    return 0 if found.agree else 1


def _words(arguments: Sequence[str]) -> dict[str, str]:
    words = dict(word.split("=", 1) for word in arguments if "=" in word)
    if len(words) < len(arguments) or "objective" not in words:
        raise UsageError(f"which gradient is meant? type {EXAMPLE}")
    for key in words:
        if key not in KEYS:
            hint = nearest(key, KEYS) or f": type one of {', '.join(KEYS)}"
            raise UsageError(f"there is no key {key!r}{hint}")
    return words


def _written(text: str, objective: Objective) -> Callable[[Any], list[Any]]:
    """What was written, formulas with commas between, as a function of a point."""
    names = _names(objective)
    each = parts(text.strip().removeprefix("[").removesuffix("]"))
    if len(each) != objective.dim:
        raise UsageError(
            f"written={text} holds {len(each)} formulas, the objective has {objective.dim} "
            f"variables: {', '.join(names)}"
        )
    components = [_component(part.strip(), names) for part in each]
    return lambda x: [component(x) for component in components]


def _names(objective: Objective) -> list[str]:
    """What the variables of an objective are called."""
    own = getattr(getattr(objective, "function", None), "variables", None)
    plain = LETTERS[: objective.dim] if objective.dim <= len(LETTERS) else None
    return list(own or plain or [f"x{i}" for i in range(objective.dim)])


def _component(text: str, names: list[str]) -> Callable[[Any], Any]:
    """A formula, of which a constant is one here."""
    try:
        return formula.parse(text, names)
    except UsageError:
        with contextlib.suppress(UsageError):
            return formula.parse(f"{text} + 0*{names[0]}", names)
        raise


def _table(found: slopes.Slopes, names: list[str]) -> pa.Table:
    """A row for each point and variable."""
    count = len(found.x)
    columns = {
        "point": pa.array([point.tolist() for point in found.x for _ in names]),
        "variable": names * count,
        "automatic": found.automatic.ravel(),
        "numerical": found.numerical.ravel(),
    }
    if found.written is not None:
        columns["written"] = found.written.ravel()
    return pa.table(columns)
