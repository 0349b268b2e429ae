"""scipy.optimize.minimize, one run after another, with the gradient from JAX: BFGS.

Not the same work: BFGS needs fewer and dearer steps, in float64, and there is no learning rate to
study. Compare runs a second, as what a user gets who only wants the minimum from each start.
"""

from __future__ import annotations

import time

from bench.peers import Ends, Given, Ready
from bench.tasks import HOMOGENEOUS, Task

WHAT = "scipy.optimize.minimize(method='BFGS'), one at a time; another method: in runs a second"
NEEDS = ("jax", "optax", "scipy")
SAME_WORK = False
PER = "run"
RUNS = 32


def runs(task: Task) -> int:
    return min(task.runs, RUNS if task.dim < 50 else 4)


def refuses(task: Task) -> str | None:
    if task.kind == HOMOGENEOUS:
        return "it ends where it ends"
    return None if task.optimizer == "sgd" else "the same as beside sgd: it knows no optimizer"


def prepare(task: Task, given: Given, options: dict) -> Ready:
    import jax
    import numpy as np
    import scipy.optimize

    from bench.peers import _optax

    value_and_grad = jax.jit(jax.value_and_grad(_optax.function(task)))

    def function(x):
        value, gradient = value_and_grad(x.astype(np.float32))
        return float(value), np.asarray(gradient, np.float64)

    began = time.perf_counter()
    function(given.x0[0])

    def run() -> Ends:
        options = {"gtol": task.grad_tol, "maxiter": task.max_steps}
        found = [
            scipy.optimize.minimize(function, x0, jac=True, method="BFGS", options=options)
            for x0 in given.x0
        ]
        return Ends(np.array([one.fun for one in found]))

    return Ready(run, time.perf_counter() - began)
