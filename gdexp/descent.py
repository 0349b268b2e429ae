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
import numpy as np
import optax

from gdexp import progress
from gdexp.base import Reason
from gdexp.batches import Batches, Examples

Array = jax.Array
Numbers = Sequence[Array]  # [P] scalars
NOT_REACHED = -1
# what a run draws with its key: errors of gradients, orders of examples, noise of blocks
NOISE, BATCHES, BLOCKS = 1, 2, 3
STANDS, CALM, CLEARED, WAITS, BACK = np.arange(5, dtype=np.int32)  # a run's stance


def automatic(f: Callable[[Array], Array], x: Array, numbers: Numbers) -> tuple[Array, Array]:
    """The value of `f` at `x` [D], and its gradient [D] by automatic differentiation."""
    return jax.value_and_grad(f)(x)


class Problem(NamedTuple):
    """What chooses the program: a function and an optimizer, both of a run's numbers."""

    f: Callable[[Array, Numbers, Examples], Array]  # (x [D], numbers, examples) -> sign · f
    optimizer: Callable[[Numbers, Array], optax.GradientTransformationExtraArgs]  # (numbers, key)
    evaluations: Callable[[Any], Array | int]  # optimizer state -> extra evaluations it spent
    varied: tuple[int, ...]  # [V] places of the numbers that differ from run to run
    rate: Callable[[Numbers], Array | float] = lambda numbers: 1.0  # learning rate, but for
    factor: Callable[[Numbers, Array], Array] | None = None  # (numbers, count) -> a schedule's
    kind: progress.Kind = progress.Kind.NOISY  # what an update follows from
    slope: Callable[..., Any] = automatic  # (f, x [D], numbers) -> value and gradient [D]
    trials: int = 0  # evaluations that takes, beyond one
    noise: Callable[[Numbers], Array] | None = None  # numbers -> deviation of a gradient's error
    batches: Batches | None = None  # that updates learn from; None: from all examples


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
    factors: Array | None = None  # [T] the schedule's factor by the count, if that is a table
    rows: tuple[Array, ...] = ()  # each [n, ...] of all examples


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
    extra: Array | None  # evaluations beyond one a point; None if there are none
    # STANDS until it is judged, CALM, CLEARED by that, WAITS for its place, BACK where it has been
    stance: Array
    reason: Array  # base.Reason; 0 while running
    reached: Array  # [T] first step at each target, or NOT_REACHED
    last: (
        Array | None
    )  # value before the last update, with batches at the last look; None: no f_tol
    past: progress.Past
    state: Any  # of the optimizer
    orders: Array | None = None  # of examples up to the next look; None without batches


class Seen(NamedTuple):
    """What a step needs to know of the point it starts from."""

    value: Array
    gradient: Array  # [D]
    row: Sequence[Array]  # of the rules' table
    idle: Array | None  # bool: the learning rate is zero; None where nobody asks


def init(
    problem: Problem, rules: Rules, x: Array, numbers: Array, number: Array
) -> tuple[Task, Run]:
    """A run at its starting point `x` [D], not yet tested there."""
    held = numbers_of(problem, rules, numbers)
    state = problem.optimizer(held, key(rules.seed, number)).init(x)
    nothing = jnp.full((), jnp.nan, x.dtype)
    each = problem.evaluations(state)
    counts = problem.trials or not isinstance(each, int) or each
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
        extra=jnp.int32(problem.trials) if counts else None,
        stance=jnp.int32(CALM),
        reason=jnp.int32(Reason.RUNNING),
        reached=jnp.full(rules.targets.shape, NOT_REACHED, jnp.int32),
        last=None if rules.f_tol is None else nothing,
        past=progress.begin(problem.kind, x, state),
        state=state,
        orders=problem.batches.nothing() if problem.batches else None,
    )
    return task, run


