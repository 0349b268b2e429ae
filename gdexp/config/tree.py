"""The plain tree of an experiment: its defaults, and what Python callers ask for."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from gdexp.base import UsageError, nearest
from gdexp.config import catalogue

NAMES = re.compile(r"\[?\s*[A-Za-z_]\w*(\s*,\s*[A-Za-z_]\w*)*\s*\]?")
FILE = re.compile(r".+\.py(:\w*)?")
GROUPS = ("objective", "optimizer", *catalogue.SINGLE)


@functools.cache
def _defaults() -> dict[str, Any]:
    tree = OmegaConf.to_container(OmegaConf.load(catalogue.conf_directory() / "config.yaml"))
    chosen = {
        k: v for entry in tree.pop("defaults") if isinstance(entry, dict) for k, v in entry.items()
    }
    tree.pop("hydra")
    return {group: choose(group, chosen[group]) for group in GROUPS} | tree


def defaults() -> dict[str, Any]:
    """The default experiment: conf/config.yaml with its cards, without Hydra's own section."""
    return copy.deepcopy(_defaults())


def choose(group: str, names: str | Sequence[str]) -> dict[str, Any]:
    """The node of a group with the cards of `names`, at their defaults."""
    node: dict[str, Any] = {}
    for name in [names] if isinstance(names, str) else names:
        catalogue.pick(group, name)
        if group == "optimizer":
            node[name] = catalogue.optimizer_card(name)
        else:
            node |= catalogue.cards()[group, name]
    return copy.deepcopy(node)


def objective_kind(text: str) -> str:
    """What `objective=TEXT` means: "names", a function in a "file", or a formula: "expr"."""
    if NAMES.fullmatch(text.strip()):
        return "names"
    return "file" if FILE.fullmatch(text.strip()) else "expr"


def split_names(text: str) -> list[str]:
    """`a,b` or `[a,b]` as a list of names."""
    return [name.strip(" '\"") for name in text.strip().strip("[]").split(",")]


def objective(value: Any) -> dict[str, Any]:
    """The node of a name, of names, of cards, of a formula, or of a function in a file."""
    if not isinstance(value, str):
        return several("objective", value)
    kind = objective_kind(value)
    if kind == "names":
        return several("objective", split_names(value))
    what = "path" if kind == "file" else "formula"
    return several("objective", {kind: {what: value}})


def several(group: str, value: Any) -> dict[str, Any]:
    """The cards of a name, of names, or of {name: {key: value}}."""
    if isinstance(value, str):
        value = split_names(value)
    names = list(value) if isinstance(value, Iterable) else [value]
    cards = list(value.values()) if isinstance(value, Mapping) else [None] * len(names)
    plain = all(isinstance(card, Mapping | None) for card in cards)
    if not plain or not all(isinstance(name, str) for name in names):
        raise UsageError(
            f"{group}={value!r} is not a name: write {group}='NAME', ['NAME', 'NAME'] or "
            f"{{'NAME': {{'KEY': VALUE}}}}"
        )
    if len(set(names)) < len(names):
        raise UsageError(f"{group}={value!r} names one twice")
    node = choose(group, names)
    for name, card in zip(names, cards, strict=True):
        node[name] |= card or {}
    return node


def single(group: str, value: Any) -> dict[str, Any]:
    """The node of a group of which one is chosen."""
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, Mapping) or len(value) != 1:
        kinds = ", ".join(catalogue.choices(group))
        raise UsageError(f"{group} is one name, or {{'NAME': {{'KEY': VALUE}}}}, of {kinds}")
    [(name, card)] = value.items()
    if not isinstance(card, Mapping | None):
        raise UsageError(f"{group}: write {{{name!r}: {{'KEY': VALUE}}}}, not {value!r}")
    return choose(group, name) | dict(card or {})


def from_keys(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults, changed by config keys whose dots are written `_`: `stop_max_steps=2000`."""
    tree = defaults()
    known = {key: (key,) for key in tree if key not in GROUPS}
    for section, node in tree.items():
        if section not in GROUPS and isinstance(node, dict):
            known |= {f"{section}_{key}": (section, key) for key in node}
    for key, value in keys.items():
        if key not in known:
            raise UsageError(f"there is no keyword {key!r}{nearest(key, known)}")
        *parents, last = known[key]
        node = tree
        for parent in parents:
            node = node[parent]
        if isinstance(node[last], dict) and isinstance(value, Mapping):
            value = node[last] | dict(value)  # stop={"max_steps": 10} leaves the rest as it is
        node[last] = value
    return tree
