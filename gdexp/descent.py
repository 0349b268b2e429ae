"""One run as plain JAX: init, step, stop. No batch, no input or output.

A step is: evaluate at the point, test, and move on unless a test held. So a run that has ended
stays where it is and is only evaluated again, to the same bits; value and norm need no choosing
between old and new, which on CPU would cost more than the descent itself. Values are those of
sign · f: a maximisation descends −f.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gdexp.base import Reason

Array = jax.Array
Numbers = Sequence[Array]  # [P] scalars
NOT_REACHED = -1


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
    reason: Array  # base.Reason; 0 while running
    reached: Array  # [T] first step at each target, or NOT_REACHED
    tested: Array | None  # steps at the point evaluated last; None without f_tol
    state: Any  # of the optimizer


def init(
    problem: Problem, rules: Rules, x: Array, numbers: Array, number: Array
) -> tuple[Task, Run]:
    """A run at its starting point `x` [D], not yet tested there."""
    held = numbers_of(problem, rules, numbers)
    state = problem.optimizer(held, key(rules.seed, number)).init(x)
    nothing = jnp.full((), jnp.nan, x.dtype)
    searches = not isinstance(problem.evaluations(state), int)
    task = Task(x, numbers, number, rules.escape_radius * (1 + jnp.abs(x).max()))
    run = Run(
        x=x,
        value=nothing,
        grad_norm=nothing,
        first=nothing,
        best=jnp.full_like(nothing, jnp.inf),
        steps=jnp.int32(0),
        extra=jnp.int32(0) if searches else None,
        reason=jnp.int32(Reason.RUNNING),
        reached=jnp.full(rules.targets.shape, NOT_REACHED, jnp.int32),
        tested=None if rules.f_tol is None else jnp.int32(0),
        state=state,
    )
    return task, run


def step(problem: Problem, rules: Rules, task: Task, run: Run, limit: Array, pause: Array) -> Run:
    """Evaluates and tests at the point of `run`, and moves on unless a test held.

    It ends after `limit` updates and waits, without a reason, after `pause`. What is not finite is
    kept like any value: to have the state before it, descend once more with a lower limit.
    """
    numbers = numbers_of(problem, rules, task.numbers)

    def f(x):
        return problem.f(x, numbers)

    value, gradient = jax.value_and_grad(f)(run.x)
    norm = euclidean(gradient)
    found = _test(rules, task, run, value, norm, limit)
    reason = jnp.where(run.reason == Reason.RUNNING, found, run.reason)
    moves = (reason == Reason.RUNNING) & (run.steps < pause)
    optimizer = problem.optimizer(numbers, key(rules.seed, task.number))
    more = {"value": value, "grad": gradient, "value_fn": f}
    if rules.table:
        more["row"] = [
            jax.lax.dynamic_index_in_dim(column, run.steps, keepdims=False)
            for column in rules.table
        ]
    updates, state = optimizer.update(gradient, run.state, run.x, **more)
    x = optax.apply_updates(run.x, updates)
    x, state = jax.tree.map(
        lambda new, old: jnp.where(moves, new, old), (x, state), (run.x, run.state)
    )
    first = (run.reached == NOT_REACHED) & (value <= rules.targets)
    return Run(
        x=x,
        value=value,
        grad_norm=norm,
        first=jnp.where(run.steps == 0, value, run.first),
        best=jnp.where(value < run.best, value, run.best),
        steps=run.steps + moves,
        extra=_more(run.extra, problem.evaluations(state), moves),
        reason=reason,
        reached=jnp.where(first, run.steps, run.reached),
        tested=None if run.tested is None else run.steps,
        state=state,
    )


def _test(rules: Rules, task: Task, run: Run, value: Array, norm: Array, limit: Array) -> Array:
    """The reason of the first test that holds at the point of `run`, or RUNNING."""
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
        moved = run.steps > run.tested
        tests.append((Reason.F_TOL, moved & (jnp.abs(value - run.value) < rules.f_tol)))
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
