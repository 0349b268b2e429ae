"""A straight line through points: slope and intercept by gradient descent."""

import dataclasses
import functools

import numpy as np

from gdexp.base import Stationary
from gdexp.learning import Learning

NUM = 100  # points


@functools.cache
def data() -> tuple[np.ndarray, np.ndarray]:  # [NUM], [NUM]
    """Where the points lie, and the standard normal error of each."""
    return np.linspace(-5.0, 5.0, NUM), np.random.default_rng(0).standard_normal(NUM)


@dataclasses.dataclass(frozen=True)
class LinearRegression(Learning):
    """The mean squared error of w x + b at 100 points of a line, with normal errors of size noise.

    The points are evenly spread on [−5, 5], so that w and b descend apart from each other: the
    error of b shrinks by 1 − 2 · learning rate a step.
    """

    slope: float = 2.0
    intercept: float = 20.0
    noise: float = 0.0

    formula = "mean((w x + b − (slope · x + intercept + noise · ε))²)"
    source = "a lesson function; its optimum is that of least squares"
    dim = 2
    low = -30.0
    high = 30.0

    def arrays(self):
        return data()

    def losses(self, point, x, error):
        w, b = point
        return (w * x + b - (self.slope * x + self.intercept + self.noise * error)) ** 2

    def blocks(self):
        return {"w": (1, 1), "b": (1,)}

    def start(self):
        return (0.0, 0.0)

    def stationary(self):
        x, error = data()
        away = np.array([x @ error / (x @ x), error.mean()])
        rest = error - away[0] * x - away[1]
        w, b = np.array([self.slope, self.intercept]) + self.noise * away
        lowest = self.noise**2 * np.mean(rest**2)
        return (Stationary((float(w), float(b)), float(lowest), "minimum"),)
