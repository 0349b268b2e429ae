"""Cosine decay (Loshchilov & Hutter, 2017): half a wave, from full down to `alpha`."""

import dataclasses

import jax.numpy as jnp

from gdexp.schedules import Schedule


@dataclasses.dataclass(frozen=True)
class Cosine(Schedule):
    """`optax.cosine_decay_schedule` from 1; `decay_steps` must be positive."""

    decay_steps: float = 1000.0
    alpha: float = 0.0
    exponent: float = 1.0

    formula = "alpha + (1 − alpha) ((1 + cos(π min(t / decay_steps, 1))) / 2)^exponent"

    def __call__(self, count):
        done = jnp.minimum(count, self.decay_steps) / self.decay_steps
        wave = 0.5 * (1.0 + jnp.cos(jnp.pi * done))
        return (1.0 - self.alpha) * wave**self.exponent + self.alpha
