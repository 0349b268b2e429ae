"""What a device does when lanes stand still: log the runs that ended, take those that wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gdexp import progress
from gdexp.base import Reason
from gdexp.descent import Rules, Run, Task

TURNED = 1 / 4  # of the lanes, harvested and refilled together when as many stand still


class Queue(NamedTuple):
    """Runs waiting; rows beyond `count` are padding."""

    x0: Any  # [B, D]
    numbers: Any  # [B, P]
    number: Any  # [B, 2] uint32: place in the sweep, high word first
    first: Any  # row to begin with
    count: Any


class Log(NamedTuple):
    """Runs that ended. Rows whose reason is RUNNING, and those beyond `count`, mean nothing."""

    number: Any  # [C, 2]
    run: Run  # [C], as `told_of` has it
    count: Any


class Work(NamedTuple):
    """Everything that one device call hands to the next."""

    task: Task  # [L]
    run: Run  # [L]
    limit: Any  # [L] updates after which the run ends, and
    verdict: Any  # [L] the reason it is then given, and
    extra: Any  # [L] the extra evaluations; None if the optimizer makes none
    busy: Any  # [L] False: the lane has no run
    log: Log
    taken: Any  # rows of the queue handed to lanes
    looks: Any  # that the pace had left


def turned(lanes: int) -> int:
    """How many lanes are harvested and refilled together."""
    return max(1, int(TURNED * lanes))


def has_ended(run: Run) -> jax.Array:
    """Which lanes [L] have a reason to end."""
    return run.reason != Reason.RUNNING


def told_of(run: Run) -> Run:
    """What is told of a run that ended: when it kept a state, and with that its state."""
    kept = progress.kept_at(run.past)
    return run._replace(past=kept, state=None if kept is None else run.state, orders=None)


def turn(rules: Rules, init: Callable[..., Any], queue: Queue, work: Work) -> Work:
    """Writes lanes that stand still to the log, and hands them the next runs waiting.

    Only these lanes are touched, by their numbers, so that a turn costs no more than some steps. A
    run that met something not finite begins again, to end a step sooner.
    """
    lanes = work.busy.shape[0]
    waiting = work.taken < queue.count
    still = jnp.where(work.busy, has_ended(work.run), waiting)
    lane = _first(turned(lanes), still)  # `lanes`, out of bounds, where there are no more
    held = lane < lanes

    def take(tree):
        return jax.tree.map(lambda a: a.at[lane].get(mode="clip"), tree)

    task, run, _, verdict, extra, busy = take(work[:6])
    busy &= held
    broken = (run.reason >= Reason.NONFINITE_VALUE) & (run.reason <= Reason.NONFINITE_POINT)
    again = busy & broken & (run.steps > 0)
    at_limit = run.reason == Reason.MAX_STEPS
    repeated = at_limit & (verdict != Reason.MAX_STEPS)
    reason = jnp.where(broken, Reason.INVALID_START, jnp.where(at_limit, verdict, run.reason))
    told = told_of(run)._replace(
        reason=jnp.where(busy & ~again, reason, Reason.RUNNING),
        steps=run.steps + repeated,
        extra=_choose(repeated, extra, run.extra),
    )
    log = jax.tree.map(
        lambda column, new: jax.lax.dynamic_update_slice_in_dim(column, new, work.log.count, 0),
        work.log[:2],
        (task.number, told),
    )

    free = held & ~again
    row = work.taken + jnp.cumsum(free, dtype=jnp.int32) - 1
    fed = free & (row < queue.count)
    source = jnp.where(fed, row, 0)
    begun = init(
        *(_choose(fed, rows[source], own) for rows, own in zip(queue[:3], task[:3], strict=True))
    )
    new = (
        *begun,
        jnp.where(fed, rules.max_steps, run.steps - 1),
        jnp.where(fed, Reason.MAX_STEPS, run.reason),
        run.extra,
        fed | again,
    )
    task, run, *others = jax.tree.map(lambda a, b: a.at[lane].set(b, mode="drop"), work[:6], new)
    # these are found before anything reads them: left as they are, a turn takes 8 % less
    found = {name: getattr(work.run, name) for name in ("value", "grad_norm", "first", "orders")}
    past = progress.begun(run.past, work.run.past)
    return Work(
        task,
        run._replace(past=past, **found),
        *others,
        log=Log(*log, work.log.count + held.sum(dtype=jnp.int32)),
        taken=work.taken + fed.sum(dtype=jnp.int32),
        looks=work.looks,
    )


def _first(count: int, mask: jax.Array) -> jax.Array:
    """The first `count` places where `mask` [L] is true; L where there are no more.

    Ranks within rows of 32 come from a matrix product, exact for ones and zeros: XLA's cumulative
    sum takes three times as long on CPU.
    """
    lanes = mask.shape[0]
    rows = mask.reshape(-1, min(32, lanes)).astype(jnp.float32)
    below = jnp.triu(jnp.ones((rows.shape[1], rows.shape[1]), jnp.float32), 1)
    sums = rows.sum(axis=1).astype(jnp.int32)
    rank = (jnp.cumsum(sums) - sums)[:, None] + (rows @ below).astype(jnp.int32)
    place = jnp.where(mask, rank.reshape(-1), count)  # out of bounds: dropped
    found = jnp.full(count, lanes, jnp.int32)
    return found.at[place].set(jnp.arange(lanes, dtype=jnp.int32), mode="drop")


def _choose(mask: jax.Array, new: Any, old: Any) -> Any:
    """`mask` [N] chooses along the first axis of every leaf [N, ...]."""

    def along(a, b):
        return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(along, new, old)
