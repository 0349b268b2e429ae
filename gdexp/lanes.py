"""The loop a device runs: a fixed number of lanes, refilled as their runs end.

Whenever enough runs have ended they are written to a log and their lanes take the next runs
waiting, inside one compiled loop: cost follows the steps that matter and not the slowest run. This
is the one place where descents are batched.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdexp import descent, flat, soa
from gdexp.base import Reason
from gdexp.descent import Problem, Rules, Run, Task

Call = Callable[..., Any]  # (function, *args) -> function(*args)


class Backend(NamedTuple):
    """What a kind of device wants done in its own way."""

    kernel: Call  # calls a function that is nothing but arithmetic
    instead: Mapping[str, Callable[[Any], Any]]  # functions of a float32 for some operations


APART = 16  # numbers of a run's array, at most, to be taken apart
TURNED = 1 / 4  # of the lanes, harvested and refilled together when as many stand still


class Queue(NamedTuple):
    """Runs waiting; rows beyond `count` are padding."""

    x0: Any  # [B, D]
    numbers: Any  # [B, P]
    number: Any  # [B, 2] uint32: place in the sweep, high word first
    first: Any  # row to begin with
    count: Any


class Pace(NamedTuple):
    """How far a device call goes. None of it touches the bits."""

    looks: Any  # at how many lanes stand still, at most
    steps: Any  # between two looks
    pause: Any  # updates after which a run waits for the next call
    more: Any  # whether runs will wait after those of the queue: then return when it is empty


class Log(NamedTuple):
    """Runs that ended. Rows whose reason is RUNNING, and those beyond `count`, mean nothing."""

    number: Any  # [C, 2]
    run: Run  # [C], without the optimizer's state
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


def advance(
    problem: Problem, backend: Backend, rules: Rules, queue: Queue, work: Work, pace: Pace
) -> Work:
    """Descends until the pace is spent, the queue is empty (`pace.more`) or every run has ended.

    This is the program a device runs, and the one place where descents are batched. Its log holds
    the runs that ended in this call.
    """
    traced = _trace(problem, rules, work)
    scalarwise = soa.scalarwise(APART, traced, backend.instead)
    step = jax.vmap(scalarwise, in_axes=(0, 0, 0, None))
    call = backend.kernel if soa.is_simple(APART, traced) else plainly
    init = jax.vmap(functools.partial(descent.init, problem, rules))
    work = work._replace(taken=queue.first, log=work.log._replace(count=jnp.int32(0)))
    room = work.log.number.shape[0] - turned(work.busy.shape[0])

    def unfinished(state):
        looks, work = state
        waiting = (work.taken < queue.count) | (~pace.more & work.busy.any())
        return (looks > 0) & waiting & (work.log.count <= room)

    def one(state):
        looks, work = state
        left, run = _descend(call, step, queue, pace._replace(looks=looks), work)
        # a turn without a look counts too, so that the loop ends
        looks = jnp.minimum(left, looks - 1)
        return looks, _turn(rules, init, queue, work._replace(run=run))

    looks, work = jax.lax.while_loop(unfinished, one, (pace.looks, work))
    return work._replace(looks=looks)


def turned(lanes: int) -> int:
    """How many lanes are harvested and refilled together."""
    return max(1, int(TURNED * lanes))


def plainly(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`."""
    return function(*args)


PLAIN = Backend(plainly, {})


def _trace(problem: Problem, rules: Rules, work: Work) -> flat.Traced:
    """One step of one run."""

    def one(tree):
        return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), tree)

    like = (*one((work.task, work.run, work.limit)), jax.ShapeDtypeStruct((), np.int32))
    return flat.trace(functools.partial(descent.step, problem, rules), *like)


def _descend(
    call: Call, step: Callable[..., Run], queue: Queue, pace: Pace, work: Work
) -> tuple[Any, Run]:
    """Steps until enough lanes stand still to be worth a turn; also returns the looks left."""
    lanes = work.busy.shape[0]
    busy = work.busy.sum(dtype=jnp.int32)
    waiting = work.taken < queue.count
    idle = jnp.where(waiting, lanes - busy, 0)
    enough = jnp.where(waiting, turned(lanes), jnp.minimum(turned(lanes), busy))
    task = soa.apart(APART, work.task)

    def standing(run):
        return idle + (work.busy & _ended(run)).sum(dtype=jnp.int32)

    def go_on(state):
        looks, still, _ = state
        return (looks > 0) & (still < enough)

    def look(state):
        looks, _, run = state
        run = jax.lax.fori_loop(
            0, pace.steps, lambda _, run: step(task, run, work.limit, pace.pause), run
        )
        return looks - 1, standing(run), run

    begun = (pace.looks, standing(work.run), soa.apart(APART, work.run))
    looks, _, run = call(lambda begun: jax.lax.while_loop(go_on, look, begun), begun)
    return looks, soa.together(work.run, run)


def _ended(run: Run) -> jax.Array:
    return run.reason != Reason.RUNNING


def _turn(rules: Rules, init: Callable[..., Any], queue: Queue, work: Work) -> Work:
    """Writes lanes that stand still to the log, and hands them the next runs waiting.

    Only these lanes are touched, by their numbers, so that a turn costs no more than some steps. A
    run that met something not finite begins again, to end a step sooner.
    """
    lanes = work.busy.shape[0]
    waiting = work.taken < queue.count
    still = jnp.where(work.busy, _ended(work.run), waiting)
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
    told = run._replace(
        reason=jnp.where(busy & ~again, reason, Reason.RUNNING),
        steps=run.steps + repeated,
        extra=_choose(repeated, extra, run.extra),
        state=None,
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
    # the first step finds these before anything reads them: left as they are, a turn takes 8 % less
    found = {name: getattr(work.run, name) for name in ("value", "grad_norm", "first")}
    return Work(
        task,
        run._replace(**found),
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


def blank(problem: Problem, rules: Rules, queue: Queue, lanes: int) -> Work:
    """Idle lanes and an empty log, for queues like `queue`: the first turns fill them."""
    init = jax.vmap(functools.partial(descent.init, problem, rules))
    shapes = jax.eval_shape(init, *queue[:3])

    def zeros(rows: int, tree: Any) -> Any:
        def array(a):
            plain = not jnp.issubdtype(a.dtype, jax.dtypes.extended)  # a random key is not numpy's
            return (np if plain else jnp).zeros((rows, *a.shape[1:]), a.dtype)

        return jax.tree.map(array, tree)

    rows = 2 * (lanes + queue.x0.shape[0])
    told = (shapes[0].number, shapes[1]._replace(state=None))
    none = np.zeros(lanes, np.int32)
    task, run = zeros(lanes, shapes)
    return Work(
        task=task,
        run=run,
        limit=none,
        verdict=none,
        extra=run.extra,
        busy=np.zeros(lanes, bool),
        log=Log(*zeros(rows, told), np.int32(0)),
        taken=np.int32(0),
        looks=np.int32(0),
    )


def trial(problem: Problem, rules: Rules, dim: int) -> None:
    """Traces one run's first step, so that what cannot be built raises before anything is made."""
    dtype = rules.grad_tol.dtype
    shapes = [((dim,), dtype), ((len(problem.varied),), dtype), ((2,), np.uint32)]
    one = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    task, run = jax.eval_shape(functools.partial(descent.init, problem, rules), *one)
    limit = jax.ShapeDtypeStruct((), np.int32)
    jax.eval_shape(functools.partial(descent.step, problem, rules), task, run, limit, limit)
