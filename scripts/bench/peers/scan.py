"""jit(vmap(scan)) over optax, on all cores: a fixed number of steps and no test at all.

Every run makes all of its steps; nothing says where it should have ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.peers import Ends, Given, Ready
from bench.tasks import HOMOGENEOUS, Task

WHAT = "jit(vmap(scan)), fixed steps, all cores"
NEEDS = ("jax", "optax")
SAME_WORK = False
PER = "step"


def runs(task: Task) -> int:
    return task.runs


def refuses(task: Task) -> str | None:
    return None


def descent(task: Task) -> Callable[[Any, Any], Any]:
    """(x0 [D], rate) -> (x, f) after all steps, for one run."""
    import jax
    import optax

    from bench.peers import _optax

    function = _optax.function(task)

    def descend(x0, rate):
        optimizer = _optax.optimizer(task, rate)

        def step(carry, _):
            x, state = carry
            updates, state = optimizer.update(jax.grad(function)(x), state, x)
            return (optax.apply_updates(x, updates), state), None

        (x, _), _ = jax.lax.scan(step, (x0, optimizer.init(x0)), length=task.max_steps)
        return x, function(x)

    return descend


def prepare(task: Task, given: Given, options: dict) -> Ready:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from bench.peers import _optax

    arguments = jnp.asarray(given.x0), jnp.asarray(given.rate)
    program, seconds = _optax.compiled(jax.vmap(descent(task)), *arguments)

    def run() -> Ends:
        _, value = map(np.asarray, program(*arguments))
        return ends(task, value)

    return Ready(run, seconds)


def ends(task: Task, value: Any) -> Ends:
    """All it knows; where no run can end early, that is also that each made all its steps."""
    import numpy as np

    if task.kind != HOMOGENEOUS:
        return Ends(value)
    return Ends(value, np.full(len(value), task.max_steps))
