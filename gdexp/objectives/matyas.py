"""A nearly flat diagonal valley: the value falls quickly, the point arrives late."""

import dataclasses

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Matyas(Objective):
    """0.26(x² + y²) − 0.48xy, with eigenvalues 0.04 along x = y and 1 across."""

    formula = "0.26(x² + y²) − 0.48xy"
    source = "Jamil and Yang, Int. J. Math. Modelling Numer. Optim. 4 (2013) 150-194"
    dim = 2
    low, high = -10.0, 10.0

    def __call__(self, point):
        x, y = point
        return 0.26 * (x**2 + y**2) - 0.48 * x * y

    def start(self):
        return (8.0, -4.0)

    def stationary(self):
        return (Stationary((0.0, 0.0), 0.0, "minimum", "0"),)
