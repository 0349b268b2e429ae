"""A window of a sweep at a higher resolution: the same experiment with some axes replaced."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from gdexp.base import UsageError, nearest
from gdexp.config import axes, check, tree
from gdexp.experiment import Experiment
from gdexp.results import Results

Window = Mapping[str, "tuple[float, float] | float"]  # axis -> its new ends, or one value


def experiment(results: Results, window: Window, num: int | None = None) -> Experiment:
    """The experiment that runs `window` of a sweep again.

    Args:
      results: of the sweep.
      window: KEY of the grid, or axis of start=grid or start=plane (`x0_0`) -> its new ends, or
        one value. Other axes stay as they are.
      num: places along each axis of the grid that has new ends, and along all axes of the starts
        if one of these has; None: as many as there were.

    Raises:
      UsageError: there is no such axis; objectives with domains of their own have no one window; an
        axis of the starts has one value.
    """
    before = results.experiment
    config = copy.deepcopy(dict(results.config))
    config["grid"] = axes.flat(config["grid"])
    config["trace"] = tree.defaults()["trace"]  # its runs are others now
    starts = {name: i for i, name in enumerate(_start_axes(before, window))}
    for name in window:
        if name not in (*before.grid, *starts):
            known = [*before.grid, *starts]
            raise UsageError(
                f"there is no axis {name!r} to zoom into{nearest(name, known)} "
                f"(there: {', '.join(known) or 'none'})"
            )
    for key in before.grid:
        if key in window:
            config["grid"][key] = _values(before.grid[key], window[key], num)
    if set(starts) & set(window):
        config["start"] = config["start"] | _box(before, starts, window, num)
    asked = check.experiment(config, tree.defaults(), before.objectives)
    return dataclasses.replace(asked, executor=before.executor)


def _start_axes(before: Experiment, window: Window) -> dict[str, np.ndarray]:
    """The axes of the starts."""
    first, *others = [before.start.axes(one.space()) for one in before.objectives.values()]
    touched = set(first) & set(window)
    for one in others:
        if touched and not all(np.array_equal(first[name], one.get(name)) for name in first):
            raise UsageError(
                f"{', '.join(before.objectives)} have domains of their own: zoom into a sweep of "
                "one objective"
            )
    for name in touched:
        if np.ndim(window[name]) == 0:
            raise UsageError(f"{name} is an axis of the starts: give it two ends")
    return first


def _values(old: np.ndarray, new: Any, num: int | None) -> Any:
    """An axis with new ends, spaced as it was: geometrically, or evenly."""
    if np.ndim(new) == 0:
        return [float(new)]
    low, high = map(float, new)
    count = len(old) if num is None else num
    geometric = len(old) > 2 and min(old.min(), low) > 0
    geometric = geometric and np.allclose(np.diff(np.log(old)), np.log(old[1] / old[0]))
    return {"geomspace" if geometric else "linspace": [low, high, count]}


def _box(
    before: Experiment, starts: Mapping[str, int], window: Window, num: int | None
) -> dict[str, Any]:
    """The corners of the starts' box, and how many cells it has a side."""
    old = _start_axes(before, window)
    half = [(values[-1] - values[0]) / max(len(values) - 1, 1) / 2 for values in old.values()]
    low = [float(values[0] - h) for values, h in zip(old.values(), half, strict=True)]
    high = [float(values[-1] + h) for values, h in zip(old.values(), half, strict=True)]
    for name in set(starts) & set(window):
        low[starts[name]], high[starts[name]] = map(float, window[name])
    return {"low": low, "high": high} | ({} if num is None else {"num": num})
