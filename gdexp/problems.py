"""A group as the functions of one run: what chooses its program."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdexp import optimizers
from gdexp.base import UsageError, discover
from gdexp.batches import LEAST, Batches
from gdexp.descent import BLOCKS, Numbers, Problem
from gdexp.experiment import Card
from gdexp.gradients import Gradient
from gdexp.plan import Group
from gdexp.schedules import Schedule
from gdexp.schedules.constant import Constant


def of_group(group: Group, sign: float) -> Problem:
    """Objective and optimizer of a group, as functions of the numbers [P] that a run holds."""

    def held(numbers: Numbers, room: str) -> dict[str, jax.Array]:
        pairs = zip(group.names, numbers, strict=True)
        return {name: number for (owner, name), number in pairs if owner == room}

    def f(x, numbers, examples):
        objective = group.objective.with_numbers(held(numbers, "objective"))
        return sign * objective.value(x, examples)

    optimizer = _optimizer(group, held)

    def evaluations(state):
        return optimizers.evaluations(group.optimizer.name, group.space.dim, state)

    def rate(numbers):
        each = held(numbers, "block")
        if not each or set(group.space.spans()) - set(each):  # some blocks have the optimizer's
            each |= {"": held(numbers, "optimizer").get("learning_rate", 1.0)}
        return functools.reduce(jnp.maximum, map(jnp.abs, each.values()))

    def factor(numbers, count):
        return _schedule(group.singles["schedule"], held(numbers, "schedule"))(count)

    def gradient(numbers):
        return _of_kind("gradient", group.singles["gradient"], held(numbers, "gradient"))

    def slope(f, x, numbers):
        return gradient(numbers).value_and_gradient(f, x)

    varied = tuple(group.names.index(number) for number in group.varied)
    changes = _schedule(group.singles["schedule"], {}) is not None
    own = group.singles["gradient"]
    if own.name != "autodiff" and _searches(group, optimizer):
        raise UsageError(
            f"{group.optimizer.name} differentiates along a line by itself: leave out "
            f"gradient={own.name}"
        )
    return Problem(
        f,
        optimizer,
        evaluations,
        varied,
        rate,
        factor if changes else None,
        slope=slope,
        trials=_of_kind("gradient", own, own.numbers).evaluations(group.space.dim),
        noise=(lambda numbers: gradient(numbers).noise) if group.adds_noise else None,
        batches=batches(group),
    )


def _optimizer(
    group: Group, held: Callable[[Numbers, str], dict[str, jax.Array]]
) -> Callable[[Numbers, jax.Array], Any]:
    """A group's optimizer as a function of the numbers that a run holds, and its key."""

    def made(numbers, key, span=slice(None), **rate):
        return optimizers.build(
            group.optimizer.name,
            group.optimizer.structure,
            held(numbers, "optimizer") | rate,
            key=key,
            box=(group.space.low[span], group.space.high[span]),
            schedule=_schedule(group.singles["schedule"], held(numbers, "schedule")),
        )

    def optimizer(numbers, key):
        if not (rates := held(numbers, "block")):
            return made(numbers, key)
        spans, each, key = group.space.spans(), {}, jax.random.fold_in(key, BLOCKS)
        for i, (block, span) in enumerate(spans.items()):
            own = {"learning_rate": rates[block]} if block in rates else {}
            each[block] = made(numbers, jax.random.fold_in(key, i), span, **own)
        return optimizers.by_blocks(each, spans)

    return optimizer


def batches(group: Group) -> Batches | None:
    """What updates learn from; None where it is all there is."""
    return Batches(group.objective.count, group.batch_size) if group.batch_size else None


def _searches(group: Group, optimizer: Callable[..., Any]) -> bool:
    """Whether an optimizer evaluates the objective by itself."""
    key, point = jax.eval_shape(lambda: jax.random.key(0)), jnp.zeros(group.space.dim)
    state = jax.eval_shape(lambda k: optimizer(list(group.defaults), k).init(point), key)
    return not isinstance(optimizers.evaluations(group.optimizer.name, 1, state), int)


def _schedule(card: Card, numbers: dict[str, jax.Array]) -> Schedule | None:
    """The factor by update count; None where there is none, so that no count is kept for it."""
    factor = _of_kind("schedule", card, numbers)
    return None if isinstance(factor, Constant) else factor


def _of_kind(group: str, card: Card, numbers: Mapping[str, jax.Array]) -> Any:
    """What a card of a group of which one is chosen stands for."""
    kind = {"schedule": Schedule, "gradient": Gradient}[group]
    return discover(f"gdexp.{group}s", kind)[card.name](**card.structure, **numbers)


def steps(group: Group) -> np.int32:
    """Updates between two looks: a power of 2, or with batches some epochs."""
    found = batches(group)
    return np.int32(LEAST if found is None else found.steps)


def factors(card: Card, numbers: Mapping[str, float], counts: np.ndarray) -> np.ndarray:
    """By what a schedule multiplies the learning rate at some counts of updates [K]."""
    schedule = _schedule(card, dict(numbers))
    if schedule is None:
        return np.ones(len(counts))
    return np.broadcast_to(np.asarray(schedule(jnp.asarray(counts)), np.float64), counts.shape)
