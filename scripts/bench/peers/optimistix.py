"""optimistix.minimise under jit(vmap), on all cores.

What it can express of the contest: runs of a fixed number of steps with any of the three (as
OptaxMinimiser), and with sgd also a run that ends at a gradient norm: optimistix tests the size of
the last step, which under sgd is rate · gradient, so a tolerance of rate · grad_tol on it is the
same test, one step later. Under momentum and Adam the size of a step says nothing of the gradient.
It does not look for runs that blow up: those go on until the slowest has ended.
"""

from __future__ import annotations

from bench.peers import CONVERGED, DIVERGED, UNFINISHED, Ends, Given, Ready
from bench.tasks import HOMOGENEOUS, Task

WHAT = "optimistix.minimise, vmapped, all cores"
NEEDS = ("jax", "optax", "optimistix")
SAME_WORK = True
PER = "step"


def runs(task: Task) -> int:
    return task.runs


def refuses(task: Task) -> str | None:
    if task.kind != HOMOGENEOUS and task.optimizer != "sgd":
        return f"its test of a step's size is no test of the gradient under {task.optimizer}"
    return None


def prepare(task: Task, given: Given, options: dict) -> Ready:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optimistix as optx

    from bench.peers import _optax

    function = _optax.function(task)

    late = int(task.kind != HOMOGENEOUS)  # GradientDescent's first step only evaluates

    def solver(rate):
        if task.kind == HOMOGENEOUS:
            return optx.OptaxMinimiser(_optax.optimizer(task, rate), rtol=0.0, atol=0.0)
        return optx.GradientDescent(rate, rtol=0.0, atol=rate * task.grad_tol, norm=optx.two_norm)

    def descend(x0, rate):
        found = optx.minimise(
            lambda x, _: function(x), solver(rate), x0, max_steps=task.max_steps + late, throw=False
        )
        success = found.result == optx.RESULTS.successful
        steps = found.stats["num_steps"] - late - success  # counted as gdexp counts them
        return found.value, function(found.value), steps, success

    arguments = jnp.asarray(given.x0), jnp.asarray(given.rate)
    program, seconds = _optax.compiled(jax.vmap(descend), *arguments)

    def run() -> Ends:
        x, value, steps, success = map(np.asarray, program(*arguments))
        finite = np.isfinite(value) & np.isfinite(x).all(1)
        outcome = np.where(success, CONVERGED, np.where(finite, UNFINISHED, DIVERGED))
        return Ends(value, steps, outcome)

    return Ready(run, seconds)
