"""One run as plain JAX: init, step, stop. No batch, no input or output.

A step is: evaluate at the point, test, and move on unless a test held. So a run that has ended
stays where it is and is only evaluated again, to the same bits; value and norm need no choosing
between old and new, which on CPU would cost more than the descent itself. Values are those of
sign · f: a maximisation descends −f.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gdexp.base import Reason

Array = jax.Array
Numbers = Sequence[Array]  # [P] scalars
NOT_REACHED = -1
STANDS, CALM, CLEARED = np.arange(3, dtype=np.int32)  # a run's stance


class Problem(NamedTuple):
    """What chooses the program: a function and an optimizer, both of a run's numbers."""

    f: Callable[[Array, Numbers], Array]  # (x [D], numbers) -> sign · f
    optimizer: Callable[[Numbers, Array], optax.GradientTransformationExtraArgs]  # (numbers, key)
    evaluations: Callable[[Any], Array | int]  # optimizer state -> extra evaluations it spent
    varied: tuple[int, ...]  # [V] places of the numbers that differ from run to run


class Rules(NamedTuple):
    """What all runs of a sweep share, as traced numbers: a new rule compiles nothing.

    A test that is None is off, and no part of the program.
    """

    numbers: Array  # [P] where they do not differ from run to run
    seed: Array  # [2] uint32, high word first
    max_steps: Array
    grad_tol: Array  # negative: never
    squares: tuple[Array, Array]  # between these a sum of squares is clearly above grad_tol
    f_tol: Array | None
    escape_radius: Array
    max_value: Array | None  # of sign · f
    targets: Array  # [T] of sign · f
    table: Sequence[Array]  # what the optimizer needs by the count of updates (`tables`)


class Task(NamedTuple):
    """What stays as it is while a run descends."""

    x0: Array  # [D]
    numbers: Array  # [V] those that differ from run to run
    number: Array  # [2] uint32: its place in the sweep, high word first
    bound: Array  # a coordinate beyond this has escaped


class Run(NamedTuple):
    """One descent: its point, and what was found at the point evaluated last.

    That is this point once the run has ended, and the one before it until then.
    """

    x: Array  # [D]
    value: Array
    grad_norm: Array
    first: Array  # value at the starting point
    best: Array  # least value so far
    steps: Array  # updates applied
    extra: Array | None  # evaluations beyond one a point; None if the optimizer makes none
    stance: Array  # what the last step left: STANDS, CALM, or CLEARED since
    reason: Array  # base.Reason; 0 while running
    reached: Array  # [T] first step at each target, or NOT_REACHED
    last: Array | None  # value before the last update; None without f_tol
    state: Any  # of the optimizer


class Seen(NamedTuple):
    """What a step needs to know of the point it starts from."""

    value: Array
    gradient: Array  # [D]
    row: Sequence[Array]  # of the rules' table


def init(
    problem: Problem, rules: Rules, x: Array, numbers: Array, number: Array
) -> tuple[Task, Run]:
    """A run at its starting point `x` [D], not yet tested there."""
    held = numbers_of(problem, rules, numbers)
    state = problem.optimizer(held, key(rules.seed, number)).init(x)
    nothing = jnp.full((), jnp.nan, x.dtype)
    searches = not isinstance(problem.evaluations(state), int)
    bound = rules.escape_radius * (1 + jnp.abs(x).max())
    # finite, so that no infinite point lies within
    task = Task(x, numbers, number, jnp.minimum(bound, jnp.finfo(x.dtype).max))
    run = Run(
        x=x,
        value=nothing,
        grad_norm=nothing,
        first=nothing,
        best=jnp.full_like(nothing, jnp.inf),
        steps=jnp.int32(0),
        extra=jnp.int32(0) if searches else None,
        stance=jnp.int32(CALM),
        reason=jnp.int32(Reason.RUNNING),
        reached=jnp.full(rules.targets.shape, NOT_REACHED, jnp.int32),
        last=None if rules.f_tol is None else nothing,
        state=state,
    )
    return task, run


def see(problem: Problem, rules: Rules, task: Task, run: Run) -> Seen:
    """Evaluates at the point of `run`."""
    numbers = numbers_of(problem, rules, task.numbers)
    value, gradient = jax.value_and_grad(lambda x: problem.f(x, numbers))(run.x)
    row = [jax.lax.dynamic_index_in_dim(c, run.steps, keepdims=False) for c in rules.table]
    return Seen(value, gradient, row)


