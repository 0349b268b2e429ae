"""Where runs begin: one file a sampler, a frozen dataclass whose fields are its card.

A sampler gives any point from its index alone, so that a tile in the middle of a sweep of 10⁸
starts costs what the first one does.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from gdexp.base import Space, UsageError
from gdexp.random import uniforms

DISTRIBUTIONS = ("uniform", "normal")


@dataclasses.dataclass(frozen=True)
class Start:
    """A sampler of starting points."""

    name: ClassVar[str]

    def count(self, space: Space) -> int:
        """How many points there are in `space`."""
        raise NotImplementedError

    def at(self, index: np.ndarray, space: Space, seed: int) -> np.ndarray:
        """The points [N, D], float64, with the given numbers `index` [N]."""
        raise NotImplementedError

    def axes(self, space: Space) -> dict[str, np.ndarray]:
        """The axes that the points lie on, by name, the last fastest; {} where they are scattered.

        The values are coordinates: of the starting point, or along what the name says.
        """
        return {}

    def check(self, space: Space) -> None:
        """Raises UsageError if this sampler cannot serve an objective in `space`."""


@dataclasses.dataclass(frozen=True)
class BoxStart(Start):
    """A sampler of `num` points in a box: the objective's domain unless `low`, `high` are given."""

    num: int = 100
    low: Any = None  # a number for all dimensions, or one per dimension
    high: Any = None

    def count(self, space: Space) -> int:
        return self.num

    def box(self, space: Space) -> tuple[np.ndarray, np.ndarray]:  # [D], [D]
        """The corners of the box."""
        low, high = (
            np.broadcast_to(np.asarray(own if given is None else given, np.float64), (space.dim,))
            for given, own in ((self.low, space.low), (self.high, space.high))
        )
        return low, high

    def check(self, space: Space) -> None:
        for key in ("low", "high"):
            given = getattr(self, key)
            if given is not None and np.ndim(given) == 1 and len(given) != space.dim:
                raise UsageError(
                    f"start.{key} has {len(given)} numbers, the objective has {space.dim} "
                    f"dimensions: give one number for all, or {space.dim}"
                )
        low, high = self.box(space)
        if not (low <= high).all():
            raise UsageError(f"start.low={low.tolist()} is above start.high={high.tolist()}")
        if self.count(space) > 2**62:
            raise UsageError(
                f"start.num={self.num} means {self.num}^{space.dim} points: lower start.num, or "
                "type start=uniform or start=sobol"
            )

    def scaled(self, unit: np.ndarray, space: Space) -> np.ndarray:
        """Points of the unit cube [N, D] placed in the box."""
        low, high = self.box(space)
        if (low == low[0]).all() and (high == high[0]).all():  # one number is many times as fast
            low, high = low[0], high[0]
        return low + unit * (high - low)


@dataclasses.dataclass(frozen=True)
class Initialiser(Start):
    """`num` independent draws of a model's parameters: matrices at random, all else zero.

    A matrix [inputs, outputs] has normal or uniform numbers of mean 0 and the variance that
    `variance` gives it.
    """

    num: int = 100
    distribution: str = "uniform"

    def variance(self, inputs: int, outputs: int) -> float:
        """Of the numbers of a matrix."""
        raise NotImplementedError

    def count(self, space):
        return self.num

    def at(self, index, space, seed):
        unit = uniforms(seed, "start", index, space.dim)
        if self.distribution == "normal":
            from scipy.special import ndtri  # the normal quantile; imported only where it is used

            return ndtri(unit) * self._deviations(space)
        return (2 * unit - 1) * (math.sqrt(3) * self._deviations(space))

    def check(self, space):
        if self.distribution not in DISTRIBUTIONS:
            raise UsageError(
                f"start.distribution={self.distribution} is not one of {', '.join(DISTRIBUTIONS)}"
            )
        if not any(len(shape) == 2 for shape in space.blocks.values()):
            name = type(self).__name__.lower()
            raise UsageError(
                f"start={name} draws the matrices of a learning problem, and this objective has "
                "none: type start=normal"
            )

    def _deviations(self, space: Space) -> np.ndarray:  # [D]
        return np.concatenate(
            [
                np.full(
                    math.prod(shape), math.sqrt(self.variance(*shape)) if len(shape) == 2 else 0.0
                )
                for shape in space.blocks.values()
            ]
        )
