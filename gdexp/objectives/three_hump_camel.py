"""Three wells in a row, the middle one deepest: descent stops in whichever it meets first."""

import dataclasses
import math

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class ThreeHumpCamel(Objective):
    """A sextic whose stationary points lie on y = −x/2, at x = 0 and x² = 2.1 ± √0.91."""

    formula = "2x² − 1.05x⁴ + x⁶/6 + xy + y²"
    source = "Jamil and Yang, Int. J. Math. Modelling Numer. Optim. 4 (2013) 150-194"
    dim = 2

    def __call__(self, point):
        x, y = point
        return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2

    def start(self):
        return (2.0, 1.0)

    def stationary(self):
        def pair(square, kind):
            x, f = math.sqrt(square), 1.75 * square - 1.05 * square**2 + square**3 / 6
            return Stationary((x, -x / 2), f, kind), Stationary((-x, x / 2), f, kind)

        return (
            Stationary((0.0, 0.0), 0.0, "minimum", "0"),
            *pair(2.1 + math.sqrt(0.91), "minimum"),
            *pair(2.1 - math.sqrt(0.91), "saddle"),
        )
