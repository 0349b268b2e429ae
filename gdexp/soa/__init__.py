"""Structure of arrays: a function of small arrays as one of scalars.

Batched over lanes, a point of D numbers is an array [L, D]. While D is small, XLA's CPU compiler
makes slow loops of that. So a function written for one point is traced, and its small arrays are
taken apart into their scalars, each of which is an array [L] once batched. An operation without a
rule here has its arrays put together again, is computed whole, and its result taken apart.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from gdexp import flat
from gdexp.soa.rules import (
    ELEMENTWISE,
    FOLDS,
    SHAPES,
    WRITTEN_OUT,
    Value,
    by_rule,
    is_apart,
    objects,
)

SIMPLE = {*ELEMENTWISE.split(), *FOLDS, *SHAPES.split(), *WRITTEN_OUT.split()}


def apart(most: int, tree: Any) -> Any:
    """Every leaf [L, ...] with at most `most` numbers a lane as a list of its scalars [L]."""

    def split(leaf):
        shape = leaf.shape[1:]
        if not 0 < math.prod(shape) <= most or not shape:
            return leaf
        return [leaf[(slice(None), *index)] for index in np.ndindex(*shape)]

    return jax.tree.map(split, tree)


def together(like: Any, tree: Any) -> Any:
    """The inverse of `apart`, for leaves of the shapes in `like`."""
    leaves, structure = jax.tree.flatten(like)
    return structure.unflatten(
        jnp.stack(part, axis=1).reshape(leaf.shape) if isinstance(part, list) else part
        for leaf, part in zip(leaves, structure.flatten_up_to(tree), strict=True)
    )


def scalarwise(
    most: int, traced: flat.Traced, instead: Mapping[str, Callable[[Any], Any]] | None = None
) -> Callable[..., Any]:
    """A traced function, with a list of scalars for each array of at most `most` numbers.

    The lists stand in its arguments and in its result, which otherwise are as they were. `instead`
    has other functions of a float32 for some operations, by their names.
    """
    shapes, structure = jax.tree.flatten(traced.args)

    def on_scalars(*args: Any) -> Any:
        values = [
            objects(part).reshape(shape.shape) if isinstance(part, list) else part
            for part, shape in zip(structure.flatten_up_to(args), shapes, strict=True)
        ]
        found = _evaluate(most, traced.closed, values, instead or {})
        return jax.tree.structure(traced.out).unflatten(
            list(value.flat) if is_apart(value) else value for value in found
        )

    return on_scalars


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
    closed: core.ClosedJaxpr,
    values: list[Value],
    instead: Mapping[str, Callable[[Any], Any]],
) -> list[Value]:
    jaxpr = closed.jaxpr
    env = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    env |= zip(jaxpr.invars, values, strict=True)
    for eqn in jaxpr.eqns:
        given = [_split(most, flat.read(env, v)) for v in eqn.invars]
        small = all(0 < math.prod(v.aval.shape) <= most for v in eqn.outvars)
        compute = flat.bind
        if eqn.primitive.name in instead and eqn.outvars[0].aval.dtype == np.float32:
            compute = functools.partial(_replaced, instead[eqn.primitive.name])
        found = by_rule(eqn, given, compute) if small else None
        if found is None:
            found = compute(eqn, [_whole(value) for value in given])
        env |= zip(eqn.outvars, found, strict=True)
    return [_split(most, flat.read(env, v)) for v in jaxpr.outvars]


def _split(most: int, value: Value) -> Value:
    """An array of at most `most` numbers as its scalars."""
    if is_apart(value) or np.ndim(value) == 0 or not 0 < np.size(value) <= most:
        return value
    if jnp.issubdtype(value.dtype, jax.dtypes.extended):
        return value
    known = value if isinstance(value, jax.core.Tracer) else np.asarray(value)
    return objects([known[index] for index in np.ndindex(value.shape)]).reshape(value.shape)


def _replaced(function: Callable[[Any], Any], _: core.JaxprEqn, values: list[Any]) -> list[Any]:
    return [function(*values)]


def _whole(value: Value) -> Any:
    if not is_apart(value):
        return value
    return jnp.stack([jnp.asarray(part) for part in value.flat]).reshape(value.shape)
