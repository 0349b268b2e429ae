"""Rosenbrock's valley: a curved floor so flat that steepest descent crawls along it."""

import dataclasses

import jax.numpy as jnp

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Rosenbrock(Objective):
    """Σ b (xᵢ₊₁ − xᵢ²)² + (a − xᵢ)², the chained form for D > 2."""

    dim: int = 2
    a: float = 1.0
    b: float = 100.0

    formula = "Σ b (xᵢ₊₁ − xᵢ²)² + (a − xᵢ)²"
    source = "Rosenbrock, The Computer Journal 3 (1960) 175-184"
    min_dim = 2
    low, high = -2.048, 2.048

    def __call__(self, x):
        return jnp.sum(self.b * (x[1:] - x[:-1] ** 2) ** 2 + (self.a - x[:-1]) ** 2)

    def start(self):
        return (-1.2, 1.0) * (self.dim // 2) + (-1.2,) * (self.dim % 2)

    def stationary(self):
        if self.b <= 0.0 or (self.a != 1.0 and self.dim > 2):
            return ()  # a valley only above b = 0; closed only for two dimensions, or at a = 1
        return (Stationary((self.a,) + (self.a**2,) * (self.dim - 1), 0.0, "minimum", "0"),)
