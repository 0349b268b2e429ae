"""Kinds of figure: one file each, whose `draw(results, ...)` gives a `Drawing` of some results."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gdexp.analysis import maps
from gdexp.analysis.counts import OUTCOMES, places
from gdexp.base import Outcome, UsageError, nearest
from gdexp.drawing import Drawing
from gdexp.plan import Group

if TYPE_CHECKING:
    from gdexp.answers import Answers

MOST_RUNS = 2**19  # of a group that are in memory for a figure together: of more, a sample


@functools.cache
def kinds() -> tuple[str, ...]:
    """The kinds of figure: the files there are, none of which is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def of(kind: str) -> Callable[..., Drawing]:
    """What makes figures of a kind.

    Raises:
      UsageError: there is no such kind.
    """
    if kind not in kinds():
        raise UsageError(
            f"there is no figure {kind!r}{nearest(kind, kinds())} (there: {', '.join(kinds())})"
        )
    return importlib.import_module(f"gdexp.figures.{kind}").draw


def sampled(results: Answers, objective: str) -> str:
    """What is told of a figure of which the runs are a sample; nothing, where they are all."""
    counts = [g.count for g in results.plan.groups if g.objective_name == objective]
    if max(counts) <= MOST_RUNS:
        return ""
    return f" Of each optimizer a sample of {MOST_RUNS:,} runs."


def one_objective(results: Answers, objective: str | None) -> str:
    """The name of the objective that a figure is of, needed where there are several.

    Raises:
      UsageError: there is no such objective, or several and none is named.
    """
    names = list(dict.fromkeys(group.objective_name for group in results.plan.groups))
    if objective is None and len(names) > 1:
        raise UsageError(f"this figure is of one objective: choose of {', '.join(names)}")
    if objective not in (None, *names):
        hint = nearest(objective, names)
        raise UsageError(f"there is no objective {objective!r}{hint} (there: {', '.join(names)})")
    return objective or names[0]


def outcomes_along(
    results: Answers, group: Group, along: maps.Axis
) -> tuple[np.ndarray, dict[Outcome, np.ndarray]]:
    """How many runs of a group there are at each place that an axis has [n], and of each outcome
    [n]."""
    count = len(along.values)
    ran, ended = np.zeros(count, int), np.zeros((len(OUTCOMES), count), int)
    for _, tile, table in results.tiles("outcome", group=group):
        place = along.places(tile.runs)
        here = place >= 0
        ran += np.bincount(place[here], minlength=count)
        np.add.at(ended, (places(table["outcome"], OUTCOMES)[here], place[here]), 1)
    return ran, dict(zip(OUTCOMES, ended, strict=True))


def minima_of(results: Answers, group: Group) -> list[dict[str, Any]]:
    """The stationary points of a group's objective, best value first."""
    rows = results.minima.to_pylist()
    return [row for row in rows if row["objective"] == group.objective_name]


class Plots:
    """The figures of some results, as Plotly's: `results.plot.outcome_map()`, ...

    Example:
      >>> import gdexp
      >>> found = gdexp.sweep("parabola", grid={"learning_rate": [0.1, 1.5]})
      >>> dir(found.plot)[:4]
      ['animate', 'basins', 'curves', 'outcome_map']
      >>> found.plot.outcome_map().layout.title.text
      'Outcomes by learning_rate: parabola × sgd'
    """

    def __init__(self, results: Answers):
        self._results = results

    def __dir__(self) -> list[str]:
        return [*kinds()]

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        if kind.startswith("_"):
            raise AttributeError(kind)
        draw = of(kind)

        @functools.wraps(draw)
        def figure(*args: Any, **options: Any) -> Any:
            from gdexp.rendering import in_plotly  # late: it takes half a second

            return in_plotly.figure(draw(self._results, *args, **options))

        return figure
