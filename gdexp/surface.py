"""What lies below a figure of paths: the window that is shown, and the objective over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gdexp import measures
from gdexp.drawing import GREY, Contours, Line
from gdexp.plan import Group

PLACES = 97  # of a surface along each side, and
ALONG = 513  # of a curve
MARGIN = 0.08  # of the window's width, on each side
SIDES = 1.4  # how much wider than high, or the other way, what is shown so at most
MOST_TIMES = 3.0  # as wide as high, or the other way: beyond, each axis has its own scale
FAR = 0.5  # of the window's width: where a path that leaves is cut off


class Window(NamedTuple):
    """The part of the space that is shown."""

    low: np.ndarray  # [D]
    high: np.ndarray  # [D]

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Which points [N, D] are in it, or not far from it: [N] bool."""
        wide = FAR * (self.high - self.low)
        with np.errstate(invalid="ignore"):
            return ((x >= self.low - wide) & (x <= self.high + wide)).all(axis=1)

    def range(self, axis: int) -> tuple[float, float]:
        """Its ends along an axis."""
        return float(self.low[axis]), float(self.high[axis])

    @property
    def is_square(self) -> bool:
        """Whether it can be shown with one scale for both of its two axes."""
        wide = self.high - self.low
        return len(wide) == 2 and bool(wide.max() <= MOST_TIMES * wide.min())

    def within(self, x: np.ndarray) -> np.ndarray:
        """A path [K, D] up to where it first leaves, and the state there."""
        gone = np.flatnonzero(~self.holds(x))
        return x[: gone[0] + 1] if len(gone) else x


def window(points: Sequence[np.ndarray]) -> Window:
    """The box about points, each array [N, D], with a margin; what is not finite is left out."""
    found = np.concatenate(points)
    found = found[np.isfinite(found).all(axis=1)]
    low, high = found.min(axis=0), found.max(axis=0)
    wide = np.maximum(high - low, 1e-9 * np.maximum(np.abs(low), np.abs(high)))
    wide = np.where(wide > 0, wide, 1.0)
    found = Window(low - MARGIN * wide, high + MARGIN * wide)
    if not found.is_square:
        return found
    wide = found.high - found.low
    more = np.maximum(wide.max() / SIDES - wide, 0) / 2  # no sliver, where one scale is for both
    return Window(found.low - more, found.high + more)


def values(group: Group, run: int, x: np.ndarray) -> np.ndarray:
    """The objective of a run at points [N, D]: [N]."""
    places = [i for i, (room, _) in enumerate(group.varied) if room == "objective"]
    names, own = [group.varied[i][1] for i in places], group.numbers(np.array([run]))[0, places]
    return measures.values(group.objective, names, x, np.tile(own, (len(x), 1)))


def contours(group: Group, run: int, shown: Window) -> Contours:
    """The level lines of an objective of two dimensions, even in the logarithm above the lowest."""
    x, y = (np.linspace(shown.low[i], shown.high[i], PLACES) for i in (0, 1))
    lattice = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return Contours(x, y, levels(values(group, run, lattice)).reshape(PLACES, PLACES))


def levels(f: np.ndarray) -> np.ndarray:
    """Values in which level lines lie evenly, close together where a function is low."""
    there = f[np.isfinite(f)]
    if not len(there):
        return np.full_like(f, np.nan)
    above = f - there.min()
    unit = np.quantile(there - there.min(), 0.05) or 1.0
    return np.log1p(above / unit)


def curve(group: Group, run: int, shown: Window) -> Line:
    """An objective of one dimension."""
    x = np.linspace(shown.low[0], shown.high[0], ALONG)
    return Line(x, values(group, run, x[:, None]), "f", GREY)
