"""Cards: what a user set in them is of the kind that its default is, and nothing else is set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gdexp import function
from gdexp.base import Objective, UsageError, nearest
from gdexp.config import axes, catalogue
from gdexp.config.values import flag, number, shown, whole

MOST_DIMENSIONS = 1_000_000
EXAMPLES = {"formula": "'(x-1)**2 + y**2'", "path": "./mine.py:f"}


def objectives(tree: Mapping[str, Any]) -> dict[str, Objective]:
    """The selected objectives by name.

    Raises:
      UsageError: there is no such card, or one of its values is wrong.
    """
    made = {}
    for name, given in _several(tree, "objective"):
        if name == "expr":
            made[name] = _user_function(function.from_formula, name, given, "formula")
        elif name == "file":
            if given.get("dim") is None:
                given["dim"] = _dimensions(tree["start"])
            made[name] = _user_function(function.from_file, name, given, "path")
        else:
            values = card("objective", name, given)
            made[name] = catalogue.objectives()[name](**values)
            _check_size(name, made[name])
            if made[name].dim < made[name].min_dim:
                raise UsageError(f"objective.{name}.dim must be {made[name].min_dim} or more")
    return made


def optimizers(tree: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The cards of the selected optimizers by name, every value checked."""
    return {name: card("optimizer", name, given) for name, given in _several(tree, "optimizer")}


def card(group: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A card's values, each of the type its default has."""
    default = catalogue.card(group, catalogue.pick(group, name))
    _known_keys(group, name, given, default)
    prefix = f"{group}.{name}" if group in ("objective", "optimizer") else group
    types = catalogue.types(group, name)
    return {
        key: _typed(f"{prefix}.{key}", given.get(key, value), value, types.get(key))
        for key, value in default.items()
    }


def check_names(objectives: Mapping[str, Objective]) -> None:
    """Raises UsageError for a number that is named like a column of the results."""
    for name, objective in objectives.items():
        for key in objective.numbers:
            if key in axes.COLUMNS:
                raise UsageError(
                    f"{name} cannot have a parameter {key!r}: results have a column of that name"
                )


def _several(tree: Mapping[str, Any], group: str) -> list[tuple[str, dict[str, Any]]]:
    """The selected cards of a group, in the order given."""
    if not tree[group]:
        raise UsageError(f"no {group} is selected: type {group}=NAME (python -m gdexp list)")
    for name, card in tree[group].items():
        if card is not None and not isinstance(card, Mapping):
            raise UsageError(f"{group}.{name}={shown(card)}: type {group}.{name}.KEY=VALUE")
    return [(name, dict(card or {})) for name, card in tree[group].items()]


def _dimensions(start: Mapping[str, Any]) -> int | None:
    """How many dimensions the starting points have, where they are given."""
    points = axes.points(start["points"]) if start.get("points") is not None else ()
    return len(points[0]) if len(points) else None


def _whole_dimensions(name: str, dim: Any) -> int | None:
    key = f"objective.{name}.dim"
    return None if dim is None else whole(key, dim, low=1, high=MOST_DIMENSIONS)


def _check_size(name: str, objective: Objective) -> None:
    """Raises UsageError for more dimensions than there may be, with what to lower."""
    if objective.dim > MOST_DIMENSIONS and "dim" not in objective.card:
        widths = [key for key, value in objective.card.items() if isinstance(value, tuple)]
        told = " or ".join(f"objective.{name}.{key}" for key in widths) or "its numbers"
        raise UsageError(
            f"{name} has {objective.dim:,} parameters, at most {MOST_DIMENSIONS:,}: lower {told}"
        )
    _whole_dimensions(name, objective.dim)


def _user_function(
    make: Callable[..., Objective], name: str, given: dict[str, Any], what: str
) -> Objective:
    """The objective of a formula or of a file, from its card."""
    _known_keys("objective", name, given, catalogue.USER_CARDS[name])
    given = {**catalogue.USER_CARDS[name], **given}
    text = given.pop(what)
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"objective={name} needs a {what}: type objective={EXAMPLES[what]}")
    parameters = given.pop("parameters", None) or {}
    if not isinstance(parameters, Mapping):
        raise UsageError(
            f"objective.{name}.parameters={shown(parameters)}: "
            f"type 'objective.{name}.parameters={{a: 1.0}}'"
        )
    for bound in ("low", "high"):
        given[bound] = axes.bound(f"objective.{name}.{bound}", given[bound])
    if name == "file":
        given["dim"] = _whole_dimensions(name, given["dim"])
    else:
        given["variables"] = _variables(given["variables"])
    values = {k: number(f"objective.{name}.parameters.{k}", v) for k, v in parameters.items()}
    return make(text, parameters=values, **given)


def _variables(value: Any) -> list[str] | None:
    names = [value] if isinstance(value, str) else value
    plain = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if names is None or plain:
        return names
    raise UsageError(
        f"objective.expr.variables={shown(value)}: type objective.expr.variables=[x,y]"
    )


def _known_keys(group: str, name: str, given: Mapping[str, Any], default: Mapping) -> None:
    for key in given:
        if key not in default and key != "name":
            raise UsageError(
                f"{group} {name} has no number {key!r}{nearest(str(key), default)}"
                f" (it has {', '.join(default) or 'none'})"
            )


def _typed(key: str, value: Any, default: Any, kind: str | None) -> Any:
    if kind == "int | None":
        return None if value is None else whole(key, value, low=1)
    if kind == "str | None":
        return None if value is None else str(value)
    if isinstance(default, bool):
        return flag(key, value)
    if isinstance(default, int):
        return whole(key, value, low=min(1, default))
    if isinstance(default, float):
        return number(key, value)
    if isinstance(default, str) and not isinstance(value, str):
        raise UsageError(f"{key}={shown(value)} is not a word: its default is {default}")
    if default is None and value is not None and not key.startswith("start."):
        return number(key, value)
    return value  # of a start: points and bounds have checks of their own
