"""A slice through a point: two coordinates vary, or two directions, the rest stays."""

import dataclasses
import math
from typing import Any

import numpy as np

from gdexp.base import UsageError
from gdexp.random import uniforms
from gdexp.starts import Start

EXAMPLE = "start=plane start.along=[0,1] start.low=-2 start.high=2"


@dataclasses.dataclass(frozen=True)
class Plane(Start):
    """`num` × `num` starts in a plane through `point`, at cell centres, the second axis fastest.

    `along` names two coordinates (the first two), which then run from `low` to `high` (those of the
    domain), or gives two directions, of which `low` to `high` (−1 to 1) times are added to the
    point; `random` draws two that are orthonormal, by the seed. `point` is the objective's own
    start unless it is given.
    """

    num: int = 64
    point: Any = None  # [D]
    along: Any = None  # two coordinates, two directions [2, D], or "random"
    low: Any = None  # a number for both axes, or one for each
    high: Any = None

    def count(self, space):
        return self.num**2

    def axes(self, space):
        return dict(zip(self._names(), self._values(space), strict=True))

    def at(self, index, space, seed):
        places = np.divmod(np.asarray(index, np.int64), self.num)
        first, second = (v[i] for v, i in zip(self._values(space), places, strict=True))
        points = np.tile(self._point(space), (len(first), 1))
        if self._coordinates:
            points[:, self._coordinates[0]] = first
            points[:, self._coordinates[1]] = second
            return points
        one, other = self._directions(space, seed)
        # one product after the other: a matrix product would round as the machine likes
        return points + first[:, None] * one + second[:, None] * other

    def check(self, space):
        if space.dim < 2:
            raise UsageError("start=plane needs two dimensions or more: type start=grid")
        if named := self._coordinates:
            if len(set(named)) != 2 or not all(0 <= i < space.dim for i in named):
                raise UsageError(
                    f"start.along={list(named)} names no two coordinates of "
                    f"0 to {space.dim - 1}: type {EXAMPLE}"
                )
        elif not isinstance(self.along, str) and np.shape(self.along) != (2, space.dim):
            raise UsageError(
                f"start.along is neither two coordinates ({EXAMPLE}), nor two directions of "
                f"{space.dim} numbers, nor random"
            )
        elif isinstance(self.along, str) and self.along != "random":
            raise UsageError(f"start.along={self.along} is not a word it knows: type random")
        for key, length in (("point", space.dim), ("low", 2), ("high", 2)):
            given = getattr(self, key)
            if given is not None and np.ndim(given) == 1 and len(given) != length:
                raise UsageError(f"start.{key} has {len(given)} numbers, it takes {length}")
        low, high = self._ends(space)
        if not (low <= high).all():
            raise UsageError(f"start.low={low.tolist()} is above start.high={high.tolist()}")

    @property
    def _coordinates(self) -> tuple[int, int] | None:
        """The numbers of the two coordinates; None where there are directions."""
        given = (0, 1) if self.along is None else self.along
        plain = np.shape(given) == (2,) and all(float(i).is_integer() for i in given)
        return (int(given[0]), int(given[1])) if plain else None

    def _names(self) -> tuple[str, str]:
        named = self._coordinates
        return (f"x0_{named[0]}", f"x0_{named[1]}") if named else ("along_0", "along_1")

    def _point(self, space) -> np.ndarray:  # [D]
        given = space.own if self.point is None else self.point
        return np.array(np.broadcast_to(np.asarray(given, np.float64), (space.dim,)))

    def _ends(self, space) -> tuple[np.ndarray, np.ndarray]:  # [2], [2]
        own = ((-1.0, -1.0), (1.0, 1.0))
        if named := self._coordinates:
            own = [[end[i] for i in named] for end in (space.low, space.high)]
        given = (self.low, self.high)
        return tuple(
            np.broadcast_to(np.asarray(o if g is None else g, np.float64), (2,))
            for o, g in zip(own, given, strict=True)
        )

    def _values(self, space) -> list[np.ndarray]:  # 2 of [num]
        centres = (np.arange(self.num) + 0.5) / self.num
        return [a + centres * (b - a) for a, b in zip(*self._ends(space), strict=True)]

    def _directions(self, space, seed) -> np.ndarray:  # [2, D]
        if not isinstance(self.along, str):
            return np.asarray(self.along, np.float64)
        from scipy.special import ndtri  # the normal quantile; imported only where it is used

        one, other = ndtri(uniforms(seed, "start.along", np.arange(2), space.dim))
        one = one / math.sqrt(_dot(one, one))
        other = other - _dot(one, other) * one
        return np.stack([one, other / math.sqrt(_dot(other, other))])


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """The product of two vectors [D], rounded once: alike on every machine."""
    return math.fsum((a * b).tolist())
