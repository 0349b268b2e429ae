"""Schedule-free SGD, whose warmup is a schedule like any other."""

import optax
import optax.contrib


def schedule_free_sgd(
    learning_rate: optax.ScalarOrSchedule = 1.0,
    b1: float = 0.9,
    weight_decay: float | None = None,
    weight_lr_power: float = 2.0,
) -> optax.GradientTransformation:
    """`optax.contrib.schedule_free_sgd` less `warmup_steps`, on which it branches in Python.

    The schedule `linear_warmup` does the same. The gradient is taken at x, the paper's y; its
    average is `optax.contrib.schedule_free_eval_params`.
    """
    return optax.contrib.schedule_free_sgd(learning_rate, None, b1, weight_decay, weight_lr_power)
