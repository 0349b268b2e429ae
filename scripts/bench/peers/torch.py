"""torch, batched and eager, on all cores: one tensor [N, D], a learning rate for each row.

torch.optim knows no rate per row, so the update is by hand and in place, as torch.optim has it.
Every row makes every step: a test of each step would cost more than it saved.
"""

from __future__ import annotations

import time

from bench.peers import Ends, Given, Ready
from bench.tasks import HOMOGENEOUS, MOMENTUM, Task

WHAT = "torch eager, one batch, fixed steps, all cores"
NEEDS = ("torch",)
SAME_WORK = False
PER = "step"


def runs(task: Task) -> int:
    return task.runs


def refuses(task: Task) -> str | None:
    return None if task.kind == HOMOGENEOUS else "it makes a fixed number of steps"


def prepare(task: Task, given: Given, options: dict) -> Ready:
    import torch

    from bench.functions import FUNCTIONS
    from bench.peers import scan

    function = FUNCTIONS[task.function]
    x0, rate = torch.from_numpy(given.x0), torch.from_numpy(given.rate)[:, None]

    def descend(steps: int) -> torch.Tensor:
        x = x0.clone().requires_grad_()
        update = {"sgd": _sgd, "momentum": _momentum, "adam": _adam}[task.optimizer](x, rate)
        for _ in range(steps):
            [gradient] = torch.autograd.grad(function(torch, x).sum(), x)
            with torch.no_grad():
                update(gradient)
        with torch.no_grad():
            return function(torch, x)

    began = time.perf_counter()
    descend(2)  # it compiles nothing; its first use sets up threads and memory

    def run() -> Ends:
        return scan.ends(task, descend(task.max_steps).numpy())

    return Ready(run, time.perf_counter() - began)


def _sgd(x, rate):
    def update(gradient):
        x.addcmul_(rate, gradient, value=-1)

    return update


def _momentum(x, rate):
    import torch

    velocity = torch.zeros_like(x, requires_grad=False)

    def update(gradient):
        velocity.mul_(MOMENTUM).add_(gradient)
        x.addcmul_(rate, velocity, value=-1)

    return update


def _adam(x, rate, b1=0.9, b2=0.999, eps=1e-8):
    import torch

    first, second = (torch.zeros_like(x, requires_grad=False) for _ in range(2))
    count = 0

    def update(gradient):
        nonlocal count
        count += 1
        first.mul_(b1).add_(gradient, alpha=1 - b1)
        second.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        below = (second / (1 - b2**count)).sqrt_().add_(eps)
        x.addcdiv_(rate * first, below, value=-1 / (1 - b1**count))

    return update
