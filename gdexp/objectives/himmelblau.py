"""Four minima of the same value: the classic map of basins of attraction."""

import dataclasses

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Himmelblau(Objective):
    """A quartic with nine stationary points, found by resultant."""

    formula = "(x² + y − 11)² + (x + y² − 7)²"
    source = "Himmelblau, Applied Nonlinear Programming, McGraw-Hill (1972)"
    dim = 2

    def __call__(self, point):
        x, y = point
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    def start(self):
        return (0.0, 0.0)

    def stationary(self):
        return (
            Stationary((3.0, 2.0), 0.0, "minimum", "0"),
            Stationary((-2.805118086952745, 3.131312518250573), 0.0, "minimum", "0"),
            Stationary((-3.779310253377747, -3.2831859912861696), 0.0, "minimum", "0"),
            Stationary((3.5844283403304917, -1.8481265269644036), 0.0, "minimum", "0"),
            Stationary((3.385154183607021, 0.07385187983774928), 13.31192627040559, "saddle"),
            Stationary((0.08667750455539636, 2.884254701174776), 67.71915008752615, "saddle"),
            Stationary((-3.0730257507643897, -0.08135304428796751), 104.0151629175581, "saddle"),
            Stationary((-0.12796134673068008, -1.9537149802445763), 178.33723920192747, "saddle"),
            Stationary(
                (-0.2708445906673476, -0.9230385564799815), 181.6165215225827, "maximum", "181.617"
            ),
        )
