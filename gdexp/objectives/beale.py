"""A narrow valley between sharp walls: far starts crawl along it or are thrown out."""

import dataclasses

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Beale(Objective):
    """A sum of three squares with three stationary points, found by resultant."""

    formula = "(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²"
    source = (
        "Beale, Technical Report 25, Statistical Techniques Research Group, Princeton (1958); "
        "start as in Moré, Garbow and Hillstrom, ACM Trans. Math. Softw. 7 (1981) 17-41"
    )
    dim = 2
    low, high = -4.5, 4.5

    def __call__(self, point):
        x, y = point
        return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2

    def start(self):
        return (1.0, 1.0)

    def stationary(self):
        return (
            Stationary((3.0, 0.5), 0.0, "minimum", "0"),
            Stationary((0.0, 1.0), 14.203125, "saddle"),
            Stationary((0.10053793732415836, -2.644513585023125), 9.86451228475556, "saddle"),
        )
