"""The loop a device runs: a fixed number of lanes, refilled as their runs end.

After each chunk of steps, the runs that ended are written to their rows of the results and their
lanes take the next runs waiting, inside one compiled loop: cost follows the steps that matter and
not the slowest run. This is the one place where descents are batched.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdexp import descent
from gdexp.base import Ends, Reason
from gdexp.descent import Problem, Rules, Run


class Queue(NamedTuple):
    """The runs of a tile, waiting; rows beyond `count` are padding."""

    x0: Any  # [N, D]
    numbers: Any  # [N, P]
    number: Any  # [N, 2] uint32: place in the sweep, high word first
    count: Any


class Work(NamedTuple):
    """Everything that one device call hands to the next."""

    lanes: Run  # [L]
    row: Any  # [L] the queue's row each lane works on; N when idle
    ends: Ends
    taken: Any  # rows handed to lanes so far
    done: Any  # rows ended so far


def advance(
    problem: Problem, sign: float, rules: Rules, queue: Queue, work: Work, steps: Any, chunks: Any
) -> Work:
    """`chunks` times: `steps` steps of every lane, a harvest, a refill. Ends when all is done.

    This is the program a device runs, and the one place where descents are batched.
    """
    step = jax.vmap(functools.partial(descent.step, problem, rules))
    init = jax.vmap(functools.partial(descent.init, problem, rules))

    def one(state):
        i, work = state
        lanes = jax.lax.fori_loop(0, steps, lambda _, lanes: step(lanes), work.lanes)
        return i + 1, _refill(init, queue, _harvest(sign, work._replace(lanes=lanes)))

    def unfinished(state):
        i, work = state
        return (i < chunks) & (work.done < queue.count)

    return jax.lax.while_loop(unfinished, one, (jnp.int32(0), work))[1]


def _harvest(sign: float, work: Work) -> Work:
    """Writes the lanes whose run has ended to their rows, and makes them idle."""
    rows, lanes = work.ends.f.shape[0], work.lanes
    ended = (work.row < rows) & (lanes.reason != Reason.RUNNING)
    target = jnp.where(ended, work.row, rows)  # rows: out of bounds, dropped
    ends = jax.tree.map(
        lambda all_, new: all_.at[target].set(new, mode="drop"), work.ends, ends_of(sign, lanes)
    )
    return work._replace(
        row=jnp.where(ended, rows, work.row), ends=ends, done=work.done + ended.sum(dtype=jnp.int32)
    )


def _refill(init: Callable[..., Run], queue: Queue, work: Work) -> Work:
    """Hands the next waiting rows to the idle lanes."""
    rows = queue.x0.shape[0]
    idle = work.row == rows
    row = work.taken + jnp.cumsum(idle, dtype=jnp.int32) - 1
    fed = idle & (row < queue.count)
    row = jnp.where(fed, row, rows)

    def fill(lanes: Run) -> Run:
        source = jnp.minimum(row, rows - 1)
        new = init(queue.x0[source], queue.numbers[source], queue.number[source])
        return jax.tree.map(lambda a, b: jnp.where(_along(fed, a), a, b), new, lanes)

    return work._replace(
        lanes=jax.lax.cond(fed.any(), fill, lambda lanes: lanes, work.lanes),
        row=jnp.where(fed, row, work.row),
        taken=work.taken + fed.sum(dtype=jnp.int32),
    )


def ends_of(sign: float, run: Run) -> Ends:
    """What is kept of runs: `sign` turns the value that was descended back into f."""
    return Ends(
        x=run.x,
        f0=sign * run.first_value,
        f=sign * run.value,
        f_best=sign * run.best,
        grad_norm=run.grad_norm,
        steps=run.steps,
        evaluations=run.evaluations,
        reason=run.reason,
        reached=run.reached,
    )


def _along(mask: jax.Array, leaf: jax.Array) -> jax.Array:
    """`mask` [L] shaped to choose along the first axis of `leaf` [L, ...]."""
    return mask.reshape(mask.shape + (1,) * (leaf.ndim - 1))


def blank(problem: Problem, rules: Rules, queue: Queue, lanes: int) -> Work:
    """Idle lanes and empty results: the first harvest fills them."""
    rows = queue.x0.shape[0]
    init = jax.vmap(functools.partial(descent.init, problem, rules))
    some = [jnp.zeros((lanes, *a.shape[1:]), a.dtype) for a in queue[:3]]
    shapes = jax.eval_shape(init, *some)
    asleep = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    ends = jax.tree.map(
        lambda a: np.zeros((rows, *a.shape[1:]), a.dtype), jax.eval_shape(ends_of, 1.0, shapes)
    )
    asleep = asleep._replace(reason=jnp.full(lanes, Reason.MAX_STEPS, jnp.int32))
    return Work(asleep, np.full(lanes, rows, np.int32), ends, np.int32(0), np.int32(0))


def trial(problem: Problem, rules: Rules, dim: int, numbers: int) -> None:
    """Traces one run's first step, so that what cannot be built raises before anything is made."""
    dtype = rules.grad_tol.dtype
    shapes = [((dim,), dtype), ((numbers,), dtype), ((2,), np.uint32)]
    one = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    run = jax.eval_shape(functools.partial(descent.init, problem, rules), *one)
    jax.eval_shape(functools.partial(descent.step, problem, rules), run)
