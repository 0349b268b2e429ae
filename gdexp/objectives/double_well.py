"""Two equal minima around a maximum: with growing steps descent settles, cycles, then wanders."""

import dataclasses

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class DoubleWell(Objective):
    """(w² − 1)²/4, whose curvature 2 at both minima makes them repel above the learning rate 1."""

    formula = "(w² − 1)²/4"
    source = "a lesson function; its facts by hand"
    dim = 1
    low, high = -2.0, 2.0

    def __call__(self, point):
        (w,) = point
        return (w**2 - 1) ** 2 / 4

    def start(self):
        return (0.5,)

    def stationary(self):
        return (
            Stationary((-1.0,), 0.0, "minimum"),
            Stationary((0.0,), 0.25, "maximum"),
            Stationary((1.0,), 0.0, "minimum"),
        )
