"""D-Adapted AdamW, with each beta a number of its own."""

import optax
import optax.contrib


def dadapt_adamw(
    learning_rate: optax.ScalarOrSchedule = 1.0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    estim_lr0: float = 1e-6,
    weight_decay: float = 0.0,
) -> optax.GradientTransformation:
    """`optax.contrib.dadapt_adamw`, where `(b1, b2)` is the tuple `betas`."""
    return optax.contrib.dadapt_adamw(learning_rate, (b1, b2), eps, estim_lr0, weight_decay)
