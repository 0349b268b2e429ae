"""jit(vmap(scan)) over optax with what gdexp keeps of a run: each step's value, the best, the norm.

Still no test. Between it and `scan`, which never needs a value, lies what the numbers cost that a
study of descents wants; between it and gdexp lies what the tests cost.
"""

from __future__ import annotations

from bench.peers import Given, Ready, scan
from bench.tasks import HOMOGENEOUS, Task

WHAT = "scan that also keeps values, the best of them and the gradient's norm"
NEEDS = ("jax", "optax")
SAME_WORK = False
PER = "step"


def runs(task: Task) -> int:
    return task.runs


def refuses(task: Task) -> str | None:
    return (
        None
        if task.kind == HOMOGENEOUS
        else "it has no test, so it says something only where all runs are of one length"
    )


def prepare(task: Task, given: Given, options: dict) -> Ready:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    from bench.peers import _optax

    value_and_grad = jax.value_and_grad(_optax.function(task))

    def descend(x0, rate):
        optimizer = _optax.optimizer(task, rate)
        value, gradient = value_and_grad(x0)

        def step(carry, _):
            x, _, gradient, best, state = carry
            updates, state = optimizer.update(gradient, state, x)
            x = optax.apply_updates(x, updates)
            value, gradient = value_and_grad(x)
            return (x, value, gradient, jnp.minimum(best, value), state), None

        first = x0, value, gradient, value, optimizer.init(x0)
        (x, value, gradient, best, _), _ = jax.lax.scan(step, first, length=task.max_steps)
        return x, value, best, jnp.sqrt(jnp.sum(gradient**2))

    arguments = jnp.asarray(given.x0), jnp.asarray(given.rate)
    program, seconds = _optax.compiled(jax.vmap(descend), *arguments)

    def run():
        _, value, _, _ = map(np.asarray, program(*arguments))
        return scan.ends(task, value)

    return Ready(run, seconds)
