"""Which names there are, and their cards. Everything is found by looking, nothing is listed."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gdexp import base, executor, gradients, schedules, starts
from gdexp.config import plugins
from gdexp.experiment import SINGLES

# Groups of which one card is chosen -> what each of their files defines
SINGLE: Mapping[str, type] = {
    "schedule": schedules.Schedule,
    "gradient": gradients.Gradient,
    "start": starts.Start,
    "executor": executor.Executor,
}
NUMBERED = ("objective", "optimizer", *SINGLES)  # groups whose cards hold numbers

# Cards of objectives that are not files of the package: a formula, and a function in a file.
USER_CARDS: Mapping[str, Mapping[str, Any]] = {
    "expr": {"formula": None, "variables": None, "parameters": {}, "low": -5.0, "high": 5.0},
    "file": {"path": None, "dim": None, "parameters": {}, "low": -5.0, "high": 5.0},
}


def conf_directory() -> Path:
    """The folder of the catalogue: inside an installed package, beside it in a checkout."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "conf"


def sweep_directories() -> list[Path]:
    """The folders whose sweep/ may hold deltas: this package's, ./conf and $GDEXP_CONF."""
    own = [Path.cwd() / "conf"]
    if named := os.environ.get("GDEXP_CONF"):
        own.append(Path(named).expanduser())
        if not own[-1].is_dir():
            raise base.UsageError(f"GDEXP_CONF={named} is no folder: name one that holds sweep/")
    package = conf_directory().resolve()
    return [package] + [d.resolve() for d in own if d.is_dir() and d.resolve() != package]


@functools.cache
def objectives() -> dict[str, type[base.Objective]]:
    """Objectives by name: this package's own, and those that installed packages add."""
    own = base.discover("gdexp.objectives", base.Objective)
    return dict(sorted({**plugins.objectives().found, **own}.items()))


@functools.cache
def kinds(group: str) -> dict[str, type]:
    """Starts, or schedules, ..., by name."""
    return base.discover(f"gdexp.{group}s", SINGLE[group])


def optimizer_path(name: str) -> Path:
    """The file of an optimizer's card."""
    return conf_directory() / "optimizer" / f"{name}.yaml"


@functools.cache
def optimizer_card(name: str) -> dict[str, Any]:
    """An optimizer's card."""
    return OmegaConf.to_container(OmegaConf.load(optimizer_path(name)))[name]


def header(path: Path) -> str:
    """The first comment of a card or sweep that is not Hydra's own."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    comments = (line[1:].strip() for line in lines if line[:1] == "#")
    return next((c for c in comments if c and not c.startswith("@package")), "")


def sweeps() -> dict[str, Path]:
    """Sweeps by name: sweep/NAME.yaml of each folder, this package's first."""
    return {
        path.stem: path
        for folder in reversed(sweep_directories())
        for path in sorted((folder / "sweep").glob("*.yaml"))
        if path.is_file()
    }


def choices(group: str) -> list[str]:
    """The names that GROUP=NAME takes."""
    return {
        "objective": lambda: [*objectives(), *USER_CARDS],
        "optimizer": lambda: sorted(p.stem for p in optimizer_path("").parent.glob("*.yaml")),
        "sweep": lambda: list(sweeps()),
        **{single: lambda: list(kinds(group)) for single in SINGLE},
    }[group]()


def pick(group: str, name: Any) -> str:
    """`name`, if GROUP=NAME takes it.

    Raises:
      UsageError: it does not; the message says the nearest that it takes.
    """
    known = choices(group)
    if group == "objective" and name not in known and name in plugins.objectives().broken:
        raise base.UsageError(plugins.objectives().broken[name])
    if name not in known:
        few = f": there are {', '.join(known[:12])}"
        hint = base.nearest(str(name).lower(), known) or few
        raise base.UsageError(
            f"there is no {group} {str(name)!r}{hint} (python -m gdexp list {group}s)"
        )
    return name


def card(group: str, name: str) -> dict[str, Any]:
    """The card of a name: its keys and their defaults."""
    if group == "optimizer":
        return optimizer_card(name)
    node = cards()[group, name]
    node = node[name] if group == "objective" else node
    return {key: value for key, value in node.items() if key != "name"}


def types(group: str, name: str) -> dict[str, str]:
    """The types of a card's values, as they are written, where it is a class."""
    if group == "optimizer" or (group == "objective" and name in USER_CARDS):
        return {}
    cls = objectives()[name] if group == "objective" else kinds(group)[name]
    return {field.name: str(field.type) for field in dataclasses.fields(cls)}


def type_of(key: str) -> type | None:
    """What `objective.NAME.KEY` takes: a text (str), a list (tuple); None where it is a number."""
    group, _, rest = key.partition(".")
    name, _, last = rest.partition(".")
    if group != "objective" or name not in objectives() or not last:
        return None
    if types(group, name).get(last) in ("str", "<class 'str'>", "str | None"):
        return str
    return tuple if isinstance(card(group, name).get(last), tuple | list) else None


def holders(group: str, key: str) -> list[str]:
    """The names of a group whose card has `key`."""
    return [name for name in choices(group) if key in card(group, name)]


def cards() -> dict[tuple[str, str], dict[str, Any]]:
    """Every card that lives in Python: (group, name) -> the node Hydra composes."""
    found = {("objective", n): {n: base.card_of(c)} for n, c in objectives().items()}
    found |= {("objective", n): {n: dict(card)} for n, card in USER_CARDS.items()}
    for group in SINGLE:
        found |= {(group, n): {"name": n, **base.card_of(c)} for n, c in kinds(group).items()}
    return found


@functools.cache
def metrics() -> tuple[str, ...]:
    """Metrics of a recorded state: the files there are, none of which is imported."""
    folder = importlib.util.find_spec("gdexp.metrics").submodule_search_locations
    return tuple(sorted(module.name for module in pkgutil.iter_modules(folder)))
