"""Exponential decay: the same fraction is lost in every stretch of steps."""

import dataclasses

import jax.numpy as jnp

from gdexp.schedules import Schedule


@dataclasses.dataclass(frozen=True)
class Exponential(Schedule):
    """`optax.exponential_decay` from 1.

    As there, `transition_steps` of 0 or less, or a `decay_rate` of 0, mean no decay.
    """

    transition_steps: float = 1000.0
    decay_rate: float = 0.1
    transition_begin: float = 0.0

    formula = "decay_rate^(max(t − transition_begin, 0) / transition_steps)"

    def __call__(self, count):
        steps = jnp.maximum(count - jnp.maximum(self.transition_begin, 0.0), 0.0)
        decays = (self.transition_steps > 0.0) & (self.decay_rate != 0.0)
        length = jnp.where(decays, self.transition_steps, 1.0)
        rate = jnp.where(decays, self.decay_rate, 1.0)
        return jnp.power(rate, steps / length)
