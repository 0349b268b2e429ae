"""What is contested: which function, optimizer, starts and learning rates, and how runs end.

Two kinds. In a heterogeneous task runs converge, diverge or run out of steps; in a homogeneous one
nothing ends a run but the number of steps, and the learning rates are such that nothing diverges
or arrives at a fixed point before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from bench.functions import NETWORK_SIZE

OPTIMIZERS = ("sgd", "momentum", "adam")
MOMENTUM = 0.9
HETEROGENEOUS, HOMOGENEOUS = "heterogeneous", "homogeneous"
NEVER = 1e30  # an escape radius no run reaches


@dataclasses.dataclass(frozen=True)
class Task:
    """One piece of work that every contestant is given."""

    case: str  # the function, with its dimension where it has any number of them
    function: str
    dim: int
    optimizer: str
    kind: str
    runs: int
    max_steps: int
    rate: tuple[str, float, float]  # a distribution of learning rates and its two numbers
    box: float = 5.0  # starts are uniform in [-box, box]^D
    grad_tol: float = 1e-4  # 0: never
    escape_radius: float = 1e6

    @property
    def name(self) -> str:
        return f"{self.case}.{self.optimizer}.{self.kind}"


@dataclasses.dataclass(frozen=True)
class Case:
    """A function at one size, and the learning rate its homogeneous sgd runs can take."""

    function: str
    dim: int
    runs: int
    safe_rate: float  # well below 2 / the largest curvature among the starts
    box: float = 5.0
    sized: bool = False  # whether the function comes in any dimension
    rates: tuple[float, float] = (1e-3, 0.5)  # of heterogeneous sgd and momentum

    @property
    def name(self) -> str:
        return f"{self.function}-{self.dim}" if self.sized else self.function


CASES = (
    Case("paraboloid", 2, 65_536, 2.5e-3),
    Case("two_wells", 2, 65_536, 2.5e-4),
    Case("himmelblau", 2, 65_536, 2.5e-4),
    Case("rastrigin", 2, 65_536, 1e-5, sized=True),
    Case("rastrigin", 10, 16_384, 1e-5, sized=True),
    Case("ackley", 10, 16_384, 2.5e-4, sized=True),
    Case("rosenbrock", 2, 65_536, 1e-5, sized=True),
    Case("rosenbrock", 100, 4_096, 5e-5, box=2.0, sized=True, rates=(1e-5, 1e-2)),
    Case("network", NETWORK_SIZE, 16_384, 2.5e-2, box=2.0),
)


def heterogeneous(case: Case, optimizer: str) -> Task:
    """Runs that converge, diverge and run out, side by side."""
    low, high = case.rates if optimizer != "adam" else (1e-3, 0.5)
    return Task(
        case=case.name,
        function=case.function,
        dim=case.dim,
        optimizer=optimizer,
        kind=HETEROGENEOUS,
        runs=case.runs,
        max_steps=2000,
        rate=("loguniform", low, high),
        box=case.box,
    )


def homogeneous(case: Case, optimizer: str) -> Task:
    """Runs of one length. Momentum 0.9 goes ten times as far at a rate; Adam's step is the rate."""
    high = {"sgd": case.safe_rate, "momentum": case.safe_rate / 10, "adam": 2e-3}[optimizer]
    return dataclasses.replace(
        heterogeneous(case, optimizer),
        kind=HOMOGENEOUS,
        max_steps=1000,
        rate=("loguniform", high / 10, high),
        grad_tol=0.0,
        escape_radius=NEVER,
    )


def contested() -> Iterator[Task]:
    """Every case with every optimizer, in both kinds."""
    for case in CASES:
        for optimizer in OPTIMIZERS:
            yield heterogeneous(case, optimizer)
            yield homogeneous(case, optimizer)


def tiny(task: Task) -> Task:
    """The same work at a size for tests."""
    return dataclasses.replace(
        task, runs=min(task.runs, 192), max_steps=min(task.max_steps, 100 if task.grad_tol else 40)
    )
