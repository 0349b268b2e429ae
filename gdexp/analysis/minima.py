"""Which stationary points runs ended at: what kind each is, which are the same, how many came."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gdexp.base import Shape

NEAR = 1e-2  # of 1 + ‖x‖: a stationary point farther than this from an end is not where it ended
NOISE = 1e-8  # of the largest eigenvalue: √eps of float64, in which curvature is computed
RESIDUE = 1e-6  # of the gradient norm, left where Newton's method comes to
ROUNDING = 1e3 * np.finfo(np.float64).eps
FINER = 0.1  # of the tolerance: ends within this are represented by one of them
FEW = 64  # points that are compared one by one: scipy's trees take longer to import
SORTED = 2**16  # ends that are sorted together, at least
LINKED = 2000  # degenerate points between which paths are looked for, at most


class Kind(enum.StrEnum):
    """What kind of point a run ended at, by the Hessian of the objective itself."""

    MINIMUM = "minimum"
    SADDLE = "saddle"
    MAXIMUM = "maximum"
    DEGENERATE = "degenerate"
    UNRESOLVED = "unresolved"


KINDS = list(Kind)


Settle = Callable[[np.ndarray, float], Shape]  # (points [N, D], reach) -> what is about them


class Ends:
    """Where runs ended, one for each cell of a grid: in any order, in any number of parts.

    The one kept is that with the least gradient norm, of equals the least in its coordinates.
    """

    def __init__(self, width: float, dim: int):
        self.width = width  # of a cell
        self._kept = (np.empty((0, dim)), np.empty(0))  # points [N, D] and norms [N]
        self._new: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, x: np.ndarray, grad_norm: np.ndarray) -> None:
        """Takes the points `x` [N, D] with their gradient norms [N]; what is not finite is left."""
        fine = np.isfinite(x).all(axis=1)
        self._new.append((x[fine].astype(np.float64), grad_norm[fine].astype(np.float64)))
        if sum(len(norm) for _, norm in self._new) > max(SORTED, len(self._kept[1])):
            self._sort()  # seldom: all that is kept is sorted again

    @property
    def x(self) -> np.ndarray:  # [N, D]
        """One point of each cell."""
        self._sort()
        return self._kept[0]

    def _sort(self) -> None:
        x, norm = (np.concatenate(column) for column in zip(self._kept, *self._new, strict=True))
        kept = _least(np.floor(x / self.width) + 0.0, x, norm)  # + 0.0: no −0.0
        self._kept, self._new = (x[kept], norm[kept]), []


def _least(cell: np.ndarray, x: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """The place of the least, by norm [N] and then by x [N, D], in each of the cells [N, D].

    Cells are sorted by a number made of their bits, which takes a tenth of sorting by coordinates.
    """
    if not len(x):
        return np.empty(0, int)
    odd = np.random.default_rng(0).integers(-(2**62), 2**62, x.shape[1]) * 2 + 1
    number = (np.ascontiguousarray(cell).view(np.int64) * odd).sum(axis=1)
    order = np.argsort(number, kind="stable")
    first = np.r_[True, np.diff(number[order]) != 0]
    starts, group = np.flatnonzero(first), np.cumsum(first) - 1
    if (cell[order] != cell[order[starts]][group]).any():  # two cells have one number
        order = np.lexsort((*x.T[::-1], norm, *cell.T[::-1]))
        return order[np.r_[True, (np.diff(cell[order], axis=0) != 0).any(axis=1)]]
    least = order[norm[order] == np.minimum.reduceat(norm[order], starts)[group]]
    least = least[np.lexsort((*x[least].T[::-1], number[least]))]
    return least[np.r_[True, np.diff(number[least]) != 0]]


def kinds(x: np.ndarray, shape: Shape) -> np.ndarray:
    """What kind of point [N], as places in KINDS, each of `x` [N, D] is.

    Resolved is a point from which the first step of Newton's method, and all of them together, are
    shorter than NEAR, and lead to a gradient of zero. The signs of the eigenvalues there decide,
    where they are beyond noise.
    """
    length = 1 + np.linalg.norm(x, axis=1)
    moved = np.linalg.norm(shape.x - x, axis=1)
    with np.errstate(invalid="ignore"):
        resolved = (
            _vanishes(shape, length) & (shape.first <= NEAR * length) & (moved <= NEAR * length)
        )
    floor = NOISE * shape.scale[:, None]
    up, down = shape.eigenvalues > floor, shape.eigenvalues < -floor
    found = np.full(len(x), KINDS.index(Kind.DEGENERATE))
    for kind, holds in (
        (Kind.SADDLE, (up | down).all(axis=1)),
        (Kind.MINIMUM, up.all(axis=1)),
        (Kind.MAXIMUM, down.all(axis=1)),
        (Kind.UNRESOLVED, ~resolved | ~np.isfinite(shape.eigenvalues).all(axis=1)),
    ):
        found[holds] = KINDS.index(kind)
    return found


def _vanishes(shape: Shape, length: np.ndarray | float) -> np.ndarray:
    """Whether the gradient [N] is zero, but for rounding, where Newton's method comes to."""
    before, after = shape.grad_norm.T
    return (after <= RESIDUE * before) | (after <= ROUNDING * shape.scale * length)


