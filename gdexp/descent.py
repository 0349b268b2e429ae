"""One run as plain JAX: init, step, stop. No batch, no input or output.

A run carries its point together with the value and gradient there, so that a step is: update the
point, evaluate, test. Values are those of sign · f: a maximisation descends −f.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gdexp.base import Reason

Array = jax.Array
NOT_REACHED = -1


class Problem(NamedTuple):
    """What chooses the program: a function and an optimizer, both of a run's numbers."""

    f: Callable[[Array, Array], Array]  # (x [D], numbers [P]) -> sign · f
    optimizer: Callable[[Array, Array], optax.GradientTransformationExtraArgs]  # (numbers, key)
    evaluations: Callable[[Any], Array | int]  # optimizer state -> extra evaluations it spent


class Rules(NamedTuple):
    """What all runs of a sweep share, as traced numbers: a new rule compiles nothing."""

    seed: Array  # [2] uint32, high word first
    max_steps: Array
    grad_tol: Array  # negative: never
    f_tol: Array  # 0: never
    escape_radius: Array
    max_value: Array  # infinite: never; of sign · f
    targets: Array  # [T] of sign · f


class Run(NamedTuple):
    """One descent: the last state in which point, value and gradient were all finite."""

    x: Array  # [D]
    value: Array
    gradient: Array  # [D]
    grad_norm: Array
    first_value: Array
    best: Array  # least value so far
    steps: Array  # updates applied
    evaluations: Array
    reason: Array  # base.Reason; 0 while running
    reached: Array  # [T] first step at each target, or NOT_REACHED
    bound: Array  # a coordinate beyond this has escaped
    numbers: Array  # [P]
    number: Array  # [2] uint32: its place in the sweep, high word first
    state: Any  # of the optimizer


def init(problem: Problem, rules: Rules, x: Array, numbers: Array, number: Array) -> Run:
    """A run at its starting point `x` [D], already tested there."""
    value, gradient = jax.value_and_grad(problem.f)(x, numbers)
    norm = euclidean(gradient)
    valid = jnp.isfinite(value) & jnp.isfinite(norm) & jnp.isfinite(x).all()
    bound = rules.escape_radius * (1 + jnp.abs(x).max())
    reason = first_true(
        (Reason.INVALID_START, ~valid),
        *_endings(rules, bound, x, value, norm, jnp.array(False), 0),
    )
    return Run(
        x=x,
        value=value,
        gradient=gradient,
        grad_norm=norm,
        first_value=value,
        best=value,
        steps=jnp.int32(0),
        evaluations=jnp.int32(1),
        reason=reason,
        reached=jnp.where(valid & (value <= rules.targets), 0, NOT_REACHED).astype(jnp.int32),
        bound=bound,
        numbers=numbers,
        number=number,
        state=problem.optimizer(numbers, key(rules.seed, number)).init(x),
    )


def step(problem: Problem, rules: Rules, run: Run) -> Run:
    """One update and the tests after it; a run that has ended stays as it is."""

    def f(x):
        return problem.f(x, run.numbers)

    optimizer = problem.optimizer(run.numbers, key(rules.seed, run.number))
    updates, state = optimizer.update(
        run.gradient, run.state, run.x, value=run.value, grad=run.gradient, value_fn=f
    )
    x = optax.apply_updates(run.x, updates)
    value, gradient = jax.value_and_grad(f)(x)
    norm = euclidean(gradient)
    steps = run.steps + 1
    broken = (
        (Reason.NONFINITE_VALUE, ~jnp.isfinite(value)),
        (Reason.NONFINITE_GRADIENT, ~jnp.isfinite(norm)),
        (Reason.NONFINITE_POINT, ~jnp.isfinite(x).all()),
    )
    settled = jnp.abs(value - run.value) < rules.f_tol
    reason = first_true(*broken, *_endings(rules, run.bound, x, value, norm, settled, steps))
    new = run._replace(
        x=x,
        value=value,
        gradient=gradient,
        grad_norm=norm,
        best=jnp.minimum(run.best, value),
        reached=jnp.where((run.reached < 0) & (value <= rules.targets), steps, run.reached),
        state=state,
    )
    finite = ~(broken[0][1] | broken[1][1] | broken[2][1])
    new = _choose(finite, new, run)._replace(
        steps=steps,
        evaluations=run.evaluations + 1 + jnp.int32(problem.evaluations(state)),
        reason=reason,
    )
    return _choose(run.reason == Reason.RUNNING, new, run)


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


def _endings(rules, bound, x, value, norm, settled, steps) -> tuple[tuple[Reason, Array], ...]:
    """The tests of a finite state, in their order."""
    return (
        (Reason.ESCAPED, (jnp.abs(x).max() > bound) | (value > rules.max_value)),
        (Reason.GRAD_TOL, norm <= rules.grad_tol),
        (Reason.F_TOL, settled),
        (Reason.MAX_STEPS, steps >= rules.max_steps),
    )


def _choose(condition: Array, new: Run, old: Run) -> Run:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)
