"""A resolved tree becomes an Experiment, or one clear message."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from gdexp.base import Objective, UsageError, nearest, numbers_of
from gdexp.config import axes, cards, catalogue
from gdexp.config.values import axis, draw, flag, number, shown, whole
from gdexp.executor import Executor
from gdexp.experiment import SINGLES, Card, Experiment, Stop, Store, Trace, Wandb, run_columns
from gdexp.starts import Start

SECTIONS = (
    "stop",
    "trace",
    "store",
    "wandb",
    "run",
)  # fixed keys; the other nodes have their own checks
LARGEST = float(np.finfo(np.float32).max)


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
    tree = {"executor": defaults["executor"], **tree}  # saved configs have none
    _known_keys(tree, defaults)
    objectives = objectives or cards.objectives(tree)
    cards.check_names(objectives)
    singles = {group: _single(group, tree[group]) for group in SINGLES}
    start = _start(tree["start"], objectives)
    chosen = cards.optimizers(tree)
    draws = {key: draw(f"draw.{key}", text) for key, text in axes.flat(tree["draw"]).items()}
    axes.check_owners([*axes.flat(tree["grid"]), *draws], objectives, chosen, singles)
    grid = axes.grid(tree["grid"])
    for key in set(grid) & set(draws):
        raise UsageError(f"{key} has both grid.{key} and draw.{key}: keep one")
    optimizers = {
        name: _optimizer(name, card, [*grid, *draws], singles) for name, card in chosen.items()
    }
    stop = _stop(tree["stop"])
    checked = Experiment(
        objectives=objectives,
        optimizers=optimizers,
        **singles,
        start=start,
        grid=grid,
        zip=axes.zipped(tree["zip"], grid),
        draw=draws,
        replicates=whole("replicates", tree["replicates"], low=1),
        stop=stop,
        direction=_one_of("direction", tree["direction"], ("minimize", "maximize")),
        seed=whole("seed", tree["seed"], high=2**63 - 1),
        dtype=_one_of("dtype", tree["dtype"], ("float32", "float64")),
        device=_one_of("device", tree["device"], ("auto", "cpu", "gpu", "tpu")),
        trace=_trace(tree["trace"]),
        store=_store(tree["store"], run_columns([*grid, *draws], stop)),
        wandb=_wandb(tree["wandb"]),
        report=flag("report", tree["report"]),
        executor=executor(tree["executor"]),
        prepare=flag("run.prepare", tree["run"]["prepare"]),
        sweep=tree.get("sweep"),
        config=_plain({key: node for key, node in tree.items() if key != "executor"}),
    )
    if checked.dtype == "float32":
        _fits_float32(checked)
    return checked


def _known_keys(tree: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raises UsageError for a key too many or too few."""
    known = [*defaults, "+sweep"]
    for key in tree:
        if key not in defaults and key != "sweep":
            hint = nearest(str(key), known) or "; python -m gdexp --help names the keys"
            raise UsageError(f"there is no key {key!r}{hint}")
    for section, default in defaults.items():
        if section not in tree:
            raise UsageError(f"the key {section} is missing")
        removed = tree[section] is None and section in ("grid", "draw")
        if isinstance(default, Mapping) and not isinstance(tree[section], Mapping) and not removed:
            first = next(iter(default), "learning_rate")
            raise UsageError(
                f"{section}={shown(tree[section])} holds no keys: type {section}.{first}=VALUE"
            )
    for section in SECTIONS:
        for key in tree[section]:
            if key not in defaults[section]:
                hint = nearest(str(key), defaults[section])
                raise UsageError(f"there is no key {section}.{key}{hint}")
        for key in defaults[section]:
            if key not in tree[section]:
                raise UsageError(f"the key {section}.{key} is missing")


def _optimizer(
    name: str, card: Mapping[str, Any], keys: Sequence[str], singles: Mapping[str, Card]
) -> Card:
    """An optimizer's card; a null that an axis gives a value is a number of every run."""
    numbers = numbers_of(card)
    for key in keys:
        owner, _, last = key.rpartition(".")
        if last in card and owner in ("", name):
            numbers.setdefault(last, float("nan"))  # each run's own value takes its place
    schedule = singles["schedule"].name
    if schedule != "constant" and "learning_rate" not in numbers:
        raise UsageError(f"schedule={schedule} needs a learning rate, and {name} has none")
    return _split(name, card, numbers)


def _single(group: str, node: Mapping[str, Any]) -> Card:
    name = node.get("name")
    card = cards.card(group, name, node)
    return _split(name, card, numbers_of(card))


def _split(name: str, card: Mapping[str, Any], numbers: Mapping[str, float]) -> Card:
    """What is no number of a card is its structure."""
    return Card(name, {k: v for k, v in card.items() if k not in numbers}, numbers)


def _start(node: Mapping[str, Any], objectives: Mapping[str, Objective]) -> Start:
    name = node.get("name")
    card = cards.card("start", name, node)
    for key in ("low", "high", "point"):
        if card.get(key) is not None:
            card[key] = axes.bound(f"start.{key}", card[key])
    if not isinstance(card.get("along"), str | None):
        card["along"] = axes.rows("start.along", card["along"])
    if card.get("points") is not None:
        card["points"] = axes.points(card["points"])
    sampler = catalogue.kinds("start")[name](**card)
    for objective in objectives.values():
        sampler.check(objective.space())
    return sampler


