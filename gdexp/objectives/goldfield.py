"""Two minima with a saddle between them, near which a course begins its first descent."""

import dataclasses

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Goldfield(Objective):
    """A quartic whose diagonal is a double well: the start's side decides the minimum."""

    formula = "2x² − 4xy + y⁴ + 2"
    source = "a lesson function; its facts by hand"
    dim = 2
    low = -2.0
    high = 2.0

    def __call__(self, point):
        x, y = point
        return 2 * x**2 - 4 * x * y + y**4 + 2

    def start(self):
        return (0.1, -0.1)

    def stationary(self):
        return (
            Stationary((1.0, 1.0), 1.0, "minimum"),
            Stationary((-1.0, -1.0), 1.0, "minimum"),
            Stationary((0.0, 0.0), 2.0, "saddle"),
        )
