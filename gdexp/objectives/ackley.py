"""A rippled plain around one steep funnel, whose tip is a cusp: the gradient there has no limit."""

import dataclasses
import math

import jax.numpy as jnp

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Ackley(Objective):
    """a (1 − exp(−b‖x‖/√D)) + e − exp(Σ cos(cxᵢ)/D).

    The minimum is a cusp with slope ab/√D on every side, so no gradient exists there; the one
    computed is 0, a subgradient, and finite everywhere else.
    """

    dim: int = 2
    a: float = 20.0
    b: float = 0.2
    c: float = 2 * math.pi

    formula = "−a exp(−b √(Σ xᵢ²/D)) − exp(Σ cos(cxᵢ)/D) + a + e"
    source = (
        "Ackley, A Connectionist Machine for Genetic Hillclimbing, Kluwer (1987); for any D "
        "Bäck, Evolutionary Algorithms in Theory and Practice, Oxford (1996)"
    )
    low, high = -32.768, 32.768

    def __call__(self, x):
        square = jnp.mean(x**2)
        tip = square == 0.0
        # sqrt is kept away from 0, where its infinite slope would make the gradient NaN
        radius = jnp.where(tip, 0.0, jnp.sqrt(jnp.where(tip, 1.0, square)))
        ripple = jnp.exp(jnp.mean(jnp.cos(self.c * x)))
        return self.a * (1 - jnp.exp(-self.b * radius)) + (math.e - ripple)

    def start(self):
        return (2.5,) * self.dim

    def stationary(self):
        if self.a * self.b <= 0.0:
            return ()  # no funnel, or one that points up
        return (Stationary((0.0,) * self.dim, 0.0, "minimum", "0"),)
