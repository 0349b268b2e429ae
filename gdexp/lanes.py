"""The loop a device runs: a fixed number of lanes, refilled as their runs end.

Whenever enough runs have ended they are written to a log and their lanes take the next runs
waiting, inside one compiled loop: cost follows the steps that matter and not the slowest run. This
is the one place where descents are batched.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdexp import cycles, descent, flat, soa, stopping
from gdexp.backend import Backend, plainly
from gdexp.descent import Problem, Rules, Run, Seen
from gdexp.refill import Log, Queue, Work, has_ended, told_of, turn, turned
from gdexp.stopping import Place

ORBITS = 16  # followed side by side, at most: all wait for the longest
APART = 16  # numbers of a run's array, at most, to be taken apart


class Pace(NamedTuple):
    """How far a device call goes. None of it touches the bits."""

    looks: Any  # at how many lanes stand still, at most
    steps: Any  # between two looks
    pause: Any  # updates after which a run waits for the next call
    more: Any  # whether runs will wait after those of the queue: then return when it is empty


def advance(
    problem: Problem, backend: Backend, rules: Rules, queue: Queue, work: Work, pace: Pace
) -> Work:
    """Descends until the pace is spent, the queue is empty (`pace.more`) or every run has ended.

    This is the program a device runs, and the one place where descents are batched. Its log holds
    the runs that ended in this call.
    """
    stepping = _stepping(problem, backend, rules, work)
    init = jax.vmap(functools.partial(descent.init, problem, rules))
    work = work._replace(taken=queue.first, log=work.log._replace(count=jnp.int32(0)))
    room = work.log.number.shape[0] - turned(work.busy.shape[0])

    def unfinished(state):
        looks, work = state
        waiting = (work.taken < queue.count) | (~pace.more & work.busy.any())
        return (looks > 0) & waiting & (work.log.count <= room)

    def one(state):
        looks, work = state
        left, run = _descend(stepping, queue, pace._replace(looks=looks), work)
        # a turn without a look counts too, so that the loop ends
        looks = jnp.minimum(left, looks - 1)
        return looks, turn(rules, init, queue, work._replace(run=run))

    looks, work = jax.lax.while_loop(unfinished, one, (pace.looks, work))
    return work._replace(looks=looks)


class Stepping(NamedTuple):
    """The parts of `descent` for all lanes."""

    see: Callable[..., Seen]
    watch: Callable[..., Any]
    step: Callable[..., Run]
    judge: Callable[..., Run]
    norm: Callable[..., Any]
    see_all: Callable[..., Seen] | None  # for a look at all examples; None without batches
    orders: Callable[..., Any]  # of examples, lane by lane
    kernel: Callable[..., Any]  # for a function made of them
    once: Callable[..., Any]
    nothing: Seen  # to begin with


def _stepping(problem: Problem, backend: Backend, rules: Rules, work: Work) -> Stepping:
    like, limit = _one((work.task, work.run)), jax.ShapeDtypeStruct((), np.int32)
    place = Place(limit, limit)

    def traced(function, *more):
        return flat.trace(functools.partial(function, problem, rules), *like, *more)

    see = traced(descent.see, limit)
    parts = [
        see,
        traced(stopping.watch, see.out, limit, place),
        traced(descent.step, see.out, limit, limit),
        traced(stopping.look if problem.batches else stopping.judge, see.out, limit, place),
        flat.trace(stopping.euclidean, see.out.gradient),
        *([traced(descent.see)] if problem.batches else []),
    ]
    simple = all(soa.is_simple(APART, part) for part in parts)
    made = [soa.over_lanes(APART, part, backend.instead) for part in parts]
    made += [] if problem.batches else [None]
    lanes = work.busy.shape[0]
    nothing = jax.tree.map(lambda a: jnp.zeros((lanes, *a.shape), a.dtype), see.out)
    kernel = backend.kernel if simple else plainly
    orders = jax.vmap(functools.partial(descent.orders, problem, rules))
    return Stepping(*made, orders, kernel, backend.once, soa.apart(APART, nothing))


def _one(tree: Any) -> Any:
    """The shapes of one lane."""
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), tree)


def _descend(stepping: Stepping, queue: Queue, pace: Pace, work: Work) -> tuple[Any, Run]:
    """Steps until enough lanes stand still to be worth a turn; also returns the looks left."""
    lanes = work.busy.shape[0]
    busy = work.busy.sum(dtype=jnp.int32)
    waiting = work.taken < queue.count
    idle = jnp.where(waiting, lanes - busy, 0)
    enough = jnp.where(waiting, turned(lanes), jnp.minimum(turned(lanes), busy))

    def standing(run):
        return idle + (work.busy & has_ended(run)).sum(dtype=jnp.int32)

    def go_on(state):
        looks, still, *_ = state
        return (looks > 0) & (still < enough)

    like = work.run
    kind = _looking_at_all if stepping.see_all else _looking
    work = work._replace(task=soa.apart(APART, work.task), run=soa.apart(APART, work.run))
    looks, run = stepping.kernel(
        functools.partial(kind, stepping, pace, work, standing, go_on), work.run
    )
    return looks, soa.together(like, run)


def _looking(
    stepping: Stepping, pace: Pace, work: Work, standing: Any, go_on: Any, run: Run
) -> tuple[Any, Run]:
    """Looks at the runs after every few steps, at what these saw last."""
    task, step = work.task, _step(stepping, pace, work)

    def look(state):
        looks, _, run, seen = state
        run, seen = jax.lax.fori_loop(jnp.int32(0), pace.steps, step, (run, seen))
        run = stepping.judge(task, run, seen, work.limit, Place(jnp.int32(0), pace.steps))
        return looks - 1, standing(run), run, seen

    begun = (pace.looks, standing(run), run, stepping.nothing)
    looks, _, run, seen = jax.lax.while_loop(go_on, look, begun)
    value, grad_norm = jax.lax.cond(
        looks < pace.looks,
        lambda: (seen.value, stepping.norm(seen.gradient)),
        lambda: (run.value, run.grad_norm),
    )
    return looks, run._replace(value=value, grad_norm=grad_norm)


def _looking_at_all(
    stepping: Stepping, pace: Pace, work: Work, standing: Any, go_on: Any, run: Run
) -> tuple[Any, Run]:
    """Looks at all examples where the runs are, and after each of their epochs."""
    task, step = work.task, _step(stepping, pace, work)

    def with_orders(run):
        due = stopping.is_due(run, pace.steps)

        def drawn():
            new = soa.apart(APART, stepping.orders(jnp.stack(work.task.number, axis=1), run.steps))
            return jax.tree.map(functools.partial(jnp.where, due), new, run.orders)

        return run._replace(orders=jax.lax.cond(due.any(), drawn, lambda: run.orders))

    def look(state):
        looks, _, run, steps = state
        places = stopping.places(run, pace.pause, steps)
        run, _ = jax.lax.fori_loop(*places, step, (run, stepping.nothing))
        seen, place = stepping.see_all(task, run), Place(jnp.int32(0), pace.steps)
        run = stepping.judge(task, run, seen, work.limit, place)
        return looks - 1, standing(run), with_orders(run), pace.steps

    begun = (pace.looks + 1, standing(run), run, jnp.int32(0))
    looks, _, run, _ = jax.lax.while_loop(go_on, look, begun)
    return looks, run


def _step(stepping: Stepping, pace: Pace, work: Work) -> Callable[..., Any]:
    """A step of all lanes, from its number after a look."""
    task = work.task
    once = functools.partial(stepping.once, pace.steps > 0)

    def step(number, state):
        run, _ = state
        seen = once(stepping.see, task, run, number)
        place = Place(number, pace.steps)
        run = run._replace(stance=once(stepping.watch, task, run, seen, work.limit, place))
        return stepping.step(task, run, seen, pace.pause, number), seen

    return step


def periods(
    problem: Problem,
    backend: Backend,
    rules: Rules,
    x: Any,
    state: Any,
    numbers: Any,
    number: Any,
    span: Any,
) -> Any:
    """The periods [L] of runs whose state came back, from points of their orbits; see `cycles`."""
    task, run = jax.vmap(functools.partial(descent.init, problem, rules))(x, numbers, number)
    run, walk = run._replace(state=state), jax.vmap(cycles.begin)(x, state, span)
    given = task, run, span, walk
    traced = flat.trace(functools.partial(cycles.go_on, problem, rules), *_one(given))
    step = soa.over_lanes(APART, traced, backend.instead)
    kernel = backend.kernel if soa.is_simple(APART, traced) else plainly

    def all_the_way(task, run, span, walk):
        def go_on(walk):
            return step(task, run, span, walk)

        return jax.lax.while_loop(lambda walk: ~walk.done.all(), go_on, walk)

    def some(given):
        *_, span, walk = given
        done = kernel(all_the_way, *soa.apart(APART, given))
        return jax.vmap(cycles.period)(soa.together(walk, done), span)

    lanes = len(span)
    side_by_side = (lanes // min(lanes, ORBITS), min(lanes, ORBITS))
    apart = jax.tree.map(lambda a: a.reshape(side_by_side + a.shape[1:]), given)
    return jax.lax.map(some, apart).reshape(lanes)


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
    told = (shapes[0].number, told_of(shapes[1]))
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


def trial(problem: Problem, rules: Rules, dim: int, lanes: int, rows: int) -> int:
    """Traces one run's first step, so that what cannot be built raises before anything is made.

    Returns about how many bytes a worker holds: of `lanes` runs, two queues of `rows`, and a log.
    """
    dtype = rules.grad_tol.dtype
    shapes = [((dim,), dtype), ((len(problem.varied),), dtype), ((2,), np.uint32)]
    one = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    limit = jax.ShapeDtypeStruct((), np.int32)

    def first(x, numbers, number, limit):
        task, run = descent.init(problem, rules, x, numbers, number)
        seen = descent.see(problem, rules, task, run, limit)
        run = descent.step(problem, rules, task, run, seen, limit, limit)
        at_all = descent.see(problem, rules, task, run) if problem.batches else ()
        return (task, run), (task.number, told_of(run)), at_all

    traced = flat.trace(first, *one, limit)
    lane, told, _ = traced.out
    held = lanes * _bytes(lane) + 2 * rows * _bytes(one) + 2 * (lanes + rows) * _bytes(told)
    # what all examples come to, layer by layer, or a Hessian outweighs what a run holds
    return held + lanes * flat.peak(traced) + _bytes(rules.rows)


def _bytes(tree: Any) -> int:
    return sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(tree))