def watch(rules: Rules, task: Task, run: Run, seen: Seen, limit: Array) -> Array:
    """The stance of `run`: it stands still where it is not clear that no test holds.

    By few operations, since it is wanted at every step; a run that stands still is judged later.
    """
    squares = jnp.sum(seen.gradient**2)
    low, high = rules.squares
    clear = [
        jnp.abs(seen.value) <= jnp.finfo(seen.value.dtype).max,  # false for NaN, like the next
        squares > low,
        squares <= high,
        (jnp.abs(run.x) <= task.bound).all(),
        run.steps < limit,
    ]
    if rules.max_value is not None:
        clear.append(seen.value <= rules.max_value)
    if rules.f_tol is not None:
        clear.append((run.steps == 0) | (jnp.abs(seen.value - run.last) >= rules.f_tol))
    calm = functools.reduce(jnp.logical_and, clear) | (run.stance == CLEARED)
    return jnp.where(calm, CALM, STANDS)


def step(problem: Problem, rules: Rules, task: Task, run: Run, seen: Seen, pause: Array) -> Run:
    """Moves on from the point seen, if `run` is calm there and has not made `pause` updates."""
    numbers = numbers_of(problem, rules, task.numbers)
    moves = (run.stance == CALM) & (run.steps < pause)
    optimizer = problem.optimizer(numbers, key(rules.seed, task.number))
    more = {
        "value": seen.value,
        "grad": seen.gradient,
        "value_fn": lambda x: problem.f(x, numbers),
    }
    if seen.row:
        more["row"] = seen.row
    updates, state = optimizer.update(seen.gradient, run.state, run.x, **more)
    x = optax.apply_updates(run.x, updates)
    x, state, last = jax.tree.map(
        lambda new, old: jnp.where(moves, new, old),
        (x, state, None if run.last is None else seen.value),
        (run.x, run.state, run.last),
    )
    first = (run.reached == NOT_REACHED) & (seen.value <= rules.targets)
    return run._replace(
        x=x,
        first=jnp.where(run.steps == 0, seen.value, run.first),
        best=jnp.where(seen.value < run.best, seen.value, run.best),
        steps=run.steps + moves,
        extra=_more(run.extra, problem.evaluations(state), moves),
        reached=jnp.where(first, run.steps, run.reached),
        last=last,
        state=state,
    )


def judge(rules: Rules, task: Task, run: Run, seen: Seen, limit: Array) -> Run:
    """Tests where `run` stands still: it has a reason to end, or is cleared to move.

    It ends after `limit` updates. What is not finite is kept like any value: to have the state
    before it, descend once more with a lower limit.
    """
    found = _test(rules, task, run, seen, limit)
    stands = (run.stance == STANDS) & (run.reason == Reason.RUNNING)
    return run._replace(
        reason=jnp.where(stands, found, run.reason),
        stance=jnp.where(stands & (found == Reason.RUNNING), CLEARED, run.stance),
    )


def _test(rules: Rules, task: Task, run: Run, seen: Seen, limit: Array) -> Array:
    """The reason of the first test that holds at the point of `run`, or RUNNING."""
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
        moved = run.steps > 0
        tests.append((Reason.F_TOL, moved & (jnp.abs(value - run.last) < rules.f_tol)))
    return first_true(*tests, (Reason.MAX_STEPS, run.steps >= limit))


def _more(extra: Array | None, spent: Array | int, moves: Array) -> Array | None:
    return None if extra is None else extra + jnp.where(moves, jnp.int32(spent), 0)


def numbers_of(problem: Problem, rules: Rules, own: Array) -> list[Array]:
    """All numbers of a run [P], of which `own` [V] differ from run to run."""
    numbers = list(rules.numbers)
    for i, place in enumerate(problem.varied):
        numbers[place] = own[i]
    return numbers


def key(seed: Array, number: Array) -> Array:
    """A run's own random key, from seed and number alone; unused, it costs nothing."""
    found = jax.random.key(0)
    for word in (*seed, *number):
        found = jax.random.fold_in(found, word)
    return found


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