class Catalogue(NamedTuple):
    """The stationary points of one objective at which runs ended, in canonical order."""

    x: np.ndarray  # [M, D]
    f: np.ndarray  # [M]
    kind: np.ndarray  # [M] places in KINDS
    eigenvalues: np.ndarray  # [M, E]
    members: np.ndarray  # [N, D] points of all of them: of a continuum many
    of: np.ndarray  # [N] which of the M each is
    minima: dict[str, int]  # how many minima at a tolerance 10 times, 1 and 0.1 times as large

    def place(self, x: np.ndarray) -> np.ndarray:
        """Which of them [N] each of `x` [N, D] ended at, or −1."""
        found = np.full(len(x), -1)
        fine = np.flatnonzero(np.isfinite(x).all(axis=1))
        if not len(self.members) or not len(fine):
            return found
        distance, nearest = _nearest(self.members, x[fine])
        near = distance <= NEAR * (1 + np.linalg.norm(x[fine], axis=1))
        found[fine[near]] = self.of[nearest[near]]
        return found


def catalogue(ends: Ends, settle: Settle, tolerance: float) -> Catalogue:
    """The stationary points among `ends`.

    Points within `tolerance` of each other, or connected by such, are one; and so are degenerate
    points with stationary ones between them: a valley is one continuum.
    """
    shape = settle(ends.x, NEAR)
    kind = kinds(ends.x, shape)
    good = kind != KINDS.index(Kind.UNRESOLVED)
    shape, kind = Shape(*(column[good] for column in shape)), kind[good]
    of = _components(shape.x, tolerance)
    flat = kind == KINDS.index(Kind.DEGENERATE)
    of = _joined(of, shape, flat, settle, tolerance)
    counts = {}
    for factor, name in ((10, "tenfold"), (1, "tolerance"), (FINER, "tenth")):
        groups = _components(shape.x, factor * tolerance)
        counts[name] = len(np.unique(groups[kind == KINDS.index(Kind.MINIMUM)]))
    best = _representatives(of, shape)
    order = best[np.lexsort((*_rounded(shape.x[best]).T[::-1], _rounded(shape.f[best])))]
    rank = np.empty(len(of), int)
    rank[of[order]] = np.arange(len(order))
    _, first = _alike(shape.x, tolerance)
    return Catalogue(
        shape.x[order], shape.f[order], kind[order], shape.eigenvalues[order],
        shape.x[first], rank[of][first], counts,
    )  # fmt: skip


def _nearest(members: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each of `x` [N, D] to the nearest of `members`, and which that is."""
    if len(members) > FEW:
        from scipy.spatial import cKDTree

        return cKDTree(members).query(x)
    every = np.stack([np.linalg.norm(x - member, axis=1) for member in members])
    nearest = every.argmin(axis=0)
    return every[nearest, np.arange(len(x))], nearest


def _components(x: np.ndarray, tolerance: float) -> np.ndarray:
    """Which points [N, D] are connected by steps of at most `tolerance`: a number for each [N]."""
    if not len(x):
        return np.empty(0, int)
    same, first = _alike(x, tolerance)
    return _linked(x[first], tolerance)[same]


def _alike(x: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Points [N, D] that agree to a thousandth of `tolerance` are one: their pairs would be too
    many. A number for each [N], and which is the first [M] of each."""
    _, first, same = np.unique(
        np.round(x / (tolerance / 1000)), axis=0, return_index=True, return_inverse=True
    )
    return same.reshape(-1), first


def _linked(x: np.ndarray, tolerance: float) -> np.ndarray:
    if len(x) <= FEW:
        near = np.linalg.norm(x[:, None] - x, axis=2) <= tolerance
        while (wider := near @ near).sum() != near.sum():
            near = wider
        return np.unique(near.argmax(axis=1), return_inverse=True)[1].reshape(-1)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(x).query_pairs(tolerance, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), pairs.T.reshape(2, -1)), (len(x),) * 2)
    return connected_components(links, directed=False)[1]


def _joined(
    of: np.ndarray, shape: Shape, flat: np.ndarray, settle: Settle, tolerance: float
) -> np.ndarray:
    """Components `of` [N] with those united that a path of degenerate points connects.

    Neighbours are those of a shortest spanning tree; a link stands if the point half way settles
    nearby, on a degenerate point.
    """
    groups, first = np.unique(of[flat], return_index=True)
    if len(groups) < 2:
        return of
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
    from scipy.spatial.distance import cdist

    some = np.flatnonzero(flat)[first][:LINKED]
    groups = groups[:LINKED]
    x = shape.x[some]
    tree = minimum_spanning_tree(cdist(x, x)).tocoo()
    middle = (x[tree.row] + x[tree.col]) / 2
    about = settle(middle, np.inf)
    away = np.linalg.norm(about.x - middle, axis=1)
    degenerate = np.abs(about.eigenvalues).min(axis=1) <= NOISE * about.scale
    stands = degenerate & (away <= tree.data / 4 + tolerance)
    stands &= _vanishes(about, 1.0)
    stands &= np.abs(about.f - shape.f[some[tree.row]]) <= NOISE * (1 + about.scale)
    tree.data[~stands] = 0
    tree.eliminate_zeros()
    united = connected_components(tree, directed=False)[1]
    renamed = np.arange(of.max() + 1)
    renamed[groups] = groups[np.unique(united, return_index=True)[1]][united]
    return np.unique(renamed[of], return_inverse=True)[1].reshape(-1)


def _representatives(of: np.ndarray, shape: Shape) -> np.ndarray:
    """The place of one point for each group: with the least gradient, of equals the first by x."""
    order = np.lexsort((*shape.x.T[::-1], shape.grad_norm[:, 1], of))
    return order[np.r_[True, np.diff(of[order]) != 0][: len(order)]]


def _rounded(values: np.ndarray) -> np.ndarray:
    """To nine digits, and nothing for what is less than 1e-9: order does not hang on rounding."""
    values = np.asarray(values, float)
    size = np.where(np.abs(values) > 1e-9, 10.0 ** np.floor(np.log10(np.abs(values) + 1e-300)), 1)
    return np.where(np.abs(values) > 1e-9, np.round(values / size, 8) * size, 0.0)
