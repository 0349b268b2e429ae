"""How gdexp's speed goes with one thing at a time: devices, lanes, D, max_steps, slow runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.contest import GDEXP, Contestant
from bench.machine import cores
from bench.tasks import CASES, OPTIMIZERS, Task, heterogeneous, homogeneous

PARABOLOID, TWO_WELLS = CASES[:2]
ROSENBROCK = next(case for case in CASES if case.function == "rosenbrock")
LANES = (128, 256, 512, 1024, 2048, 4096, 8192)
DIMENSIONS = (2, 4, 8, 16, 32, 64, 128, 256)
BUDGETS = (250, 1000, 4000, 16_000)
# On the paraboloid sgd runs out of 2,000 steps below a rate of about 0.003: from none of the runs
# slow to all of them
RATES = (
    ("loguniform", 0.05, 0.24),
    ("uniform", 0.001, 0.24),
    ("loguniform", 0.001, 0.24),
    ("loguniform", 0.001, 0.01),
    ("loguniform", 0.001, 0.0025),
)


class Measure(NamedTuple):
    """A contest that belongs to a series."""

    series: str
    at: Any  # the value of what is varied; None where the contestants vary it
    task: Task
    others: tuple[Contestant, ...]
    first: Contestant = GDEXP  # beside which the others are seen


def measures() -> Iterator[Measure]:
    """Every contest of every series."""
    yield from _devices()
    yield from _lanes()
    yield from _checks()
    for dim in DIMENSIONS:
        case = dataclasses.replace(ROSENBROCK, dim=dim, runs=max(2048, 131_072 // dim))
        task = homogeneous(case, "sgd")
        yield Measure("dim", dim, task, (Contestant("scan"), Contestant("scan_blocks")))
    slow = heterogeneous(PARABOLOID, "sgd")
    for budget in BUDGETS:
        task = dataclasses.replace(slow, max_steps=budget)
        yield Measure("max_steps", budget, task, (Contestant("while_loop"),))
    for rate in RATES:
        task = dataclasses.replace(slow, rate=rate)
        at = "{}:{}:{}".format(*rate)
        yield Measure("slow_share", at, task, (Contestant("while_loop"),))


def _devices() -> Iterator[Measure]:
    """gdexp on every core against gdexp on fewer, on enough runs to keep all busy."""
    fewer = tuple(Contestant("gdexp", devices=n) for n in (1, 2, 4, 8, 16) if n < cores())
    for case in (PARABOLOID, TWO_WELLS):
        for optimizer in ("sgd", "adam"):
            task = heterogeneous(case, optimizer)
            yield Measure("devices", None, dataclasses.replace(task, runs=8 * case.runs), fewer)


def _checks() -> Iterator[Measure]:
    """gdexp against itself without looking for cycles and stalls: the descents, whole sweeps."""
    for case in (PARABOLOID, TWO_WELLS, ROSENBROCK):
        for optimizer in OPTIMIZERS:
            task = heterogeneous(case, optimizer)
            task = dataclasses.replace(task, runs=8 * case.runs)
            others = (Contestant("gdexp", unchecked=True),)
            yield Measure("checks", None, task, others)
            others = (Contestant("gdexp", whole=True, unchecked=True),)
            first = Contestant("gdexp", whole=True)
            yield Measure("checks_of_sweeps", None, task, others, first)


def _lanes() -> Iterator[Measure]:
    """gdexp's own rule against other numbers of lanes."""
    others = tuple(Contestant("gdexp", lanes=n) for n in LANES)
    for case in (PARABOLOID, TWO_WELLS):
        for optimizer in ("sgd", "adam"):
            yield Measure("lanes", None, heterogeneous(case, optimizer), others)
