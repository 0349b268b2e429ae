"""Two clouds of points told apart by a line: the convex problem of classification."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from gdexp.base import Stationary
from gdexp.learning import Learning

NUM = 200  # points, half of each class
STEPS = 60  # of Newton's method, which has long converged by then


@functools.cache
def data(seed: int) -> np.ndarray:  # [NUM, 3]
    """The features of each point and a one, times its class, 1 or −1. The classes overlap."""
    label = np.where(np.arange(NUM) % 2, 1.0, -1.0)
    noise = np.random.default_rng(seed).standard_normal((NUM, 2))
    features = noise + label[:, None] * np.array([1.0, 0.5])
    return np.column_stack([features, np.ones(NUM)]) * label[:, None]


@dataclasses.dataclass(frozen=True)
class LogisticRegression(Learning):
    """The mean logistic loss of (w₁, w₂, b) on 200 points, and a penalty l2 on the weights."""

    l2: float = 0.0  # not negative
    data_seed: int = 0  # of the clouds

    formula = "mean(log(1 + e^(−y (w·s + b)))) + l2 |w|²/2"
    source = "a lesson function; its minimum by Newton's method"
    dim = 3

    def arrays(self):
        return (data(self.data_seed),)

    def losses(self, x, row):
        return jax.nn.softplus(-(row @ x))

    def hits(self, x, row):
        side = row @ x  # 0 on the line itself, which is told to be of the class 1
        return (side > 0) | ((side == 0) & (row[:, 2] > 0))

    def penalty(self, x):
        return self.l2 / 2 * jnp.sum(x[:2] ** 2)

    def blocks(self):
        return {"w": (2, 1), "b": (1,)}

    def start(self):
        return (0.0, 0.0, 0.0)

    def stationary(self):
        if self.l2 < 0:
            return ()
        rows, penalty, x = data(self.data_seed), self.l2 * np.diag([1.0, 1.0, 0.0]), np.zeros(3)
        for _ in range(STEPS):
            miss = 1 / (1 + np.exp(rows @ x))
            gradient = penalty @ x - rows.T @ miss / NUM
            hessian = penalty + (rows.T * (miss * (1 - miss))) @ rows / NUM
            x = x - np.linalg.solve(hessian, gradient)
        lowest = np.logaddexp(0, -rows @ x).mean() + x @ penalty @ x / 2
        return (Stationary(tuple(x.tolist()), float(lowest), "minimum"),)