def see(problem: Problem, rules: Rules, task: Task, run: Run, number: Array | None = None) -> Seen:
    """Evaluates at the point of `run`: for all examples, or those of its `number`th batch."""
    numbers = numbers_of(problem, rules, task.numbers)
    examples = _examples(problem, rules, run, number)
    value, gradient = problem.slope(lambda x: problem.f(x, numbers, examples), run.x, numbers)
    row = [jax.lax.dynamic_index_in_dim(c, run.steps, keepdims=False) for c in rules.table]
    asked = problem.kind is progress.Kind.COUNTED
    return Seen(value, gradient, row, _is_idle(problem, rules, numbers, run) if asked else None)


def _examples(problem: Problem, rules: Rules, run: Run, number: Array | None) -> Examples:
    if problem.batches is None or number is None:
        return Examples(rules.rows)
    return problem.batches.batch(run.orders, number, rules.rows)


def _is_idle(problem: Problem, rules: Rules, numbers: Numbers, run: Run) -> Array:
    """Whether the learning rate of the update to come is zero."""
    idle = jnp.asarray(problem.rate(numbers)) == 0
    if problem.factor is None:
        return idle
    if rules.factors is None:
        return idle | (problem.factor(numbers, run.steps) == 0)
    return idle | (jax.lax.dynamic_index_in_dim(rules.factors, run.steps, keepdims=False) == 0)


def step(
    problem: Problem,
    rules: Rules,
    task: Task,
    run: Run,
    seen: Seen,
    pause: Array,
    number: Array | None = None,
) -> Run:
    """Moves on from the point seen, if `run` is calm there and has not made `pause` updates.

    With batches what was seen is that of the `number`th after a look.
    """
    moves = (run.stance == CALM) & (run.steps < pause)
    x, state = update(problem, rules, task, run, seen, number)
    x, state = choose(moves, (x, state), (run.x, run.state))
    steps = run.steps + moves
    past = run.past
    if isinstance(past, progress.Standstill):
        past = progress.after(past, moves & (seen.idle | (x != run.x).any()), steps)
    extra = _more(run.extra, problem.trials + problem.evaluations(state), moves)
    if problem.batches:
        last = choose(moves & (number == 0), None if run.last is None else run.value, run.last)
    else:
        last = choose(moves, None if run.last is None else seen.value, run.last)
        run = noted(rules, run, seen)
    return run._replace(x=x, steps=steps, extra=extra, last=last, past=past, state=state)


def noted(rules: Rules, run: Run, seen: Seen) -> Run:
    """`run` with what is told of all its values: the first, the best, when targets were reached."""
    first = (run.reached == NOT_REACHED) & (seen.value <= rules.targets)
    return run._replace(
        first=jnp.where(run.steps == 0, seen.value, run.first),
        best=jnp.where(seen.value < run.best, seen.value, run.best),
        reached=jnp.where(first, run.steps, run.reached),
    )


def orders(problem: Problem, rules: Rules, number: Array, steps: Array) -> Array:
    """The examples of all updates after a look at a run that has made `steps`."""
    own = jax.random.fold_in(key(rules.seed, number), BATCHES)
    return problem.batches.orders(own, steps // problem.batches.steps)


def choose(mask: Array, new: Any, old: Any) -> Any:
    """`mask` [] chooses between two trees."""
    return jax.tree.map(lambda a, b: jnp.where(mask, a, b), new, old)


def update(
    problem: Problem,
    rules: Rules,
    task: Task,
    run: Run,
    seen: Seen,
    number: Array | None = None,
) -> tuple[Array, Any]:
    """The point [D] and the optimizer's state after an update from the point seen."""
    numbers = numbers_of(problem, rules, task.numbers)
    own = key(rules.seed, task.number)
    optimizer, gradient = problem.optimizer(numbers, own), seen.gradient
    if problem.noise is not None:
        chance = jax.random.fold_in(jax.random.fold_in(own, NOISE), run.steps)
        error = jax.random.normal(chance, gradient.shape, gradient.dtype)
        gradient = gradient + problem.noise(numbers) * error
    examples = _examples(problem, rules, run, number)
    more = {
        "value": seen.value,
        "grad": gradient,
        "value_fn": lambda x: problem.f(x, numbers, examples),
    }
    if seen.row:
        more |= {"row": seen.row, "examples": examples}
    updates, state = optimizer.update(gradient, run.state, run.x, **more)
    return optax.apply_updates(run.x, updates), state


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
