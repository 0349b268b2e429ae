"""Linear warmup: up a straight line to the full learning rate, then constant."""

import dataclasses

import jax.numpy as jnp

from gdexp.schedules import Schedule


@dataclasses.dataclass(frozen=True)
class LinearWarmup(Schedule):
    """`optax.linear_schedule` from `init_value` to 1, joined with a constant.

    A `warmup_steps` of 0 or less means no warmup.
    """

    warmup_steps: float = 100.0
    init_value: float = 0.0

    formula = "init_value + (1 − init_value) min(t / warmup_steps, 1)"

    def __call__(self, count):
        length = jnp.where(self.warmup_steps > 0.0, self.warmup_steps, 1.0)
        left = jnp.maximum(self.warmup_steps - count, 0.0) / length
        return 1.0 - (1.0 - self.init_value) * left
