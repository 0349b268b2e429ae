"""Sweeps read as plain data, and checked before Hydra composes them.

./conf may have come with someone else's project, and Hydra runs what a `hydra:` section or a card
of the search path names. So nothing of a user's folder is on that path: only the sweep asked for is
read, by a loader that knows no code, and only keys of an experiment may stand in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from yaml import YAMLError

from gdexp.base import UsageError, nearest
from gdexp.config import catalogue, tree

PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
OVERRIDE = re.compile(rf"override\s+/({'|'.join(tree.GROUPS)})")


def nodes(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The user's sweeps among `names` and what these build upon: name -> what Hydra is to compose.

    This package's own are read too, and left out: Hydra finds them in its catalogue.

    Raises:
      UsageError: a file is no YAML, or holds what no sweep holds.
    """
    found: dict[str, dict[str, Any]] = {}
    own = catalogue.conf_directory().resolve()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _read(catalogue.sweeps()[catalogue.pick("sweep", name)])
            bases = found[name]["defaults"]
            waiting += [base for base in bases if isinstance(base, str) and base != "_self_"]
    return {name: n for name, n in found.items() if own not in catalogue.sweeps()[name].parents}


def _read(path: Path) -> dict[str, Any]:
    try:
        header = PACKAGE.search(path.read_text(encoding="utf-8"))
        node = OmegaConf.to_container(OmegaConf.load(path))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(f"{path}{place}: {getattr(error, 'problem', 'it is not YAML')}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if header and header[1] != "_global_":
        raise UsageError(f"{path}: a sweep begins with the line # @package _global_")
    if not isinstance(node, Mapping):
        raise UsageError(f"{path}: a sweep is lines of KEY: VALUE")
    _check_keys(path, node)
    entries = node.setdefault("defaults", [])
    _check_bases(path, entries)
    if "_self_" not in entries:  # what a sweep says itself comes after what it builds upon
        entries.sort(key=lambda entry: isinstance(entry, dict))
        entries.insert(sum(isinstance(entry, str) for entry in entries), "_self_")
    return node


def _check_keys(path: Path, node: Mapping[str, Any]) -> None:
    defaults = tree.defaults()
    for key, value in node.items():
        if key == "defaults":
            continue
        if key == "hydra":
            raise UsageError(f"{path}: hydra: is not for sweeps; type hydra.run.dir=DIR")
        if key not in defaults:
            hint = nearest(str(key), defaults) or "; python -m gdexp --help names the keys"
            raise UsageError(f"{path}: there is no key {str(key)!r}{hint}")
        removed = value is None and key in ("grid", "draw")
        if isinstance(defaults[key], dict) and not isinstance(value, Mapping) and not removed:
            raise UsageError(f"{path}: {key} takes lines of KEY: VALUE, indented")
    own = node.get("objective", {}).get("file")
    if isinstance(own, Mapping) and own.get("path") is not None:
        # to name a file is to run it: a config someone shared cannot
        raise UsageError(f"{path}: a file is named where it is run: type objective=./mine.py:f")


def _check_bases(path: Path, entries: Any) -> None:
    """The defaults list: choices of cards, and sweeps to build upon."""
    for entry in entries if isinstance(entries, list) else [entries]:
        if entry == "_self_" or (isinstance(entry, str) and entry in catalogue.sweeps()):
            continue
        [(key, names)] = (
            entry.items() if isinstance(entry, dict) and len(entry) == 1 else [("", "")]
        )
        group = OVERRIDE.fullmatch(str(key))
        if not group or not isinstance(entries, list):
            raise UsageError(
                f"{path}: defaults holds lines such as '- override /optimizer: [adam]', "
                f"'- _self_' and names of sweeps, not {entry!r}"
            )
        for name in names if isinstance(names, list) else [names]:
            catalogue.pick(group[1], name)
