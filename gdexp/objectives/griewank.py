"""A vast shallow bowl under ripples: from afar it looks convex, from near it is all minima."""

import dataclasses

import jax.numpy as jnp

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Griewank(Objective):
    """1 + Σ xᵢ²/4000 − Π cos(xᵢ/√i), i from 1."""

    dim: int = 2

    formula = "1 + Σ xᵢ²/4000 − Π cos(xᵢ/√i)"
    source = "Griewank, Journal of Optimization Theory and Applications 34 (1981) 11-39"
    low, high = -600.0, 600.0

    def __call__(self, x):
        widths = jnp.sqrt(jnp.arange(1, self.dim + 1, dtype=x.dtype))
        return jnp.sum(x**2) / 4000 + (1 - jnp.prod(jnp.cos(x / widths)))

    def start(self):
        return (10.0,) * self.dim

    def stationary(self):
        return (Stationary((0.0,) * self.dim, 0.0, "minimum", "0"),)
