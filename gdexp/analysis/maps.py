"""Maps: what came of runs over two axes of a sweep, as arrays with coordinates. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from gdexp import frames
from gdexp.analysis import boxes
from gdexp.analysis.counts import OUTCOMES, Tiles, places
from gdexp.analysis.minima import KINDS
from gdexp.base import Reason, UsageError, nearest
from gdexp.plan import Group
from gdexp.random import thinned

NAMES = {  # columns of names, and the names that they hold
    "outcome": [str(outcome) for outcome in OUTCOMES],
    "reason": [reason.label for reason in Reason if reason.outcome],
    "kind": [str(kind) for kind in KINDS],
}
IDENTITIES = ("minimum_id", "period")  # whole numbers of which no mean is one
NUMBERS = ("steps", "evaluations", "f", "f_best", "f0", "grad_norm", *IDENTITIES)
SHARES = NAMES["outcome"]  # a share of runs that ended so
LABELS = ("kind", "minimum_id")  # what labels tell of any run
KNOWN = (*NAMES, *NUMBERS, *SHARES)  # what there is a map of, whatever the objective
REGIONS = (*NAMES, *IDENTITIES)  # values that are no amounts


class Map(NamedTuple):
    """A value over two axes.

    Where several runs have one place: of numbers the median (of those that are there), of names,
    minima and periods the commonest (of equals the first), and a share is one of them all.
    """

    x: np.ndarray  # [X] coordinates along the second dimension of `value`
    y: np.ndarray  # [Y] coordinates along its first
    value: np.ndarray  # [Y, X]; of names their places in `names`. No run, or no value: NaN, or of
    # names, minima and periods −1
    runs: np.ndarray  # [Y, X] how many runs have each place
    x_name: str
    y_name: str
    value_name: str
    names: tuple[str, ...] | None  # what a whole number stands for; None: it is a number
    held: Mapping[str, float]  # other axes, and the values that the runs shown have there
    full: tuple[int, int]  # places along y and x, of which `value` may have every so-manyth

    def boundary(self) -> boxes.Boundary:
        """The boundary between regions, places of equal value, by box counting.

        Raises:
          UsageError: the map is of amounts, which have level lines instead, it has less than 64
            places along an axis, or one region.
        """
        if self.value_name not in REGIONS:
            known = ", ".join(REGIONS)
            raise UsageError(f"{self.value_name} has no regions: type value= one of {known}")
        return boxes.boundary(self.value)

    def to_xarray(self) -> Any:
        """The map as an xarray DataArray with named dimensions; names as text."""
        xarray = frames.need("xarray")
        value = self.value
        if self.names is not None:
            value = np.array([*self.names, ""], object)[value]
        return xarray.DataArray(
            value,
            {self.y_name: self.y, self.x_name: self.x},
            (self.y_name, self.x_name),
            self.value_name,
        )


def columns(value: str, measures: Collection[str] = ()) -> tuple[str, ...]:
    """The columns that a map of `value` needs; `measures` are those of models that are there.

    Raises:
      UsageError: there is no map of it.
    """
    if value in SHARES:
        return ("outcome",)
    known = list(dict.fromkeys([*KNOWN, *measures]))
    if value not in known:
        raise UsageError(
            f"there is no map of {value!r}{nearest(value, known)} (there: {', '.join(known)})"
        )
    return (value,)


def make(
    group: Group,
    tiles: Tiles,
    x: str,
    y: str,
    value: str,
    where: Mapping[str, float],
    most: int | None = None,
) -> Map:
    """The map of a group.

    Args:
      group: one objective with one optimizer.
      tiles: its rows, with the columns of `columns(value)`.
      x: an axis: a KEY of the grid, `start`, `replicate`, or an axis of the starts (`x0_0`).
      y: another.
      value: what is shown.
      where: values within other axes: only runs at the nearest of each are taken.
      most: places along an axis, of which every so-manyth is taken then; None: all.

    Raises:
      UsageError: there is no such axis or value of it, or x and y are one.
    """
    if x == y:
        raise UsageError(f"a map needs two axes, and both are {x}")
    across, down = axis(group, x, most), axis(group, y, most)
    fixed = {name: axis(group, name) for name in where}
    taken = {name: place_of(fixed[name], name, value) for name, value in where.items()}
    cells, found = [], []
    for _, tile, table in tiles:
        right, up = across.places(tile.runs), down.places(tile.runs)
        here = (right >= 0) & (up >= 0)
        for name, place in taken.items():
            here &= fixed[name].places(tile.runs) == place
        cells.append((up * len(across.values) + right)[here])
        found.append(_column(table, value)[here])
    shape = len(down.values), len(across.values)
    cell = np.concatenate([np.empty(0, int), *cells])
    values = np.concatenate([np.empty(0), *found])
    if value in (*NAMES, *IDENTITIES):
        made = _commonest(cell, values.astype(int), shape[0] * shape[1])
    elif value in SHARES:
        made = _mean(cell, values, shape[0] * shape[1])
    else:
        made = _median(cell, values, shape[0] * shape[1])
    runs = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    names = tuple(NAMES[value]) if value in NAMES else None
    held = {name: float(fixed[name].values[place]) for name, place in taken.items()}
    return Map(
        across.values,
        down.values,
        made.reshape(shape),
        runs,
        *(x, y, value, names, held),
        (down.count, across.count),
    )


class Axis(NamedTuple):
    """An axis of a group: of its grid, its starts, or its replicates."""

    group: Group
    dimension: int  # of the group's shape
    inner: tuple[int, ...]  # lengths of the axes that the starts have, where it is one of these
    place: int  # which of them
    values: np.ndarray  # [n] coordinates
    count: int  # of its places, of which `values` may have
    kept: np.ndarray | None = None  # these [n], rising; None: all

    def places(self, runs: np.ndarray) -> np.ndarray:
        """Where on the axis each of `runs` [N] is; −1 for one that it leaves out."""
        at = self.group.coordinates(runs)[self.dimension]
        at = np.unravel_index(at, self.inner)[self.place] if self.inner else at
        if self.kept is None:
            return at
        place = np.searchsorted(self.kept, at)  # the last is among them
        return np.where(self.kept[place] == at, place, -1)


def axis(group: Group, name: str, most: int | None = None) -> Axis:
    """The axis of a group with a name; of more than `most` places every so-manyth.

    Raises:
      UsageError: there is none.
    """

    def made(dimension: int, values: np.ndarray | range, inner=(), place: int = 0) -> Axis:
        kept = None if most is None or len(values) <= most else thinned(len(values), most)
        if isinstance(values, range):  # it may be long: the whole of it only if need be
            some = np.arange(len(values)) if kept is None else kept
        else:
            some = values if kept is None else values[kept]
        return Axis(group, dimension, inner, place, some, len(values), kept)

    for i, one in enumerate(group.axes):
        if name in one.keys:
            return made(i, one.values[one.keys.index(name)])
    starts, replicates = len(group.axes), len(group.axes) + 1
    own = group.start.axes(group.space)
    if name in own:
        lengths = tuple(len(values) for values in own.values())
        return made(starts, own[name], lengths, list(own).index(name))
    if name == "start":
        return made(starts, range(group.starts))
    if name == "replicate":
        return made(replicates, range(group.replicates))
    if name in group.draws:
        raise UsageError(f"{name} is drawn anew for each run: an axis needs grid.{name}")
    known = [*(key for one in group.axes for key in one.keys), *own, "start", "replicate"]
    raise UsageError(f"there is no axis {name!r}{nearest(name, known)} (there: {', '.join(known)})")


def place_of(along: Axis, name: str, value: float) -> int:
    """The place on an axis that is nearest to a value between its ends."""
    low, high = along.values.min(), along.values.max()
    if not low <= value <= high and not np.isclose(along.values, value, rtol=1e-6, atol=0).any():
        raise UsageError(f"{name}={value:g} is not on the axis, from {low:g} to {high:g}")
    return int(np.abs(along.values - value).argmin())


def _column(table: Any, value: str) -> np.ndarray:
    """What is mapped, of each run [N]."""
    if value in NAMES:
        return places(table[value], NAMES[value])
    if value in SHARES:
        return (places(table["outcome"], OUTCOMES) == SHARES.index(value)).astype(float)
    column, none = table[value].combine_chunks(), -1 if value in IDENTITIES else np.nan
    return np.asarray(column.cast("float64").fill_null(none))


def _commonest(cell: np.ndarray, code: np.ndarray, cells: int) -> np.ndarray:
    """The commonest of the codes from 0 on in each cell; −1 where there is none."""
    cell, code = cell[code >= 0], code[code >= 0]
    pairs, times = np.unique(np.stack([cell, code]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -times, pairs[0]))
    pairs = pairs[:, order]
    first = np.flatnonzero(np.diff(pairs[0], prepend=-1))
    found = np.full(cells, -1)
    found[pairs[0, first]] = pairs[1, first]
    return found


def _mean(cell: np.ndarray, value: np.ndarray, cells: int) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.bincount(cell, value, cells) / np.bincount(cell, minlength=cells)


def _median(cell: np.ndarray, value: np.ndarray, cells: int) -> np.ndarray:
    fine = ~np.isnan(value)
    cell, value = cell[fine], value[fine]
    order = np.lexsort((value, cell))
    count = np.bincount(cell, minlength=cells)
    first = np.cumsum(count) - count
    ordered = np.append(value[order], np.nan)
    low, high = (ordered[np.minimum(first + k, len(value))] for k in ((count - 1) // 2, count // 2))
    with np.errstate(invalid="ignore"):
        middle = np.where(low == high, low, (low + high) / 2)  # equal infinities are one
    return np.where(count > 0, middle, np.nan)
