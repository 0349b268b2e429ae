"""Which minimum each starting point leads to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from gdexp import surface
from gdexp.analysis.counts import OUTCOMES, places
from gdexp.analysis.maps import Axis as MapAxis
from gdexp.analysis.maps import axis, place_of
from gdexp.base import UsageError
from gdexp.drawing import (
    BLACK,
    GREY,
    VERMILION,
    Axis,
    Bars,
    Cells,
    Drawing,
    Line,
    Mark,
    series,
)
from gdexp.figures import minima_of
from gdexp.plan import Group
from gdexp.random import thinned

if TYPE_CHECKING:
    from gdexp.answers import Answers

MOST = 256  # starts along a side of a map, and
MOST_POINTS = 4000  # of them, one by one
NAMED = 12  # minima that have names of their own


def draw(
    results: Answers,
    objective: str | None = None,
    optimizer: str | None = None,
    **where: float,
) -> Drawing:
    """The starting points by the minimum to which they led, over an objective's level lines.

    Starts on a lattice (start=grid, start=plane) fill a map; other starts are points. In one
    dimension they lie on the curve. In more than two, without a lattice, bars show which share of
    the runs came to each minimum. Shown are the runs at one point of the other axes: where most
    converge, or that nearest to the values given.

    Args:
      results: of a sweep, with labels.
      objective: which, where there are several.
      optimizer: which, where there are several.
      **where: values of other axes (`.` written `__`).

    Raises:
      UsageError: there are no labels, or no such axis or value.
    """
    if not results.has_labels:
        raise UsageError("basins need labels: leave x and outcome in store.columns")
    group = results.group(objective, optimizer)
    point, held = _point(results, group, {k.replace("__", "."): v for k, v in where.items()})
    lattice = list(group.start.axes(group.space))
    shown = [axis(group, name, MOST) for name in lattice if len(lattice) == 2]
    runs, minimum, lost, count = _ends(results, group, point, shown)
    names = _names(results, group, minimum)
    colours = (VERMILION, GREY, *(series(i) for i in range(len(names) - 2)))
    code = np.where(lost, 0, np.where(minimum < 0, 1, np.minimum(minimum + 2, len(names) - 1)))
    title = f"Basins: {group.objective_name} × {group.optimizer.name}{held}"
    told = f"{count:,} starting points by the minimum to which they led."
    if shown:
        return _map(group, runs, code, lattice, shown, names, colours, title, told)
    if group.space.dim <= 2:
        return _points(results, group, runs, code, names, colours, title, told, count)
    return _bars(results, group, title)


def _tiles(results: Answers, group: Group) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each tile of a group: its runs [N], their minima (−1: none), whether they diverged."""
    diverged = OUTCOMES.index("diverged")
    labelled = results.labelled_tiles(group)
    for (_, tile, labels), (_, _, table) in zip(
        labelled, results.tiles("outcome", group=group), strict=True
    ):
        minimum = np.asarray(labels["minimum_id"].combine_chunks().fill_null(-1))
        yield tile.runs, minimum, places(table["outcome"], OUTCOMES) == diverged


