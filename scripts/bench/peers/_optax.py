"""What the contestants that are written with JAX and optax share."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from bench.functions import FUNCTIONS
from bench.tasks import MOMENTUM, Task


def function(task: Task) -> Callable[[jax.Array], jax.Array]:
    """The task's function of one point [D]."""
    return functools.partial(FUNCTIONS[task.function], jnp)


def optimizer(task: Task, rate: Any) -> optax.GradientTransformationExtraArgs:
    """The task's optimizer at a learning rate that may be traced."""
    made = {
        "sgd": lambda: optax.sgd(rate),
        "momentum": lambda: optax.sgd(rate, momentum=MOMENTUM),
        "adam": lambda: optax.adam(rate),
    }[task.optimizer]()
    return optax.with_extra_args_support(made)


def compiled(batched: Callable[..., Any], *arguments: Any) -> tuple[Callable[..., Any], float]:
    """The program for arguments of these shapes, and the seconds that tracing and XLA took."""
    began = time.perf_counter()
    program = jax.jit(batched).lower(*arguments).compile()
    return program, time.perf_counter() - began
