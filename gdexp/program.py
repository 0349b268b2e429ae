"""A group as the functions of one run, and an experiment's rules as numbers."""

from __future__ import annotations

import jax
import numpy as np

from gdexp import optimizers
from gdexp.base import discover
from gdexp.descent import Numbers, Problem, Rules
from gdexp.experiment import Card, Experiment
from gdexp.plan import Group
from gdexp.schedules import Schedule
from gdexp.schedules.constant import Constant


def problem(group: Group, sign: float) -> Problem:
    """Objective and optimizer of a group, as functions of the numbers [P] that a run holds."""

    def held(numbers: Numbers, room: str) -> dict[str, jax.Array]:
        pairs = zip(group.names, numbers, strict=True)
        return {name: number for (owner, name), number in pairs if owner == room}

    def f(x, numbers):
        return sign * group.objective.with_numbers(held(numbers, "objective"))(x)

    def optimizer(numbers, key):
        return optimizers.build(
            group.optimizer.name,
            group.optimizer.structure,
            held(numbers, "optimizer"),
            key=key,
            schedule=_schedule(group.schedule, held(numbers, "schedule")),
        )

    varied = tuple(group.names.index(number) for number in group.varied)
    return Problem(f, optimizer, optimizers.evaluations, varied)


def _schedule(card: Card, numbers: dict[str, jax.Array]) -> Schedule | None:
    """The factor by update count; None where there is none, so that no count is kept for it."""
    factor = discover("gdexp.schedules", Schedule)[card.name](**card.structure, **numbers)
    return None if isinstance(factor, Constant) else factor


def rules(experiment: Experiment, group: Group) -> Rules:
    """What the runs of a group share, as numbers."""
    stop, dtype = experiment.stop, np.dtype(experiment.dtype).type
    tolerance = stop.grad_tol if stop.grad_tol > 0 else -1
    return Rules(
        numbers=group.defaults.astype(dtype),
        seed=words(np.int64(experiment.seed)),
        max_steps=np.int32(stop.max_steps),
        grad_tol=dtype(tolerance),
        squares=clear(dtype, tolerance),
        f_tol=None if not stop.f_tol else dtype(stop.f_tol),
        escape_radius=dtype(stop.escape_radius),
        max_value=None if stop.max_value is None else dtype(stop.max_value),
        targets=experiment.sign * np.asarray(stop.targets, dtype),
        table=(),
    )


def words(number: np.ndarray) -> np.ndarray:
    """Whole numbers [...] as two 32-bit words each [..., 2], the high one first."""
    return np.stack([number >> 32, number & 0xFFFFFFFF], axis=-1).astype(np.uint32)


def clear(dtype: type[np.floating], tolerance: float) -> tuple[np.floating, np.floating]:
    """Above which and up to which a sum of squares tells by itself that its root exceeds
    `tolerance`: with a margin for rounding, and where no term of it overflows or is lost.
    """
    limits = np.finfo(dtype)
    low, high = -1.0, float(limits.max) / 2
    if tolerance >= 0:
        lost = 2.0 ** (limits.minexp + 2 * limits.nmant)
        low = min(max(lost, tolerance**2 * (1 + 64 * float(limits.eps))), high)
    return dtype(low), dtype(high)