def executor(node: Mapping[str, Any]) -> Executor:
    """Where a sweep runs, by the card of one; UsageError if it is not there, or wrong."""
    name = node.get("name")
    card = cards.card("executor", name, node)
    made = catalogue.kinds("executor")[name](**card)
    made.check()
    return made


def _stop(node: Mapping[str, Any]) -> Stop:
    def optional(key: str) -> float | None:
        off = node[key] is None or node[key] == "off"
        return None if off else number(f"stop.{key}", node[key])

    f_tol = optional("f_tol")
    if f_tol is not None and f_tol <= 0:
        raise UsageError("stop.f_tol must be above 0; stop.f_tol=null turns it off")
    targets = [] if node["targets"] is None else node["targets"]
    if not isinstance(targets, Sequence) or len(targets):
        targets = axis("stop.targets", targets).tolist()
    return Stop(
        max_steps=whole("stop.max_steps", node["max_steps"]),
        grad_tol=number("stop.grad_tol", node["grad_tol"], low=0),
        f_tol=f_tol,
        escape_radius=number("stop.escape_radius", node["escape_radius"], above=0),
        max_value=optional("max_value"),
        targets=tuple(targets),
    )


def _trace(node: Mapping[str, Any]) -> Trace:
    every, runs = whole("trace.every", node["every"]), node["runs"]
    metrics = _metrics(node["metrics"])
    if metrics and not every:
        raise UsageError("trace.metrics needs how finely: type trace.every=1")
    if runs == "all":
        return Trace(every, None, metrics)
    runs = runs if isinstance(runs, Sequence) and not isinstance(runs, str) else [runs]
    numbers = tuple(sorted({whole("trace.runs", run, high=2**62) for run in runs}))
    if not every or not numbers:
        raise UsageError("trace.runs needs runs and how finely: type trace.runs=[0] trace.every=1")
    return Trace(every, numbers, metrics)


def _metrics(given: Any) -> tuple[str, ...]:
    given = [given] if isinstance(given, str) else [] if given is None else given
    if not isinstance(given, Sequence):
        raise UsageError(f"trace.metrics={shown(given)}: type trace.metrics=[sharpness]")
    for name in given:
        if name not in (known := catalogue.metrics()):
            hint = nearest(str(name), known) or f": type some of {', '.join(known)}"
            raise UsageError(f"there is no metric {shown(name)}{hint}")
    return tuple(dict.fromkeys(given))


def _store(node: Mapping[str, Any], every: Collection[str]) -> Store:
    kept = node["columns"]
    if kept is None:
        return Store(None)
    kept = [kept] if isinstance(kept, str) else kept
    if not isinstance(kept, Sequence) or not len(kept):
        raise UsageError(
            f"store.columns={shown(kept)} names no column: type store.columns=[outcome,steps], or "
            "store.columns=null to keep all"
        )
    for name in kept:
        if name not in every:
            hint = nearest(str(name), every) or f": there are {', '.join(every)}"
            raise UsageError(f"store.columns: runs have no column {shown(name)!r}{hint}")
    return Store(tuple(dict.fromkeys(kept)))


def _wandb(node: Mapping[str, Any]) -> Wandb:
    tags = node["tags"] or []
    tags = tags if isinstance(tags, list | tuple) else [tags]
    project = _text("wandb.project", node["project"])
    if not project:
        raise UsageError("wandb.project needs a name: type wandb.project=gdexp")
    return Wandb(
        mode=_one_of("wandb.mode", node["mode"], ("offline", "online", "disabled")),
        project=project,
        name=_text("wandb.name", node["name"]),
        group=_text("wandb.group", node["group"]),
        tags=tuple(_text("wandb.tags", tag) or "null" for tag in tags),
    )


def _text(key: str, value: Any) -> str | None:
    """A text; what YAML reads as a number is one."""
    if value is not None and not isinstance(value, str | int | float):
        raise UsageError(f"{key}={shown(value)} is not a text: type {key}=NAME")
    return None if value is None else str(value)


def _fits_float32(checked: Experiment) -> None:
    """Raises UsageError for a number that would be infinite in float32."""
    owners = [*checked.objectives.values(), *checked.optimizers.values()]
    owners += checked.singles.values()
    held = {key: value for owner in owners for key, value in owner.numbers.items()}
    for name, objective in checked.objectives.items():
        held[f"objective.{name}.formula"] = getattr(objective, "constants", ())
    for section in ("stop", "start"):
        held |= {f"{section}.{k}": v for k, v in vars(getattr(checked, section)).items()}
    held |= {key: (draw.a, draw.b) for key, draw in checked.draw.items()} | dict(checked.grid)
    for key, value in held.items():
        named = value is None or isinstance(value, str)
        size = 0.0 if named else np.max(np.abs(np.asarray(value, np.float64)), initial=0)
        if size > LARGEST:
            raise UsageError(f"{key} reaches {size:g}, beyond float32: type dtype=float64")


def _one_of(key: str, value: Any, allowed: Sequence[str]) -> Any:
    if value not in allowed:
        raise UsageError(f"{key}={shown(value)} is not one of {', '.join(allowed)}")
    return value


def _plain(value: Any) -> Any:
    """A tree of plain Python values, as YAML can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # an array or a number of numpy, JAX, pandas
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return _plain(dataclasses.asdict(value))
    return value
