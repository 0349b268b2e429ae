"""SM3, with a learning rate that may follow a schedule."""

import optax


def sm3(
    learning_rate: optax.ScalarOrSchedule, momentum: float = 0.9
) -> optax.GradientTransformation:
    """`optax.sm3`, from the same parts: optax's own takes a fixed learning rate only."""
    return optax.chain(optax.scale_by_sm3(momentum), optax.scale_by_learning_rate(learning_rate))
