"""The axes of a sweep: which numbers they vary, and whose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gdexp.base import Objective, UsageError, nearest
from gdexp.config import catalogue
from gdexp.config.values import FORMS, SPACING_OF, axis, number, shown
from gdexp.experiment import FIRST_COLUMNS, LAST_COLUMNS, TARGET_COLUMN, Card

# columns of runs/, traces/, labels and curves: no number may be named like one
COLUMNS = frozenset(
    [
        *(*FIRST_COLUMNS, *LAST_COLUMNS, TARGET_COLUMN),
        *("step", "kind", "minimum_id"),
        *("dim", "target"),  # dimensions of to_xarray
    ]
)


def flat(node: Mapping[str, Any] | None) -> dict[str, Any]:
    """{sgd: {momentum: V}} as {sgd.momentum: V}; a null removes the key."""
    found = {}
    for key, value in (node or {}).items():
        if isinstance(value, Mapping) and value and not set(value) & set(SPACING_OF):
            found |= {f"{key}.{inner}": v for inner, v in flat(value).items()}
        elif value is not None:
            found[str(key)] = value
    return found


def grid(node: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The named axes, in the order given, as float64 values."""
    return {key: axis(f"grid.{key}", value) for key, value in flat(node).items()}


def zipped(node: Any, grid: Mapping[str, np.ndarray]) -> tuple[tuple[str, ...], ...]:
    """The groups of keys that advance together: [a, b] or [[a, b], [c, d]]."""
    if isinstance(node, str):
        node = [node]
    groups = node if isinstance(node, Sequence) else [] if node is None else [node]
    groups = [groups] if any(isinstance(key, str) for key in groups) else groups
    if not all(_is_names(group) for group in groups):
        raise UsageError(f"zip={shown(node)}: type zip=[learning_rate,momentum]")
    seen: set[str] = set()
    for group in groups:
        for key in group:
            if key not in grid:
                raise UsageError(f"zip names {key!r}, which is no axis{nearest(key, grid)}")
            if key in seen:
                raise UsageError(f"zip names {key!r} twice")
            seen.add(key)
        lengths = {key: len(grid[key]) for key in group}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{key} has {n}" for key, n in lengths.items())
            raise UsageError(f"keys that advance together need as many values each: {told}")
    return tuple(tuple(group) for group in groups if group)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)


def check_owners(
    keys: Iterable[str],
    objectives: Mapping[str, Objective],
    optimizers: Mapping[str, Mapping[str, Any]],
    singles: Mapping[str, Card],
) -> None:
    """Raises UsageError for a key that is no number of what is selected, or of two kinds of it."""
    owners = {name: ("objective", tuple(o.numbers)) for name, o in objectives.items()}
    for name, card in optimizers.items():
        varies = tuple(k for k, v in card.items() if v is None or isinstance(v, float))
        owners[name] = ("optimizer", varies)
    for group, card in singles.items():
        owners[card.name] = (group, tuple(card.numbers))
    blocks = {name.partition(".")[0] for o in objectives.values() for name in o.blocks()}
    if any("learning_rate" in card for card in optimizers.values()):  # then blocks have it, too
        owners = dict.fromkeys(sorted(blocks), ("block", ("learning_rate",))) | owners
    taken: dict[tuple[str, str], str] = {}
    for key in keys:
        name, _, last = key.rpartition(".")
        having = {
            n: kind
            for n, (kind, ks) in owners.items()
            if last in ks and (name == n or (not name and kind != "block"))
        }
        if not having:
            if name in blocks and name not in owners and last == "learning_rate":
                told = ", ".join(optimizers)
                raise UsageError(
                    f"{told} has no learning rate, so no block has one: drop grid.{key}"
                )
            raise UsageError(_unowned(key, name, last, owners, objectives, optimizers))
        if len(set(having.values())) > 1:
            choice = " or ".join(f"grid.{n}.{last}" for n in having)
            raise UsageError(f"{last} is a number of {' and of '.join(having)}: type {choice}")
        for owner in having:
            other = taken.setdefault((owner, last), key)
            if other != key:
                raise UsageError(f"{other} and {key} both give {last} of {owner}: keep one")


def _unowned(key, name, last, owners, objectives, optimizers) -> str:
    """Why nothing selected has the number `key`, and what to type instead."""
    if name and name not in owners:
        group = next((g for g in catalogue.NUMBERED if name in catalogue.choices(g)), None)
        if group:
            return f"{name} is not selected (grid.{key}): add {group}={name}"
        if any(name in ks for _, ks in owners.values()):
            return f"grid.{key} is not an axis: type grid.{name}=VALUES, one of {FORMS}"
        return f"{name!r} is not selected{nearest(name, owners)} (grid.{key})"
    selected = sorted({k for _, ks in owners.values() for k in ks})
    structure = [
        f"{group}.{n}.{last}"
        for group, cards in (
            ("objective", {n: o.card for n, o in objectives.items()}),
            ("optimizer", optimizers),
        )
        for n, card in cards.items()
        if last in card
    ]
    if structure:
        return (
            f"{last} chooses the program and is no axis: set {structure[0]}=VALUE; -m makes a "
            "sweep for each of several"
        )
    if last in COLUMNS:
        return f"{key} cannot be an axis: results have a column of that name"
    cards = [*(o.card for o in objectives.values()), *optimizers.values()]
    hint = nearest(last, [*selected, *(k for card in cards for k in card)])
    if not hint:
        elsewhere = [
            (group, n) for group in catalogue.NUMBERED for n in catalogue.holders(group, last)
        ]
        known = ("optimizer", "sgd") if ("optimizer", "sgd") in elsewhere else None
        if found := known or next(iter(elsewhere), None):
            hint = f"; {found[1]} has it: type {found[0]}={found[1]}"
    whose = ", ".join(n for n, (kind, ks) in owners.items() if ks and kind != "block")
    return f"no number {last!r} in {whose}{hint} (there: {', '.join(selected)})"


def bound(key: str, value: Any) -> float | tuple[float, ...]:
    """An end of a box: one number, or one per dimension."""
    if hasattr(value, "tolist"):  # of numpy or JAX
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(number(key, v) for v in value)
    return number(key, value)


def points(value: Any) -> Any:
    """Starting points [N][D] as floats; a single point may leave out the outer brackets."""
    if hasattr(value, "__array__"):  # of numpy, JAX, pandas
        try:
            return np.atleast_2d(np.asarray(value, np.float64))
        except (TypeError, ValueError):
            raise UsageError(f"start.points={shown(value)} holds what is no number") from None
    rows = [value] if _is_number(value) else value
    rows = [rows] if isinstance(rows, Sequence) and any(map(_is_number, rows)) else rows
    if not isinstance(rows, list | tuple) or not all(isinstance(r, list | tuple) for r in rows):
        raise UsageError(f"start.points={shown(value)}: type 'start.points=[[3,3],[-2,0]]'")
    return [[number("start.points", v) for v in row] for row in rows]


def rows(key: str, value: Any) -> Any:
    """Two numbers, or two rows of numbers."""
    if hasattr(value, "tolist"):  # of numpy or JAX
        value = value.tolist()
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise UsageError(f"{key}={shown(value)}: type {key}=[0,1], or two directions")
    found = [bound(key, row) for row in value]
    if len({np.shape(row) for row in found}) > 1:
        raise UsageError(f"{key}={shown(value)}: type two numbers, or two directions of one length")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)
