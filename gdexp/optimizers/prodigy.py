"""Prodigy, with each beta a number of its own."""

import optax
import optax.contrib


def prodigy(
    learning_rate: optax.ScalarOrSchedule = 1.0,
    b1: float = 0.9,
    b2: float = 0.999,
    beta3: float | None = None,
    eps: float = 1e-8,
    estim_lr0: float = 1e-6,
    estim_lr_coef: float = 1.0,
    weight_decay: float = 0.0,
) -> optax.GradientTransformation:
    """`optax.contrib.prodigy`, where `(b1, b2)` is the tuple `betas`."""
    return optax.contrib.prodigy(
        learning_rate,
        (b1, b2),
        beta3,
        eps,
        estim_lr0,
        estim_lr_coef,
        weight_decay,
    )
