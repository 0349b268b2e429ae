"""A bowl whose axes lie across the coordinates: a rate for each coordinate gains nothing."""

import dataclasses

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Booth(Objective):
    """Two linear equations in least squares, with eigenvalues 2 and 18 along the diagonals."""

    formula = "(x + 2y − 7)² + (2x + y − 5)²"
    source = "Jamil and Yang, Int. J. Math. Modelling Numer. Optim. 4 (2013) 150-194"
    dim = 2
    low, high = -10.0, 10.0

    def __call__(self, point):
        x, y = point
        return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2

    def start(self):
        return (-5.0, 5.0)

    def stationary(self):
        return (Stationary((1.0, 3.0), 0.0, "minimum", "0"),)
