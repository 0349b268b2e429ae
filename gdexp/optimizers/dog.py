"""Distance over gradients, with the size of its first step a number of its own."""

import optax
import optax.contrib


def dog(
    learning_rate: optax.ScalarOrSchedule = 1.0,
    init_step: str = "heuristic",
    init_value: float = 1e-6,
    eps: float = 1e-8,
    weight_decay: float | None = None,
) -> optax.GradientTransformation:
    """`optax.contrib.dog`, where `(init_step, init_value)` is the tuple `init_step`.

    `init_step` says what `init_value` is: `distance`, `learning_rate`, or, by the `heuristic`, the
    distance relative to 1 + ‖x0‖.
    """
    return optax.contrib.dog(learning_rate, (init_step, init_value), eps, weight_decay)
