"""Takes out of an optimizer what depends on nothing but how many updates it has made.

Adam divides by 1 − b1^t and 1 − b2^t, schedules scale by a factor of t: for every run alike, as
long as b1, b2 or the schedule's numbers do not differ from run to run. Computed a lane and a step
they would cost more than the rest: XLA's CPU power takes 10 ns an element, a fused multiply-add
0.06. So an update is traced, split into the part that follows from the count alone and the rest,
and the first part becomes a table with a row a step. No optimizer is known by name here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.extend import core

from gdexp import batches, flat, progress
from gdexp.descent import Problem

LEAST, MOST = 2**12, 2**20  # rows: a power of 2, so that few sizes are ever compiled


class Split(NamedTuple):
    """An update's operations, by what they follow from."""

    init: flat.Traced  # (numbers, key, x) -> state
    update: flat.Traced  # (numbers, key, gradient, state, x, value, examples) -> (updates, state)
    clock: tuple[int, ...]  # leaves of the state that follow from the count
    known: list[core.JaxprEqn]  # operations that do
    rest: list[core.JaxprEqn]
    row: list[core.Var]  # what `rest` takes from `known`, all scalars


def tabulated(
    problem: Problem, dim: int, dtype: Any, count: int, max_steps: int, rows: Any = ()
) -> tuple[Problem, Callable[[jax.Array], tuple[list[jax.Array], jax.Array | None]]]:
    """The problem with an optimizer that reads rows, and what makes the table of its rows.

    The table, a list of arrays [T], is made from the numbers [P] that runs share; `update` takes
    its row as the argument `row`. There is nothing in it where nothing follows from the count, or
    where `max_steps` are too many for a table. With it come the factors of a schedule [T], or None
    where there is no schedule or it is not for every run the same.

    Args:
      problem: with any optimizer.
      dim: D.
      dtype: of points and numbers.
      count: P.
      max_steps: the most updates of a run.
      rows: the shapes of all examples.
    """
    length = max(LEAST, 1 << int(max_steps).bit_length())
    split = _split(problem, dim, dtype, count, batches.like(problem.batches, rows))
    factors = functools.partial(_factors, problem, length, dtype)
    if length > MOST or not split.clock:
        kind = _kind(problem, split.init.out, has_table=False)
        return problem._replace(kind=kind), lambda numbers: ([], None)
    leaves, structure = jax.tree.flatten(split.init.out)

    def optimizer(numbers, key):
        def init(x):
            state = problem.optimizer(numbers, key).init(x)
            return [v for i, v in enumerate(jax.tree.leaves(state)) if i not in split.clock]

        def update(gradient, state, x, *, value, row, examples, **_):
            return _rest(split, (numbers, key, gradient), state, (x, value, examples), row)

        return optax.GradientTransformationExtraArgs(init, update)

    def evaluations(state):
        own = iter(state)
        whole = [0 if i in split.clock else next(own) for i in range(len(leaves))]
        return problem.evaluations(structure.unflatten(whole))

    own = [leaf for i, leaf in enumerate(leaves) if i not in split.clock]
    kind = _kind(problem, own, has_table=True)
    made = problem._replace(optimizer=optimizer, evaluations=evaluations, kind=kind)
    return made, lambda numbers: (_table(split, length, numbers), factors(numbers))


def _kind(problem: Problem, state: Any, has_table: bool) -> progress.Kind:
    """What an update follows from."""
    noisy = problem.noise is not None or problem.batches is not None
    return progress.Kind.NOISY if noisy else progress.kind_of(state, has_table)


def _split(problem: Problem, dim: int, dtype: Any, count: int, examples: batches.Examples) -> Split:
    """Finds the largest part of the state that needs nothing but itself and shared numbers."""

    def update(numbers, key, gradient, state, x, value, examples):
        made = problem.optimizer(numbers, key)

        def value_fn(y):
            return problem.f(y, numbers, examples)

        return made.update(gradient, state, x, value=value, grad=gradient, value_fn=value_fn)

    scalar, point = jax.ShapeDtypeStruct((), dtype), jax.ShapeDtypeStruct((dim,), dtype)
    numbers, key = [scalar] * count, jax.eval_shape(lambda: jax.random.key(0))
    init = flat.trace(lambda n, k, x: problem.optimizer(n, k).init(x), numbers, key, point)
    traced = flat.trace(update, numbers, key, point, init.out, point, scalar, examples)

    shared = [i for i in range(count) if i not in problem.varied]
    begun = _known(init.closed, [init.closed.jaxpr.invars[i] for i in shared])
    jaxpr = traced.closed.jaxpr
    size = len(jax.tree.leaves(init.out))
    own, new = jaxpr.invars[count + 2 : count + 2 + size], jaxpr.outvars[1:]
    fixed = [jaxpr.invars[i] for i in shared]
    clock = [i for i, v in enumerate(init.closed.jaxpr.outvars) if _is_known(v, begun)]
    while True:
        known = _known(traced.closed, [*fixed, *(own[i] for i in clock)])
        still = [i for i in clock if _is_known(new[i], known)]
        if still == clock:
            break
        clock = still
    first = [eqn for eqn in jaxpr.eqns if known.issuperset(eqn.outvars)]
    rest = [eqn for eqn in jaxpr.eqns if not known.issuperset(eqn.outvars)]
    kept = [jaxpr.outvars[0], *(v for i, v in enumerate(new) if i not in clock)]
    used = [v for eqn in rest for v in eqn.invars] + kept
    given = {*fixed, *jaxpr.constvars}
    row = {v: None for v in used if not isinstance(v, core.Literal) and v in known - given}
    return Split(init, traced, tuple(clock), first, rest, list(row))


