"""Schedule-free AdamW, whose warmup is a schedule like any other."""

import optax
import optax.contrib


def schedule_free_adamw(
    learning_rate: optax.ScalarOrSchedule = 0.0025,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    weight_lr_power: float = 2.0,
) -> optax.GradientTransformation:
    """`optax.contrib.schedule_free_adamw` less `warmup_steps`, on which it branches in Python.

    The schedule `linear_warmup` does the same. The gradient is taken at x, the paper's y; its
    average is `optax.contrib.schedule_free_eval_params`.
    """
    return optax.contrib.schedule_free_adamw(
        learning_rate, None, b1, b2, eps, weight_decay, weight_lr_power
    )
