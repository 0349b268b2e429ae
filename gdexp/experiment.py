"""What a user asked for, checked and typed. Made by config, read by every room after it.

Defaults stand in conf/config.yaml and on the cards, and nowhere else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from gdexp.base import Objective
from gdexp.executor import Executor
from gdexp.random import exp
from gdexp.starts import Start

# the columns of runs/: a column per grid and draw key stands between them
FIRST_COLUMNS = ("run", "objective", "optimizer")
LAST_COLUMNS = (
    *("start", "replicate", "x0", "x", "f0", "f", "f_best", "grad_norm", "steps", "evaluations"),
    *("outcome", "reason", "period"),
)
SINGLES = ("schedule", "gradient")  # groups of which one card is chosen, whose numbers may be axes
TARGET_COLUMN = "steps_to_target"  # the last of all, if there are `stop.targets`


@dataclasses.dataclass(frozen=True)
class Card:
    """What was selected of optimizers, schedules, ..., split by what its values do."""

    name: str
    structure: Mapping[str, Any]  # flags, sizes, nulls: they choose the program
    numbers: Mapping[str, float]  # each run holds them: they may be axes


@dataclasses.dataclass(frozen=True)
class Draw:
    """A distribution from which each run draws its own value of a number."""

    kind: Literal["loguniform", "uniform", "normal"]
    a: float  # low, or the mean
    b: float  # high, or the standard deviation

    def at(self, u: np.ndarray) -> np.ndarray:
        """Its values [N] from numbers in (0, 1) [N]."""
        if self.kind == "uniform":
            return np.clip(self.a + (self.b - self.a) * u, self.a, self.b)  # rounding may step out
        if self.kind == "loguniform":
            low, high = (float(Decimal(end).ln()) for end in (self.a, self.b))  # alike everywhere
            return np.clip(exp(low + (high - low) * u), self.a, self.b)
        from scipy.special import ndtri  # the normal quantile; imported only where it is used

        return self.a + self.b * ndtri(u)


@dataclasses.dataclass(frozen=True)
class Stop:
    """When a run ends; tested in the order of `base.Reason` before each update."""

    max_steps: int
    grad_tol: float  # Euclidean norm of the gradient, absolute; 0: never
    f_tol: float | None  # change of f between two steps; None: off
    escape_radius: float  # times (1 + largest coordinate of x0)
    max_value: float | None  # None: off
    targets: tuple[float, ...]  # [T]


@dataclasses.dataclass(frozen=True)
class Trace:
    """Which runs keep their path, and how finely."""

    every: int  # 0: none
    runs: tuple[int, ...] | None = None  # None: all
    metrics: tuple[str, ...] = ()  # files of `gdexp.metrics`


@dataclasses.dataclass(frozen=True)
class Store:
    """What is kept of a run."""

    columns: tuple[str, ...] | None  # of runs/; None: all


@dataclasses.dataclass(frozen=True)
class Wandb:
    """How the sweep is told to Weights & Biases."""

    mode: Literal["offline", "online", "disabled"]
    project: str
    name: str | None
    group: str | None
    tags: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A sweep as asked for. Everything in it is checked: what follows need not check again."""

    objectives: Mapping[str, Objective]
    optimizers: Mapping[str, Card]
    schedule: Card
    gradient: Card
    start: Start
    grid: Mapping[str, np.ndarray]  # KEY as written -> float64 values
    zip: tuple[tuple[str, ...], ...]  # keys that advance together
    draw: Mapping[str, Draw]
    replicates: int
    stop: Stop
    direction: Literal["minimize", "maximize"]
    seed: int
    dtype: Literal["float32", "float64"]
    device: Literal["auto", "cpu", "gpu", "tpu"]
    trace: Trace
    store: Store
    wandb: Wandb
    report: bool
    executor: Executor
    prepare: bool
    sweep: str | None  # the name of the +sweep= delta
    config: Mapping[str, Any]  # the resolved tree without `executor`, as config.yaml holds it

    @property
    def singles(self) -> dict[str, Card]:
        """The cards of which there is one, by group."""
        return {group: getattr(self, group) for group in SINGLES}

    @property
    def sign(self) -> float:
        """+1 to minimise, −1 to maximise: descents run on sign · f."""
        return -1.0 if self.direction == "maximize" else 1.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of runs/ in their order: those that `store.columns` keeps."""
        every = run_columns([*self.grid, *self.draw], self.stop)
        kept = self.store.columns
        return every if kept is None else tuple(name for name in every if name in kept)


def run_columns(keys: Iterable[str], stop: Stop) -> tuple[str, ...]:
    """All columns that runs/ may have, in their order; `keys` are those of grid and draw."""
    last = (TARGET_COLUMN,) if stop.targets else ()
    return (*FIRST_COLUMNS, *keys, *LAST_COLUMNS, *last)


def identity(config: Mapping[str, Any], grid: Mapping[str, str], code: Mapping[str, str]) -> str:
    """What every tile of a sweep carries: the sha256 of what was asked for, and of its code."""
    told = json.dumps([config, grid, code], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()
