"""The plain tree of an experiment: its defaults, and what Python callers ask for."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Mapping, Sequence
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
