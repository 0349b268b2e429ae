"""A matrix that has to take one vector to another: the smallest layer of a network."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from gdexp.base import Objective, Stationary

VECTOR, TARGET = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 3.0, 4.0, 5.0])
ROW = (1.5, 1.3, 1.8, 1.1)  # of the matrix at the start, four times


@dataclasses.dataclass(frozen=True)
class LinearMap(Objective):
    """The mean squared error of v @ W against a target; W [4, 4] row by row.

    One vector leaves twelve of sixteen dimensions flat: every W with v @ W = target is as good.
    """

    formula = "mean((v @ W − target)²), v = (1, 2, 3, 4), target = (2, 3, 4, 5)"
    source = "a lesson function; its facts by hand: sharpness 2 |v|²/4 = 15"
    dim = 16

    def __call__(self, x):
        vector, target = (jnp.asarray(known, x.dtype) for known in (VECTOR, TARGET))
        return jnp.mean((vector @ x.reshape(4, 4) - target) ** 2)

    def blocks(self):
        return {"W": (4, 4)}

    def start(self):
        return ROW * 4

    def stationary(self):
        nearest_to_zero = np.outer(VECTOR, TARGET) / (VECTOR @ VECTOR)
        return (Stationary(tuple(nearest_to_zero.ravel().tolist()), 0.0, "degenerate"),)
