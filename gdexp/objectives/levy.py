"""Waves over a bowl, gentler in the last coordinate: minima in rows, most of them poor."""

import dataclasses
import math

import jax.numpy as jnp

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Levy(Objective):
    """The form of Laguna and Martí; the + 1 is inside the sine. Levy and Montalvo's is another."""

    dim: int = 2

    formula = (
        "sin²(πw₁) + Σ_{i<D} (wᵢ − 1)² (1 + 10 sin²(πwᵢ + 1)) "
        "+ (w_D − 1)² (1 + sin²(2πw_D)), w = 1 + (x − 1)/4"
    )
    source = "Laguna and Martí, Journal of Global Optimization 33 (2005) 235-255"
    low, high = -10.0, 10.0

    def __call__(self, x):
        shifted = (x - 1) / 4  # w − 1; the sines below are of w itself, shifted by whole periods
        inner, last = shifted[:-1], shifted[-1]
        return (
            jnp.sin(math.pi * shifted[0]) ** 2
            + jnp.sum(inner**2 * (1 + 10 * jnp.sin(math.pi * inner + 1) ** 2))
            + last**2 * (1 + jnp.sin(2 * math.pi * last) ** 2)
        )

    def start(self):
        return (-4.0,) * self.dim

    def stationary(self):
        return (Stationary((1.0,) * self.dim, 0.0, "minimum", "0"),)
