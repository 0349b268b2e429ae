"""The boundary between regions of a map: how long it is, and whether it is fractal."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from gdexp.analysis.statistics import Z
from gdexp.base import UsageError

LEAST = 64  # places along either axis below which no dimension is told
COARSEST = 8  # boxes along the shorter axis, at least
OFFSETS = 4  # of the boxes along each axis: the least of their counts is taken
SMOOTH = 1.1  # a dimension between two sizes that is below this is that of a smooth line
BLOCKS = 4  # along each axis, left out in turn


class Boundary(NamedTuple):
    """The boundary of a map, by box counting: boxes of side s that it passes go as s^−dimension.

    A smooth line has dimension 1, and a boundary that fills the map 2. The interval of 95 % is the
    wider of two: how far the counts are from one power law (a straight line's own error, by
    Student's t), and how much they differ from part to part of the map (a jackknife over 16
    blocks).
    """

    cells: int  # places whose neighbour to the right or below is of another region
    dimension: float
    low: float
    high: float
    sizes: np.ndarray  # [K] sides of boxes, in places
    counts: np.ndarray  # [K] how many of them cover the boundary
    slopes: np.ndarray  # [K − 1] the dimension between each size and the next

    @property
    def verdict(self) -> str:
        """In words whether it is fractal."""
        if self.low > 1 and self.slopes.min() < SMOOTH:
            return (
                f"no one power law: the dimension is {self.slopes.min():.2f} at one scale and "
                f"{self.slopes.max():.2f} at another, as of smooth lines close to each other"
            )
        if self.low > 1:
            return f"fractal: dimension {self.dimension:.3f}, and 1 is outside its interval"
        return "not told from a smooth line, of dimension 1"


def boundary(region: np.ndarray) -> Boundary:
    """The boundary between the regions of a map [Y, X], places of equal value.

    Raises:
      UsageError: the map is too small, or of one region.
    """
    if min(region.shape) < LEAST:
        raise UsageError(
            f"a map of {region.shape[1]} × {region.shape[0]} places is too coarse to tell a "
            f"dimension: zoom to {LEAST} × {LEAST} or more"
        )
    if np.issubdtype(region.dtype, np.floating):  # places without a value are one region
        region = np.unique(region, return_inverse=True)[1].reshape(region.shape)
    passed = edges(region)
    if not passed.any():
        raise UsageError("the whole map is one region: it has no boundary")
    sizes = 2 ** np.arange(int(np.log2(min(region.shape) / COARSEST)) + 1)
    each = np.stack([_by_block(passed, int(size)) for size in sizes])  # [K, blocks]
    counts = each.sum(axis=1)
    dimension, error, student = _fitted(sizes, counts)
    without = np.array(
        [_fitted(sizes, counts - part)[0] for part in each.T if (counts > part).all()]
    )
    spread = 0.0
    if len(without) > 1:
        spread = np.sqrt((len(without) - 1) * without.var())
    half = float(max(student * error, Z * spread))
    slopes = -np.diff(np.log(counts)) / np.log(2)
    return Boundary(
        int(passed.sum()), dimension, dimension - half, dimension + half, sizes, counts, slopes
    )


def edges(region: np.ndarray) -> np.ndarray:
    """Which places [Y, X] have a neighbour to the right or below of another region."""
    found = np.zeros(region.shape, bool)
    found[:, :-1] |= region[:, :-1] != region[:, 1:]
    found[:-1] |= region[:-1] != region[1:]
    return found


def _by_block(passed: np.ndarray, size: int) -> np.ndarray:
    """How many boxes of a side are passed, by the block that their corner is in [BLOCKS²].

    Of several offsets that which needs the fewest: what is sought is the least cover.
    """
    each = []
    offsets = np.unique(np.arange(OFFSETS) * size // OFFSETS)
    for corner in itertools.product(offsets, offsets):
        places = [
            np.unique(np.maximum(np.arange(first - size if first else 0, length, size), 0))
            for first, length in zip(corner, passed.shape, strict=True)
        ]
        boxes = np.logical_or.reduceat(passed, places[0], axis=0)
        boxes = np.logical_or.reduceat(boxes, places[1], axis=1)
        y, x = (at * BLOCKS // n for at, n in zip(places, passed.shape, strict=True))
        block = y[:, None] * BLOCKS + x
        each.append(np.bincount(block.ravel(), boxes.ravel(), BLOCKS * BLOCKS))
    return min(each, key=np.sum)


def _fitted(sizes: np.ndarray, counts: np.ndarray) -> tuple[float, float, float]:
    """Dimension, its standard error, and Student's quantile for it, by a straight line."""
    from scipy.stats import t  # late: it takes a while to import

    x, y = -np.log(sizes), np.log(counts)
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    free = len(x) - 2
    return slope, float(np.sqrt(rest @ rest / free / (x @ x))), float(t.ppf(0.975, free))
