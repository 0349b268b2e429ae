"""A resolved tree becomes an Experiment, or one clear message."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gdexp import function
from gdexp.base import Objective, UsageError, nearest, numbers_of
from gdexp.config import axes, catalogue
from gdexp.config.values import draw, number, whole
from gdexp.experiment import Experiment, Optimizer, Schedule, Stop, Trace, Wandb
from gdexp.starts import Start

SECTIONS = ("stop", "trace", "wandb", "run")  # fixed keys; the other nodes have their own checks


def experiment(
    tree: Mapping[str, Any],
    defaults: Mapping[str, Any],
    objectives: Mapping[str, Objective] | None = None,
) -> Experiment:
    """Checks `tree`, a plain resolved config, against the keys of `defaults`.

    Args:
      tree: what the user asked for, every key present.
      defaults: the default tree; its keys are the keys there are.
      objectives: ready-made ones (Python callables) instead of the cards in tree["objective"].

    Raises:
      UsageError: the first thing that is wrong, and what to type instead.
    """
    _known_keys(tree, defaults)
    objectives = objectives or _objectives(tree["objective"])
    schedule = _schedule(tree["schedule"])
    start = _start(tree["start"], objectives)
    cards = {name: _card("optimizer", name, card) for name, card in _several(tree, "optimizer")}
    grid = axes.grid(tree["grid"])
    draws = {key: draw(f"draw.{key}", text) for key, text in axes.flat(tree["draw"]).items()}
    axes.check_owners([*grid, *draws], objectives, cards, schedule)
    for key in set(grid) & set(draws):
        raise UsageError(f"{key} has both grid.{key} and draw.{key}: keep one")
    optimizers = {
        name: _optimizer(name, card, [*grid, *draws], schedule) for name, card in cards.items()
    }
    return Experiment(
        objectives=objectives,
        optimizers=optimizers,
        schedule=schedule,
        start=start,
        grid=grid,
        zip=axes.zipped(tree["zip"], grid),
        draw=draws,
        replicates=whole("replicates", tree["replicates"], low=1),
        stop=_stop(tree["stop"]),
        direction=_one_of("direction", tree["direction"], ("minimize", "maximize")),
        seed=whole("seed", tree["seed"], high=2**63 - 1),
        dtype=_one_of("dtype", tree["dtype"], ("float32", "float64")),
        device=_one_of("device", tree["device"], ("auto", "cpu", "gpu", "tpu")),
        trace=_trace(tree["trace"]),
        wandb=_wandb(tree["wandb"]),
        report=_flag("report", tree["report"]),
        prepare=_flag("run.prepare", tree["run"]["prepare"]),
        sweep=tree.get("sweep"),
        config=_plain(tree),
    )


def _known_keys(tree: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    known = [*defaults, "+sweep"]
    for key in tree:
        if key not in defaults and key != "sweep":
            hint = nearest(key, known) or "; python -m gdexp --help names the keys"
            raise UsageError(f"there is no key {key!r}{hint}")
    for section in SECTIONS:
        for key in tree[section]:
            if key not in defaults[section]:
                raise UsageError(
                    f"there is no key {section}.{key}{nearest(key, defaults[section])}"
                )


def _several(tree: Mapping[str, Any], group: str) -> list[tuple[str, dict[str, Any]]]:
    """The selected cards of a group, in the order given."""
    cards = tree[group]
    if not isinstance(cards, Mapping) or not cards:
        raise UsageError(f"no {group} is selected: type {group}={catalogue.choices(group)[0]}")
    return [(name, dict(card or {})) for name, card in cards.items()]


def _objectives(cards: Mapping[str, Any]) -> dict[str, Objective]:
    made = {}
    for name, card in _several({"objective": cards}, "objective"):
        if name == "expr":
            made[name] = _user_function(function.from_formula, name, card, "formula")
        elif name == "file":
            made[name] = _user_function(function.from_file, name, card, "path")
        else:
            card = _card("objective", name, card)
            made[name] = catalogue.objectives()[name](**card)
            if made[name].dim < made[name].min_dim:
                raise UsageError(f"objective.{name}.dim must be {made[name].min_dim} or more")
    return made


def _user_function(
    make: Callable[..., Objective], name: str, card: dict[str, Any], what: str
) -> Objective:
    """The objective of a formula or of a file, from its card."""
    _known_card_keys("objective", name, card, catalogue.USER_CARDS[name])
    text = card.pop(what)
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"objective={name} needs a {what}: type objective='(x-1)**2 + y**2'")
    parameters = {
        key: number(f"objective.{name}.parameters.{key}", value)
        for key, value in (card.pop("parameters", None) or {}).items()
    }
    for key in parameters:
        if key in axes.COLUMNS or not key.isidentifier():
            raise UsageError(f"a parameter cannot be named {key!r}: results have such a column")
    for bound in ("low", "high"):
        card[bound] = axes.bound(f"objective.{name}.{bound}", card[bound])
    return make(text, parameters=parameters, **card)


def _card(group: str, name: str, card: Mapping[str, Any]) -> dict[str, Any]:
    """A card's values, each of the type its default has."""
    _pick(group, name)
    if group == "optimizer":
        default = catalogue.optimizer_card(name)
    else:
        node = catalogue.cards()[group, name]
        default = node[name] if group == "objective" else node
    _known_card_keys(group, name, card, default)
    prefix = f"{group}.{name}" if group in ("objective", "optimizer") else group
    return {
        key: _typed(f"{prefix}.{key}", card.get(key, value), value)
        for key, value in default.items()
        if key != "name"
    }


