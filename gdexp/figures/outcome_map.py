"""What came of runs, over two axes of the sweep or over one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from gdexp.analysis.maps import Map, axis
from gdexp.base import Outcome
from gdexp.drawing import Axis, Bars, Cells, Drawing, colour_of, series
from gdexp.figures import outcomes_along

if TYPE_CHECKING:
    from gdexp.answers import Answers

MOST = 256  # places along a side


def draw(
    results: Answers,
    x: str | None = None,
    y: str | None = None,
    value: str = "outcome",
    objective: str | None = None,
    optimizer: str | None = None,
    **where: float,
) -> Drawing:
    """The outcome at each place of two axes, or any other value that `results.map` knows.

    Without `x` it is the learning rate, where that is an axis of several values, or else the first
    such axis; without `y` the next, or the starts. Where one axis is all there is, bars show the
    shares of the outcomes at each of its values. Of more than 256 places along a side every
    so-manyth is shown.

    Args and errors are those of `results.map`.
    """
    group = results.group(objective, optimizer)
    which = {"objective": group.objective_name, "optimizer": group.optimizer.name}
    known = [key for one in group.axes for key in one.keys if one.values.shape[1] > 1]
    known.sort(key=lambda key: key != "learning_rate")
    known += list(group.start.axes(group.space)) or ["start"] * (group.starts > 1)
    known += ["replicate"] * (group.replicates > 1)
    known += [key for one in group.axes for key in one.keys if key not in known]
    x = x or next((key for key in known if key != y), "start")
    y = y or next((key for key in known if _apart(group, key, x)), None)
    title = f"{group.objective_name} × {group.optimizer.name}"
    if y is None:
        return _shares(results, group, x, title)
    return _cells(results.map(x, y, value, **which, most=MOST, **where), title)


def _apart(group: Any, key: str, other: str) -> bool:
    """Whether two keys are of different axes."""
    return key != other and not any({key, other} <= set(axis.keys) for axis in group.axes)


def _cells(shown: Map, title: str) -> Drawing:
    x, y, value = shown.x, shown.y, shown.value
    names, colours = shown.names, ()
    if names is not None:
        colours = tuple(
            colour_of(name) if name in set(Outcome) else series(i) for i, name in enumerate(names)
        )
    log = names is None and shown.value_name not in Outcome and _wide(value)
    what = shown.value_name.capitalize()
    held = "".join(f", {key} = {at:g}" for key, at in shown.held.items())
    left = (
        ""
        if value.shape == shown.full
        else (
            f" Every so-manyth place is shown: {len(y)} × {len(x)} of "
            f"{shown.full[0]:,} × {shown.full[1]:,}."
        )
    )
    several = (
        " Where several runs have one place it is what most of them have."
        if ((shown.runs > 1).any() and names is not None)
        else ""
    )
    return Drawing(
        title=f"{what} by {shown.x_name} and {shown.y_name}: {title}{held}",
        told=f"{int(shown.runs.sum()):,} runs.{several}{left}",
        x=Axis(shown.x_name, log=spaced(x)),
        y=Axis(shown.y_name, log=spaced(y)),
        marks=(Cells(x, y, value, shown.value_name, names, colours, log),),
        data=_table(x, y, value, shown),
    )


def spaced(values: np.ndarray) -> bool:
    """Whether an axis is better shown by its logarithm."""
    if len(values) < 2 or not (values > 0).all():
        return False
    even = np.ptp(np.diff(np.log(values))), np.ptp(np.diff(values)) / np.ptp(values)
    return bool(values.max() / values.min() > 20 or (even[0] < 1e-6 < even[1]))


def _wide(value: np.ndarray) -> bool:
    there = value[np.isfinite(value) & (value > 0)]
    return bool(len(there) and there.max() / there.min() > 100)


def _shares(results: Answers, group: Any, x: str, title: str) -> Drawing:
    """The shares of outcomes along one axis."""
    along = axis(group, x, MOST)
    ran, ended = outcomes_along(results, group, along)
    values, found = along.values, {}
    marks, below = [], np.zeros(len(values))
    for outcome, count in ended.items():
        found[str(outcome)] = share = count / np.maximum(ran, 1)
        if share.any():
            marks.append(Bars(share, None, None, str(outcome), colour_of(outcome), below))
        below = below + share
    left = (
        f" Every so-manyth place is shown: {len(values)} of {along.count:,}."
        if len(values) < along.count
        else ""
    )
    return Drawing(
        title=f"Outcomes by {x}: {title}",
        told=f"{ran.sum():,} runs, the share of each outcome.{left}",
        x=Axis(x, names=tuple(f"{v:.4g}" for v in values)),
        y=Axis("share of runs", range=(0.0, 1.0)),
        marks=tuple(marks),
        data=pa.table({x: values, **found}),
    )


def _table(x: np.ndarray, y: np.ndarray, value: np.ndarray, shown: Map) -> pa.Table:
    down, across = np.meshgrid(y, x, indexing="ij")
    flat = value.ravel()
    if shown.names is not None:
        flat = np.array([*shown.names, None], object)[flat.astype(int)]
    return pa.table(
        {shown.x_name: across.ravel(), shown.y_name: down.ravel(), shown.value_name: flat}
    )
