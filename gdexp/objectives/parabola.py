"""The plainest bowl: every step of gradient descent multiplies the error by 1 − 2·learning_rate."""

import dataclasses

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Parabola(Objective):
    """w² + 3w − 5, whose curvature 2 makes descent diverge above the learning rate 1."""

    formula = "w² + 3w − 5"
    source = "a lesson function; its facts by hand"
    dim = 1

    def __call__(self, point):
        (w,) = point
        return w**2 + 3 * w - 5

    def start(self):
        return (3.0,)

    def stationary(self):
        return (Stationary((-1.5,), -7.25, "minimum"),)
