"""torch, one run after another: the loop of the lessons, with torch.optim and the same tests.

A few runs are measured; the figure is steps a second, and each run needs what gdexp's run needs.
"""

from __future__ import annotations

import time

from bench.peers import CONVERGED, DIVERGED, UNFINISHED, Ends, Given, Ready
from bench.tasks import HOMOGENEOUS, MOMENTUM, Task

WHAT = "torch.optim, one run at a time"
NEEDS = ("torch",)
SAME_WORK = True
PER = "step"
RUNS = 8  # thousands of steps: a second or so


def runs(task: Task) -> int:
    return min(task.runs, RUNS)


def refuses(task: Task) -> str | None:
    return "one run at a time has no longest" if task.kind == HOMOGENEOUS else None


def prepare(task: Task, given: Given, options: dict) -> Ready:
    import numpy as np
    import torch

    from bench.functions import FUNCTIONS

    function = FUNCTIONS[task.function]

    def optimizer(x, rate):
        if task.optimizer == "adam":
            return torch.optim.Adam([x], lr=rate)
        return torch.optim.SGD([x], lr=rate, momentum=MOMENTUM * (task.optimizer == "momentum"))

    def descend(x0, rate):
        x = torch.tensor(x0, requires_grad=True)
        bound = task.escape_radius * (1 + float(np.abs(x0).max()))
        made = optimizer(x, float(rate))
        for step in range(task.max_steps + 1):
            made.zero_grad()
            value = function(torch, x)
            value.backward()
            norm, f = float(x.grad.norm()), float(value.detach())
            if not (np.isfinite(norm + f) and float(x.detach().abs().max()) <= bound):
                return f, step, DIVERGED
            if norm <= task.grad_tol:
                return f, step, CONVERGED
            if step < task.max_steps:
                made.step()
        return f, task.max_steps, UNFINISHED

    began = time.perf_counter()
    descend(given.x0[0], 0.0 * given.rate[0])  # a run of no progress warms torch up

    def run() -> Ends:
        found = [descend(*one) for one in zip(given.x0, given.rate, strict=True)]
        return Ends(*map(np.array, zip(*found, strict=True)))

    return Ready(run, time.perf_counter() - began)
