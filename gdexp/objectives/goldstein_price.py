"""Values from 3 to a million on one small square: no single learning rate suits it all."""

import dataclasses
import itertools

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class GoldsteinPrice(Objective):
    """The source's two brackets, each a quartic of one variable alone: s = x + y and t = 2x − 3y.

    So its nine stationary points are rational: s at −1, 1 or 2 and t at 0, 1 or 3.
    """

    formula = (
        "[1 + (x + y + 1)² (19 − 14x + 3x² − 14y + 6xy + 3y²)] "
        "[30 + (2x − 3y)² (18 − 32x + 12x² + 48y − 36xy + 27y²)]"
    )
    source = "Goldstein and Price, Mathematics of Computation 25 (1971) 569-574"
    dim = 2
    low, high = -2.0, 2.0

    def __call__(self, point):
        x, y = point
        s, t = x + y, 2 * x - 3 * y
        return (1 + (s + 1) ** 2 * (19 - 14 * s + 3 * s**2)) * (
            30 + t**2 * (18 - 16 * t + 3 * t**2)
        )

    def start(self):
        return (0.5, -0.5)

    def stationary(self):
        first = ((-1, 1, True), (1, 33, False), (2, 28, True))  # s, its bracket, lowest there?
        second = ((0, 30, True), (1, 35, False), (3, 3, True))
        kinds = {2: "minimum", 1: "saddle", 0: "maximum"}
        facts = []
        for (s, f, s_low), (t, g, t_low) in itertools.product(first, second):
            x, published = ((3 * s + t) / 5, (2 * s - t) / 5), "3" if f * g == 3 else None
            facts.append(Stationary(x, float(f * g), kinds[s_low + t_low], published))
        return tuple(facts)
