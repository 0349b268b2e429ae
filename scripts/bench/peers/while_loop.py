"""jit(vmap(while_loop)) over optax, on all cores: what a JAX user writes first.

One gradient a step, carried; the tests of a run's ending without the record of the last finite
state and of the best value, which gdexp keeps. All runs of the batch step until the slowest ends.
"""

from __future__ import annotations

from bench.peers import CONVERGED, DIVERGED, UNFINISHED, Ends, Given, Ready
from bench.tasks import Task

WHAT = "jit(vmap(while_loop)), all cores"
NEEDS = ("jax", "optax")
SAME_WORK = True
PER = "step"


def runs(task: Task) -> int:
    return task.runs


def refuses(task: Task) -> str | None:
    return None


def prepare(task: Task, given: Given, options: dict) -> Ready:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    from bench.peers import _optax

    value_and_grad = jax.value_and_grad(_optax.function(task))
    grad_tol = task.grad_tol or -1.0

    def descend(x0, rate):
        optimizer = _optax.optimizer(task, rate)
        bound = task.escape_radius * (1 + jnp.abs(x0).max())

        def sound(x, value, norm):
            return jnp.isfinite(value) & jnp.isfinite(norm) & (jnp.abs(x).max() <= bound)

        def running(carry):
            x, value, gradient, _, steps = carry
            norm = jnp.sqrt(jnp.sum(gradient**2))
            return sound(x, value, norm) & (norm > grad_tol) & (steps < task.max_steps)

        def step(carry):
            x, value, gradient, state, steps = carry
            updates, state = optimizer.update(gradient, state, x)
            x = optax.apply_updates(x, updates)
            value, gradient = value_and_grad(x)
            return x, value, gradient, state, steps + 1

        first = (x0, *value_and_grad(x0), optimizer.init(x0), jnp.int32(0))
        x, value, gradient, _, steps = jax.lax.while_loop(running, step, first)
        norm = jnp.sqrt(jnp.sum(gradient**2))
        ended = jnp.where(norm <= grad_tol, CONVERGED, UNFINISHED)
        return x, value, norm, steps, jnp.where(sound(x, value, norm), ended, DIVERGED)

    arguments = jnp.asarray(given.x0), jnp.asarray(given.rate)
    program, seconds = _optax.compiled(jax.vmap(descend), *arguments)

    def run() -> Ends:
        _, value, _, steps, outcome = map(np.asarray, program(*arguments))
        return Ends(value, steps, outcome)

    return Ready(run, seconds)