def _known(closed: core.ClosedJaxpr, given: Sequence[core.Var]) -> set[core.Var]:
    """The variables, scalars all, that follow from `given` and constants."""
    known = {*given, *closed.jaxpr.constvars}
    for eqn in closed.jaxpr.eqns:
        plain = all(
            v.aval.shape == () and not jnp.issubdtype(v.aval.dtype, jax.dtypes.extended)
            for v in eqn.outvars
        )
        if plain and not eqn.effects and all(_is_known(v, known) for v in eqn.invars):
            known.update(eqn.outvars)
    return known


def _is_known(variable: Any, known: set[core.Var]) -> bool:
    return variable.aval.shape == () and (isinstance(variable, core.Literal) or variable in known)


def _rest(split: Split, before: Any, state: Sequence[Any], after: Any, row: Sequence[Any]) -> Any:
    """The updates and the state without its clock, by the operations that need a run's own."""
    own = iter(state)
    size = len(jax.tree.leaves(split.init.out))
    whole = [None if i in split.clock else next(own) for i in range(size)]
    jaxpr = split.update.closed.jaxpr
    values = [*jax.tree.leaves(before), *whole, *jax.tree.leaves(after)]
    env = dict(zip(jaxpr.constvars, split.update.closed.consts, strict=True))
    env |= zip(jaxpr.invars, values, strict=True)
    env |= zip(split.row, row, strict=True)
    flat.evaluate(split.rest, env)
    updates, *new = (flat.read(env, v) if i - 1 not in split.clock else None
                     for i, v in enumerate(jaxpr.outvars))  # fmt: skip
    return updates, [value for i, value in enumerate(new) if i not in split.clock]


def _factors(problem: Problem, rows: int, dtype: Any, numbers: jax.Array) -> jax.Array | None:
    """The factor of a schedule for each count of updates [T], if it needs shared numbers alone."""
    if problem.factor is None:
        return None
    scalar = [jax.ShapeDtypeStruct((), dtype)] * len(numbers)
    closed = flat.trace(problem.factor, scalar, jax.ShapeDtypeStruct((), jnp.int32)).closed
    shared = [v for i, v in enumerate(closed.jaxpr.invars) if i not in problem.varied]
    if not _is_known(closed.jaxpr.outvars[0], _known(closed, shared)):
        return None
    counts = jnp.arange(rows, dtype=jnp.int32)
    return jax.lax.map(lambda count: problem.factor(list(numbers), count), counts, batch_size=rows)


def _table(split: Split, rows: int, numbers: jax.Array) -> list[jax.Array]:
    """The values of `split.row` for each count of updates, [T] each."""
    init, update = split.init.closed, split.update.closed
    count = len(numbers)
    begun = dict(zip(init.jaxpr.constvars, init.consts, strict=True))
    begun |= zip(init.jaxpr.invars[:count], numbers, strict=True)
    needed = _known(init, init.jaxpr.invars[:count])
    flat.evaluate([e for e in init.jaxpr.eqns if needed.issuperset(e.outvars)], begun)
    own = [update.jaxpr.invars[count + 2 + i] for i in split.clock]
    new = [update.jaxpr.outvars[1 + i] for i in split.clock]

    def known(clock):
        env = dict(zip(update.jaxpr.constvars, update.consts, strict=True))
        env |= zip(update.jaxpr.invars[:count], numbers, strict=True)
        env |= zip(own, clock, strict=True)
        flat.evaluate(split.known, env)
        return [flat.read(env, v) for v in new], [env[v] for v in split.row]

    first = [jnp.asarray(flat.read(begun, init.jaxpr.outvars[i])) for i in split.clock]
    first = [value.astype(v.aval.dtype) for value, v in zip(first, own, strict=True)]
    _, clocks = jax.lax.scan(lambda clock, _: (known(clock)[0], clock), first, None, length=rows)
    return jax.lax.map(lambda clock: known(clock)[1], clocks, batch_size=rows)
