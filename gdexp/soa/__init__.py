"""Structure of arrays: a number of all lanes lies together, and not all numbers of one lane.

Of a point of D numbers in L lanes as an array [L, D] XLA's CPU compiler makes slow loops. As [D, L]
every operation goes along the lanes. While D is small its numbers are better still as D arrays [L]:
so a function written for one point is traced, and its small arrays are taken apart into scalars. An
operation without a rule for that has its arrays put together, is computed whole, and its result
taken apart.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from gdexp import flat
from gdexp.soa import batch
from gdexp.soa.batch import ELEMENTWISE, FOLDS
from gdexp.soa.control import by_control
from gdexp.soa.rules import (
    SHAPES,
    WRITTEN_OUT,
    Value,
    by_rule,
    is_apart,
    lanes_of,
    objects,
    whole,
)

SIMPLE = {*ELEMENTWISE.split(), *FOLDS, *SHAPES.split(), *WRITTEN_OUT.split()}


def apart(most: int, tree: Any) -> Any:
    """Every leaf [L, ...] as [..., L]; with at most `most` numbers a lane as a list of them [L]."""

    def split(leaf):
        shape = leaf.shape[1:]
        if not 0 < math.prod(shape) <= most or not shape:
            return jnp.moveaxis(leaf, 0, -1)
        return [leaf[(slice(None), *index)] for index in np.ndindex(*shape)]

    return jax.tree.map(split, tree)


def together(like: Any, tree: Any) -> Any:
    """The inverse of `apart`, for leaves of the shapes in `like`."""
    leaves, structure = jax.tree.flatten(like)
    return structure.unflatten(
        jnp.stack(part, axis=1).reshape(leaf.shape)
        if isinstance(part, list)
        else jnp.moveaxis(part, -1, 0)
        for leaf, part in zip(leaves, structure.flatten_up_to(tree), strict=True)
    )


def over_lanes(
    most: int, traced: flat.Traced, instead: Mapping[str, Callable[[Any], Any]] | None = None
) -> Callable[..., Any]:
    """A traced function of one lane for all of them at once.

    Arguments and result are as `apart` has them; an argument may also be the same for all lanes.
    `instead` has other functions of a float32 for some operations, by their names.
    """
    shapes, structure = jax.tree.flatten(traced.args)
    results, result = jax.tree.flatten(traced.out)

    def on_all(*args: Any) -> Any:
        parts = structure.flatten_up_to(args)
        values = [
            objects(part).reshape(shape.shape) if isinstance(part, list) else part
            for part, shape in zip(parts, shapes, strict=True)
        ]
        pairs = zip(values, shapes, strict=True)
        [size] = {lanes for value, shape in pairs if (lanes := lanes_of(value, shape.shape))}
        found = _evaluate(most, instead or {}, traced.closed, values)
        return result.unflatten(
            [batch.filled(number, (), (), size) for number in value.flat]
            if is_apart(value)
            else batch.filled(value, shape.shape, shape.shape, size)
            for value, shape in zip(found, results, strict=True)
        )

    return on_all


def is_simple(most: int, traced: flat.Traced) -> bool:
    """Whether nothing is left but arithmetic on scalars, and looking some up."""
    return all(_looks_up(eqn) or _is_scalar(most, eqn) for eqn in traced.closed.jaxpr.eqns)


def _is_scalar(most: int, eqn: core.JaxprEqn) -> bool:
    small = all(math.prod(v.aval.shape) <= most for v in (*eqn.invars, *eqn.outvars))
    if eqn.primitive.name == "dynamic_update_slice":  # once batched, a scatter if it moves
        small &= all(isinstance(start, core.Literal) for start in eqn.invars[2:])
    return small and eqn.primitive.name in SIMPLE


def _looks_up(eqn: core.JaxprEqn) -> bool:
    return eqn.primitive.name == "dynamic_slice" and math.prod(eqn.outvars[0].aval.shape) == 1


def _evaluate(
    most: int,
    instead: Mapping[str, Callable[[Any], Any]],
    closed: core.ClosedJaxpr,
    values: Sequence[Value],
) -> list[Value]:
    jaxpr = closed.jaxpr
    within = functools.partial(_evaluate, most, instead)
    env = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    env |= zip(jaxpr.invars, values, strict=True)
    for eqn in jaxpr.eqns:
        given = [_split(most, flat.read(env, v), v.aval.shape) for v in eqn.invars]
        small = all(0 < math.prod(v.aval.shape) <= most for v in eqn.outvars)
        compute = None
        if eqn.primitive.name in instead and eqn.outvars[0].aval.dtype == np.float32:
            compute = functools.partial(_replaced, instead[eqn.primitive.name])
        found = by_control(eqn, given, within)
        if found is None and small:
            found = by_rule(eqn, given, compute or flat.bind)
        if found is None:
            found = (compute or batch.bind)(eqn, list(map(whole, given)))
        env |= zip(eqn.outvars, found, strict=True)
    return [_split(most, flat.read(env, v), v.aval.shape) for v in jaxpr.outvars]


def _split(most: int, value: Value, shape: tuple[int, ...]) -> Value:
    """An array of at most `most` numbers a lane as its scalars."""
    if is_apart(value) or not shape or not 0 < math.prod(shape) <= most:
        return value
    if jnp.issubdtype(value.dtype, jax.dtypes.extended):
        return value
    known = value if isinstance(value, jax.core.Tracer) else np.asarray(value)
    return objects([known[index] for index in np.ndindex(shape)]).reshape(shape)


def _replaced(function: Callable[[Any], Any], _: core.JaxprEqn, values: list[Any]) -> list[Any]:
    return [function(*values)]
