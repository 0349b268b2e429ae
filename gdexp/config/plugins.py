"""Objectives that installed packages add, by the entry point `gdexp.objectives`.

In a package's pyproject.toml, NAME is what `objective=NAME` selects:

    [project.entry-points."gdexp.objectives"]
    NAME = "their_package.module:Class"
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from gdexp import environment
from gdexp.base import Objective

NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class Plugins(NamedTuple):
    """What was found: no package that is broken keeps others from being used."""

    found: dict[str, type[Objective]]
    broken: dict[str, str]  # name -> what is wrong, and with which package


@functools.cache
def objectives() -> Plugins:
    """The objectives that packages add to this package's own."""
    plugins = Plugins({}, {})
    for point in environment.entry_points():
        try:
            plugins.found[point.name] = _checked(point, plugins.found)
        except Exception as error:  # whatever importing it raises
            plugins.broken[point.name] = (
                f"{point.name} of {point.dist.name} {point.dist.version} cannot be used: "
                f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]:.100}"
            )
    return plugins


def _checked(point: Any, others: Collection[str]) -> type[Objective]:
    if not NAME.fullmatch(point.name):
        raise ValueError("its name is no word of letters and digits")
    if point.name in others:
        raise ValueError("another package has an objective of that name")
    found = point.load()
    if not (isinstance(found, type) and issubclass(found, Objective)):
        raise TypeError(f"{point.value} is no gdexp.base.Objective")
    return found
