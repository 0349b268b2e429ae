"""When one run ends: the tests in their order, for one point, as plain JAX.

Every step asks whether it is clear that none holds, by few operations (`watch`); where it is not
the run stands still, and the tests are made when somebody looks (`judge`).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gdexp import descent, progress
from gdexp.base import Reason
from gdexp.descent import BACK, CALM, CLEARED, STANDS, WAITS, Array, Problem, Rules, Run, Seen, Task


class Place(NamedTuple):
    """Where between two looks a step is."""

    number: Array  # from 0
    of: Array  # steps between two looks, without batches a power of 2: a remainder is slow on CPU


def watch(
    problem: Problem, rules: Rules, task: Task, run: Run, seen: Seen, limit: Array, place: Place
) -> Array:
    """The stance of `run`: it stands still where it is not clear that no test holds.

    By few operations, since it is wanted at every step; a run that stands still is judged later. It
    moves on only at its own place between two looks, so that they come at the same steps of a run
    whatever it waited for. What is seen of a batch tells no more than that all is finite.
    """
    squares = jnp.sum(seen.gradient**2)
    low, high = rules.squares
    clear = [
        jnp.abs(seen.value) <= jnp.finfo(seen.value.dtype).max,  # false for NaN, like the next
        run.reason == Reason.RUNNING if problem.batches else squares > low,
        squares <= high,
        (jnp.abs(run.x) <= task.bound).all(),
        run.steps < limit,
    ]
    if rules.max_value is not None and not problem.batches:
        clear.append(seen.value <= rules.max_value)
    if rules.f_tol is not None and not problem.batches:
        clear.append((run.steps == 0) | (jnp.abs(seen.value - run.last) >= rules.f_tol))
    if isinstance(run.past, progress.Recurrence):
        clear.append(run.stance != BACK)
    if isinstance(run.past, progress.Standstill):
        clear.append(~progress.stands_still(run.past, run.steps))
    free = functools.reduce(jnp.logical_and, clear) | (run.stance == CLEARED)
    elsewhere = jnp.where(run.stance == CALM, WAITS, run.stance)
    turn = run.steps % place.of if problem.batches else run.steps & (place.of - 1)
    here = turn == place.number
    return jnp.where(here, jnp.where(free, CALM, STANDS), elsewhere)


def judge(
    problem: Problem, rules: Rules, task: Task, run: Run, seen: Seen, limit: Array, place: Place
) -> Run:
    """Tests where `run` stands still: it has a reason to end, or is cleared to move.

    `problem` has no batches. It ends after `limit` updates. What is not finite is kept like any
    value: to have the state before it, descend once more with a lower limit.
    """
    stands = (run.stance == STANDS) & (run.reason == Reason.RUNNING)
    stance, past, stuck = run.stance, run.past, None
    if isinstance(past, progress.Recurrence):
        due = run.steps & (place.of - 1) == 0
        back = due & progress.is_back(past, run.x, run.state, run.steps)
        # it is evaluated there first, where other tests may hold, and so it stays there after
        stance, stuck = jnp.where(back, BACK, stance), (Reason.CYCLE, back)
        past = progress.renewed(past, run.x, run.state, run.steps, due & ~back)
    elif isinstance(past, progress.Standstill):
        stuck = Reason.NO_PROGRESS, progress.stands_still(past, run.steps)
    found = _test(rules, task, run, seen, run.steps > 0, stuck, limit)
    return run._replace(
        reason=jnp.where(stands, found, run.reason),
        stance=jnp.where(stands & (found == Reason.RUNNING), CLEARED, stance),
        past=past,
    )


def look(
    problem: Problem, rules: Rules, task: Task, run: Run, seen: Seen, limit: Array, place: Place
) -> Run:
    """`judge` of a run that learns from batches, by what is `seen` of all examples.

    It is tested after each `place.of` updates, and where it stands still.
    """
    stands = (run.stance == STANDS) & (run.reason == Reason.RUNNING)
    due = is_due(run, place.of)
    run = descent.choose(stands | due, descent.noted(rules, run, seen), run)
    found = _test(rules, task, run, seen, due & (run.steps > 0), None, limit)
    found = jnp.where(stands | due, found, run.reason)
    return run._replace(
        value=seen.value,
        grad_norm=euclidean(seen.gradient),
        reason=found,
        stance=jnp.where(found != Reason.RUNNING, STANDS, jnp.where(stands, CLEARED, run.stance)),
    )


def places(run: Run, pause: Array, steps: Array) -> tuple[Array, Array]:
    """The first place, of `steps` after a look, at which one of the runs [L] moves on, and the end
    of those: all of them, unless the runs wait for one another at a pause."""
    moves = (run.reason == Reason.RUNNING) & (run.stance != STANDS) & (run.steps < pause)
    own = run.steps % jnp.maximum(steps, 1)
    end = jnp.where(moves, own + jnp.minimum(pause - run.steps, steps - own), 0).max()
    return jnp.where(moves, own, steps).min(), jnp.minimum(end, steps)


def is_due(run: Run, steps: Array) -> Array:
    """Whether a run with batches, looked at after each `steps`, is to be looked at."""
    return (run.stance == CALM) & (run.reason == Reason.RUNNING) & (run.steps % steps == 0)


def _test(
    rules: Rules,
    task: Task,
    run: Run,
    seen: Seen,
    changed: Array,
    stuck: tuple[Reason, Array] | None,
    limit: Array,
) -> Array:
    """The reason of the first test that holds at the point of `run`, or RUNNING.

    `changed`: whether there is a value before this one.
    """
    value, norm = seen.value, euclidean(seen.gradient)
    escaped = jnp.abs(run.x).max() > task.bound
    if rules.max_value is not None:
        escaped |= value > rules.max_value
    tests = [
        (Reason.NONFINITE_VALUE, ~jnp.isfinite(value)),
        (Reason.NONFINITE_GRADIENT, ~jnp.isfinite(norm)),
        (Reason.NONFINITE_POINT, ~jnp.isfinite(run.x).all()),
        (Reason.ESCAPED, escaped),
        (Reason.GRAD_TOL, norm <= rules.grad_tol),
    ]
    if rules.f_tol is not None:
        tests.append((Reason.F_TOL, changed & (jnp.abs(value - run.last) < rules.f_tol)))
    if stuck is not None:
        tests.append(stuck)
    return first_true(*tests, (Reason.MAX_STEPS, run.steps >= limit))


def euclidean(gradient: Array) -> Array:
    """The Euclidean norm of `gradient` [D], finite wherever the result is.

    A plain sum of squares overflows float32 at 1.8e19 and loses digits below 1e-19, and a blow-up
    is what we look at. So it is formed at three scales, exact powers of two, and the one that
    fits is taken (Blue, ACM TOMS 4 (1978) 15): no branch, no division of the components.
    """
    limits = jnp.finfo(gradient.dtype)
    scale = jnp.asarray(2.0 ** (limits.maxexp // 2 + 8), gradient.dtype)
    # without the barrier XLA takes (g s)² for g² s² and folds s², which overflows
    scale = jax.lax.optimization_barrier(scale)
    plain, large, small = (jnp.sum((gradient * s) ** 2) for s in (1, 1 / scale, scale))
    fits = plain <= limits.max / 2  # false for infinity and NaN
    too_small = plain < 2.0 ** (limits.minexp + 2 * limits.nmant)  # terms may have been lost
    squares = jnp.where(too_small, small, jnp.where(fits, plain, large))
    return jnp.sqrt(squares) * jnp.where(too_small, 1 / scale, jnp.where(fits, 1, scale))


def first_true(*tests: tuple[Reason, Array]) -> Array:
    """The reason of the first test that holds, or RUNNING."""
    reason = jnp.int32(Reason.RUNNING)
    for code, holds in reversed(tests):
        reason = jnp.where(holds, jnp.int32(code), reason)
    return reason