def _known_card_keys(group: str, name: str, card: Mapping[str, Any], default: Mapping) -> None:
    for key in card:
        if key not in default:
            raise UsageError(
                f"{group} {name} has no number {key!r}{nearest(key, default)}"
                f" (it has {', '.join(k for k in default if k != 'name') or 'none'})"
            )


def _typed(key: str, value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        return _flag(key, value)
    if isinstance(default, int):
        return whole(key, value, low=min(default, 1))
    if isinstance(default, float):
        return number(key, value)
    if default is None and value is not None and not isinstance(value, Sequence | np.ndarray):
        return number(key, value)
    return value


def _optimizer(
    name: str, card: Mapping[str, Any], keys: Sequence[str], schedule: Schedule
) -> Optimizer:
    """Splits a card; a null that an axis gives a value is a number of every run."""
    numbers = numbers_of(card)
    for key in keys:
        owner, _, last = key.rpartition(".")
        if last in card and owner in ("", name):
            numbers.setdefault(last, float("nan"))  # each run's own value takes its place
    structure = {key: value for key, value in card.items() if key not in numbers}
    if schedule.name != "constant" and "learning_rate" not in numbers:
        raise UsageError(f"schedule={schedule.name} needs a learning rate, and {name} has none")
    return Optimizer(name, structure, numbers)


def _schedule(node: Mapping[str, Any]) -> Schedule:
    name = node.get("name")
    card = _card("schedule", name, node)
    numbers = numbers_of(card)
    return Schedule(name, {k: v for k, v in card.items() if k not in numbers}, numbers)


def _start(node: Mapping[str, Any], objectives: Mapping[str, Objective]) -> Start:
    name = node.get("name")
    card = _card("start", name, node)
    for key in ("low", "high"):
        if card.get(key) is not None:
            card[key] = axes.bound(f"start.{key}", card[key])
    if card.get("points") is not None:
        card["points"] = axes.points(card["points"])
    sampler = catalogue.start_samplers()[name](**card)
    for objective in objectives.values():
        sampler.check(objective.space())
    return sampler


def _stop(node: Mapping[str, Any]) -> Stop:
    def optional(key: str) -> float | None:
        return None if node[key] is None else number(f"stop.{key}", node[key])

    targets = node["targets"] if isinstance(node["targets"], Sequence) else [node["targets"]]
    f_tol = optional("f_tol")
    if f_tol is not None and f_tol <= 0:
        raise UsageError("stop.f_tol must be above 0; stop.f_tol=null turns it off")
    return Stop(
        max_steps=whole("stop.max_steps", node["max_steps"]),
        grad_tol=number("stop.grad_tol", node["grad_tol"], low=0),
        f_tol=f_tol,
        escape_radius=number("stop.escape_radius", node["escape_radius"], above=0),
        max_value=optional("max_value"),
        targets=tuple(number("stop.targets", t) for t in targets),
    )


def _trace(node: Mapping[str, Any]) -> Trace:
    if node["metrics"]:
        raise UsageError(f"trace.metrics={node['metrics']}: this version records no metrics")
    runs = node["runs"]
    if runs != "all":
        runs = runs if isinstance(runs, Sequence) and not isinstance(runs, str) else [runs]
        runs = tuple(sorted({whole("trace.runs", run, high=2**62) for run in runs}))
    return Trace(whole("trace.every", node["every"]), None if runs == "all" else runs)


def _wandb(node: Mapping[str, Any]) -> Wandb:
    tags = node["tags"] if isinstance(node["tags"], Sequence) else [node["tags"]]
    tags = [tags] if isinstance(tags, str) else tags
    text = {key: None if node[key] is None else str(node[key]) for key in ("name", "group")}
    return Wandb(
        mode=_one_of("wandb.mode", node["mode"], ("offline", "online", "disabled")),
        project=str(node["project"]),
        tags=tuple(str(tag) for tag in tags),
        **text,
    )


def _pick(group: str, name: Any) -> None:
    """Raises UsageError if a group has no such name."""
    known = catalogue.choices(group)
    if name not in known:
        raise UsageError(
            f"there is no {group} {name!r}{nearest(str(name), known)} "
            f"(python -m gdexp list {group}s)"
        )


def _one_of(key: str, value: Any, allowed: Sequence[str]) -> Any:
    if value not in allowed:
        raise UsageError(f"{key}={value} is not one of {', '.join(allowed)}")
    return value


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{key}={value} is neither true nor false")
    return value


def _plain(value: Any) -> Any:
    """A tree of plain Python values, as YAML can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if dataclasses.is_dataclass(value):
        return _plain(dataclasses.asdict(value))
    return value
