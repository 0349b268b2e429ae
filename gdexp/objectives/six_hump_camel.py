"""Six minima at three heights, in pairs: a descent can be right, nearly right or wrong."""

import dataclasses

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class SixHumpCamel(Objective):
    """A sextic, even about the origin, with fifteen stationary points, found by resultant."""

    formula = "(4 − 2.1x² + x⁴/3) x² + xy + (4y² − 4) y²"
    source = "Dixon and Szegö, Towards Global Optimisation 2, North-Holland (1978) 1-15"
    dim = 2
    low, high = (-3.0, -2.0), (3.0, 2.0)

    def __call__(self, point):
        x, y = point
        return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2

    def start(self):
        return (2.0, 1.0)

    def stationary(self):
        half = (
            (0.08984201310031806, -0.7126564030207396, -1.0316284534898774, "minimum", "-1.0316"),
            (1.703606714969981, -0.7960835686726251, -0.21546382438371764, "minimum", None),
            (1.6071047529201972, 0.5686514548841314, 2.1042503103112584, "minimum", None),
            (1.1092053368047865, -0.7682680925095399, 0.5437186009781851, "saddle", None),
            (1.6380679841897785, 0.22867406904439408, 2.2293571975307147, "saddle", None),
            (1.2960702671671092, 0.6050843880386585, 2.22947081802986, "saddle", None),
            (1.2302298765166526, 0.16233458445899496, 2.496295351023577, "maximum", None),
        )
        return (Stationary((0.0, 0.0), 0.0, "saddle"),) + tuple(
            Stationary((sign * x, sign * y), *facts) for x, y, *facts in half for sign in (1, -1)
        )
