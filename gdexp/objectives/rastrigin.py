"""A bowl under a lattice of bumps: a minimum beside every whole number, one of them the best."""

import dataclasses
import math

import jax.numpy as jnp

from gdexp.base import Objective, Stationary


@dataclasses.dataclass(frozen=True)
class Rastrigin(Objective):
    """Σ xᵢ² + A (1 − cos 2πxᵢ), A the amplitude; the source's A D stands inside the sum."""

    dim: int = 2
    amplitude: float = 10.0

    formula = "A D + Σ xᵢ² − A cos(2πxᵢ)"
    source = (
        "Rastrigin, Systems of Extremal Control, Nauka (1974); for any D "
        "Mühlenbein, Schomisch and Born, Parallel Computing 17 (1991) 619-632"
    )
    low, high = -5.12, 5.12

    def __call__(self, x):
        return jnp.sum(x**2 + self.amplitude * (1 - jnp.cos(2 * math.pi * x)))

    def start(self):
        return (2.2,) * self.dim

    def stationary(self):
        curvature = 2 + 4 * math.pi**2 * self.amplitude
        kind = "minimum" if curvature > 0 else "maximum" if curvature < 0 else "degenerate"
        return (Stationary((0.0,) * self.dim, 0.0, kind, "0"),)
