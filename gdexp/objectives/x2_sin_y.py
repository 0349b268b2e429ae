"""A whole line of stationary points, half of it a valley floor and half a ridge, and no minimum."""

import dataclasses
import math

import jax.numpy as jnp

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class X2SinY(Objective):
    """x² sin y, stationary on the line x = 0 and nowhere else, and unbounded below."""

    formula = "x² sin y"
    source = "a lesson function; its facts by hand"
    dim = 2

    def __call__(self, point):
        x, y = point
        return x**2 * jnp.sin(y)

    def start(self):
        return (1.0, 1.0)

    def stationary(self):
        heights = (-math.pi / 2, 0.0, math.pi / 2)  # a ridge, the change between them, a valley
        return tuple(Stationary((0.0, y), 0.0, "degenerate") for y in heights)
