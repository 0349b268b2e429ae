"""Fitting a normal distribution: how unlikely a sample is, by mean and log of the deviation."""

import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np

from gdexp.base import Stationary
from gdexp.learning import Learning

NUM = 100  # points


@functools.cache
def sample() -> np.ndarray:  # [NUM]
    """A standard normal sample."""
    return np.random.default_rng(0).standard_normal(NUM)


@dataclasses.dataclass(frozen=True)
class GaussianNll(Learning):
    """The mean negative log likelihood of 100 normal numbers, whose minimum is in closed form."""

    mean: float = 1.0  # of what the sample was drawn from, and
    deviation: float = 2.0  # above 0

    formula = "mean((s − μ)²/(2 e^(2ℓ))) + ℓ + ½ log 2π, x = (μ, ℓ)"
    source = "a lesson function; μ and e^ℓ at the minimum are the sample's mean and deviation"
    dim = 2
    low = -3.0
    high = 3.0

    def arrays(self):
        return (sample(),)

    def losses(self, point, drawn):
        mean, log_deviation = point
        scaled = (self.mean + self.deviation * drawn - mean) * jnp.exp(-log_deviation)
        return scaled**2 / 2 + log_deviation + 0.5 * math.log(2 * math.pi)

    def start(self):
        return (0.0, 0.0)

    def stationary(self):
        if self.deviation <= 0:
            return ()
        middle = self.mean + self.deviation * sample().mean()
        spread = math.log(self.deviation * sample().std())
        lowest = spread + 0.5 + 0.5 * math.log(2 * math.pi)
        return (Stationary((float(middle), spread), lowest, "minimum"),)
