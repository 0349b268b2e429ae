"""Two wells of different depth: the start and the length of a step decide which is found."""

import dataclasses
import math

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class TwoWells(Objective):
    """A quartic whose stationary points all lie on x = y, at −1 and 2 ± √3/2."""

    formula = "((x + 1)² + (y + 1)²) ((x − 3)² + (y − 3)² + 1)"
    source = "a lesson function; its facts by hand"
    dim = 2

    def __call__(self, point):
        x, y = point
        return ((x + 1) ** 2 + (y + 1) ** 2) * ((x - 3) ** 2 + (y - 3) ** 2 + 1)

    def start(self):
        return (3.5, 4.0)

    def stationary(self):
        root = math.sqrt(3)
        return (
            Stationary((-1.0, -1.0), 0.0, "minimum"),
            Stationary((2 + root / 2,) * 2, 51.75 - 12 * root, "minimum"),
            Stationary((2 - root / 2,) * 2, 51.75 + 12 * root, "saddle"),
        )
