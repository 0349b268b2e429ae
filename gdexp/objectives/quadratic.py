"""The bowl every theory starts from: its condition number alone sets the rate of descent."""

import dataclasses

import jax.numpy as jnp

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Quadratic(Objective):
    """½ Σ λᵢ (xᵢ − shift)², λ spaced geometrically from 1 to condition_number, which is above 0."""

    dim: int = 2
    condition_number: float = 10.0
    shift: float = 0.0

    formula = "½ Σ λᵢ (xᵢ − shift)², λᵢ = condition_number^((i − 1)/(D − 1))"
    source = "a lesson function; its facts by hand"

    def __call__(self, x):
        # exp of a multiple of one log: a power for each coordinate costs five times as much
        exponents = jnp.linspace(0.0, 1.0, self.dim, dtype=x.dtype)
        eigenvalues = jnp.exp(exponents * jnp.log(self.condition_number))
        return jnp.sum(eigenvalues * (x - self.shift) ** 2) / 2

    def start(self):
        return (3.0,) * self.dim

    def stationary(self):
        if self.condition_number <= 0.0:
            return ()
        return (Stationary((self.shift,) * self.dim, 0.0, "minimum"),)
