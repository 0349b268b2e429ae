"""A tilted bowl four times steeper across than along: the smallest case of a condition number."""

import dataclasses

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Paraboloid(Objective):
    """(x − 1)² + 4(y + 1)² + xy/2, whose one minimum is rational."""

    formula = "(x − 1)² + 4(y + 1)² + xy/2"
    source = "a lesson function; its facts by hand"
    dim = 2

    def __call__(self, point):
        x, y = point
        return (x - 1) ** 2 + 4 * (y + 1) ** 2 + x * y / 2

    def start(self):
        return (3.0, 3.0)

    def stationary(self):
        return (Stationary((80 / 63, -68 / 63), -37 / 63, "minimum"),)