def _point(results: Answers, group: Group, where: dict[str, float]) -> tuple[int, str]:
    """Of which point of the other axes the runs are shown, and what is told of it."""
    each = group.starts * group.replicates
    alongs = {key: axis(group, key) for key in where}
    at = {key: place_of(alongs[key], key, value) for key, value in where.items()}
    points = group.count // each
    came, there = np.zeros(points, int), np.zeros(points, bool)
    for runs, minimum, _ in _tiles(results, group):
        here = np.ones(len(runs), bool)
        for key, along in alongs.items():
            here &= along.places(runs) == at[key]
        point = (runs[here] - group.first) // each
        came += np.bincount(point[minimum[here] >= 0], minlength=points)
        there[point] = True
    ties = np.flatnonzero(there & (came == came[there].max()))
    best = int(ties[len(ties) // 2])
    keys = [key for one in group.axes for key in one.keys]
    found = group.keys(np.array([group.first + best * each]), keys)
    return best, "".join(f", {key} = {found[key][0]:.4g}" for key in keys)


def _ends(
    results: Answers, group: Group, point: int, shown: list[MapAxis]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The runs that are shown [N], their minima (−1: none), whether they diverged, and how many
    there are to choose from: one a starting point."""
    each, count, found = group.starts * group.replicates, 0, []
    kept = None if shown else thinned(group.starts, MOST_POINTS)
    for runs, minimum, lost in _tiles(results, group):
        place = runs - group.first
        here = (place // each == point) & (place % group.replicates == 0)
        count += int(here.sum())
        if kept is not None:
            here &= np.isin(place % each // group.replicates, kept)
        for along in shown:
            here &= along.places(runs) >= 0
        found.append((runs[here], minimum[here], lost[here]))
    runs, minimum, lost = (np.concatenate(column) for column in zip(*found, strict=True))
    return runs, minimum, lost, count


def _names(results: Answers, group: Group, minimum: np.ndarray) -> tuple[str, ...]:
    """What each colour stands for: diverged, none, and the minima."""
    last = int(minimum.max(initial=-1))
    values = {row["minimum_id"]: row["f"] for row in minima_of(results, group)}
    told = [f"{i}: f = {round(values[i], 12):.4g}" for i in range(min(last + 1, NAMED))]
    return ("diverged", "no minimum", *told, *(["others"] if last >= NAMED else []))


def _map(group, runs, code, lattice, shown, names, colours, title, told) -> Drawing:
    first, second = shown
    x, y = first.values, second.values
    value = np.full((len(y), len(x)), -1)
    value[second.places(runs), first.places(runs)] = code
    if (len(y), len(x)) != (second.count, first.count):
        told += f" Every so-manyth is shown, of {second.count:,} × {first.count:,}."
    marks: list[Mark] = [Cells(x, y, value, "minimum", names, colours)]
    window = surface.Window(np.array([x.min(), y.min()]), np.array([x.max(), y.max()]))
    if group.space.dim == 2:
        marks.append(surface.contours(group, int(runs[0]), window))
    up, right = np.meshgrid(y, x, indexing="ij")
    table = pa.table(
        {
            lattice[0]: right.ravel(),
            lattice[1]: up.ravel(),
            "minimum": np.array([*names, None], object)[value.ravel()],
        }
    )
    axes = Axis(lattice[0]), Axis(lattice[1])
    return Drawing(title, told, *axes, tuple(marks), table, window.is_square)


def _points(results, group, runs, code, names, colours, title, told, count) -> Drawing:
    if len(runs) < count:
        told += f" {len(runs):,} of them are shown."
    points = np.asarray(group.points(runs), float)
    known = [row["x"] for row in minima_of(results, group) if row["kind"] == "minimum"]
    ends = np.array(known).reshape(-1, group.space.dim)
    shown = surface.window([points, ends])
    if group.space.dim == 1:
        below: Mark = surface.curve(group, int(runs[0]), shown)
        height, top = (surface.values(group, int(runs[0]), p) for p in (points, ends))
        labels = "x", "f"
    else:
        below = surface.contours(group, int(runs[0]), shown)
        height, top, labels = points[:, 1], ends[:, 1], ("x₀", "x₁")
    marks: list[Mark] = [below]
    for place in np.unique(code):
        mine = code == place
        marks.append(
            Line(
                points[mine, 0],
                height[mine],
                names[place],
                colours[place],
                width=0,
                symbol="circle",
                size=5,
                told=[f"run {run}: {names[place]}" for run in runs[mine]],
            )
        )
    if len(ends):
        marks.append(Line(ends[:, 0], top, "minima", BLACK, width=0, symbol="star", size=11))
    columns = {"run": runs, "minimum": [names[place] for place in code]}
    columns |= {f"x0_{i}": points[:, i] for i in range(group.space.dim)}
    axes = Axis(labels[0]), Axis(labels[1])
    return Drawing(title, told, *axes, tuple(marks), pa.table(columns), shown.is_square)


def _bars(results: Answers, group: Group, title: str) -> Drawing:
    """The share of an objective's runs that came to each minimum."""
    rows = sorted(minima_of(results, group), key=lambda row: -row["runs"])[:NAMED]
    share, low, high = (
        np.array([row[c] for row in rows], float) for c in ("share", "share_low", "share_high")
    )
    names = tuple(f"{row['minimum_id']} ({row['kind']}): f = {row['f']:.4g}" for row in rows)
    return Drawing(
        title,
        "The share of all runs of the objective that came to each stationary point, with 95 % "
        "intervals; the twelve to which most came."
        if rows
        else "No run came to a stationary point that could be told.",
        Axis("stationary point", names=names),
        Axis("share of runs", range=(0.0, 1.05)),
        (Bars(share, low, high),),
        pa.Table.from_pylist(rows, results.minima.schema),
    )
