"""Structure of arrays: a function of small arrays as one of scalars.

Batched over lanes, a point of D numbers is an array [L, D]. While D is small, XLA's CPU compiler
makes slow loops of that. So a function written for one point is traced, and its small arrays are
taken apart into their scalars, each of which is an array [L] once batched. An operation without a
rule here has its arrays put together again, is computed whole, and its result taken apart.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from gdexp import flat

# A value is a small array as an object array of its scalars, in its shape, or an array as it is.
Value = Any
_sum, _product = lax.add_p.bind, lax.mul_p.bind
Rule = Callable[..., Value | list[Value] | None]  # (parameters, *operands); None: it does not apply

PRODUCTS = 64  # of a matrix product, at most, to be written out

ELEMENTWISE = """
abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy
cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le lgamma
log log1p logistic lt max min mul ne neg nextafter not or pow reduce_precision rem round rsqrt
select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square
stop_gradient sub tan tanh xor
"""
SHAPES = (
    "broadcast_in_dim concatenate iota optimization_barrier pad reshape rev slice squeeze transpose"
)
WRITTEN_OUT = "dot_general dynamic_slice dynamic_update_slice split"
FOLDS = {
    "reduce_sum": lax.add_p,
    "reduce_prod": lax.mul_p,
    "reduce_max": lax.max_p,
    "reduce_min": lax.min_p,
    "reduce_and": lax.and_p,
    "reduce_or": lax.or_p,
    "cumsum": lax.add_p,
    "cumprod": lax.mul_p,
    "cummax": lax.max_p,
    "cummin": lax.min_p,
}

SIMPLE = {*ELEMENTWISE.split(), *FOLDS, *SHAPES.split()}


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


def scalarwise(most: int, traced: flat.Traced) -> Callable[..., Any]:
    """A traced function, with a list of scalars for each array of at most `most` numbers.

    The lists stand in its arguments and in its result, which otherwise are as they were.
    """
    shapes, structure = jax.tree.flatten(traced.args)

    def on_scalars(*args: Any) -> Any:
        values = [
            _objects(part).reshape(shape.shape) if isinstance(part, list) else part
            for part, shape in zip(structure.flatten_up_to(args), shapes, strict=True)
        ]
        found = _evaluate(most, traced.closed, values)
        return jax.tree.structure(traced.out).unflatten(
            list(value.flat) if _apart(value) else value for value in found
        )

    return on_scalars


def is_simple(most: int, traced: flat.Traced) -> bool:
    """Whether nothing but arithmetic on numbers is left: no loop, product, sort or look-up."""
    return all(
        eqn.primitive.name in SIMPLE
        or (
            eqn.primitive.name in WRITTEN_OUT.split()
            and all(math.prod(v.aval.shape) <= most for v in (*eqn.invars, *eqn.outvars))
        )
        for eqn in traced.closed.jaxpr.eqns
    )


def _evaluate(most: int, closed: core.ClosedJaxpr, values: list[Value]) -> list[Value]:
    jaxpr = closed.jaxpr
    env = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    env |= zip(jaxpr.invars, values, strict=True)
    for eqn in jaxpr.eqns:
        given = [_split(most, flat.read(env, v)) for v in eqn.invars]
        small = all(0 < math.prod(v.aval.shape) <= most for v in eqn.outvars)
        found = _by_rule(eqn, given) if small else None
        if found is None:
            found = flat.bind(eqn, [_whole(value) for value in given])
        env |= zip(eqn.outvars, found, strict=True)
    return [_split(most, flat.read(env, v)) for v in jaxpr.outvars]


def _by_rule(eqn: core.JaxprEqn, given: list[Value]) -> list[Value] | None:
    """The results of an operation scalar by scalar; None if there is no rule that applies."""
    name = eqn.primitive.name
    if not all(_apart(value) or np.ndim(value) == 0 for value in given):
        return None
    if name in ELEMENTWISE.split():
        return [_each(eqn, given)] if any(map(_apart, given)) else None
    if name in FOLDS:
        fold = _scan if name.startswith("cum") else _reduce
        return [fold(FOLDS[name], given[0], **eqn.params)]
    found = RULES[name](eqn.params, *given) if name in RULES else None
    if found is None:
        return None
    return [value[()] if np.ndim(value) == 0 else value for value in found]


def _each(eqn: core.JaxprEqn, given: list[Value]) -> Value:
    operands = np.broadcast_arrays(*(_objects(value) for value in given))
    found = np.empty(operands[0].shape, object)
    for index in np.ndindex(found.shape):
        [found[index]] = flat.bind(eqn, [operand[index] for operand in operands])
    return found


def _reduce(operation: core.Primitive, value: Value, *, axes, **_) -> Value:
    if not _apart(value):
        return value
    kept = [axis for axis in range(value.ndim) if axis not in axes]
    shape = [value.shape[axis] for axis in kept]
    rows = value.transpose(*axes, *kept).reshape(-1, *shape)
    found = rows[0]
    for row in rows[1:]:
        found = _pairs(operation, found, row)
    return found


def _scan(operation: core.Primitive, value: Value, *, axis, reverse) -> Value:
    rows = list(np.moveaxis(value, axis, 0))[:: -1 if reverse else 1]
    for i in range(1, len(rows)):
        rows[i] = _pairs(operation, rows[i - 1], rows[i])
    found = np.stack([_objects(row) for row in rows[:: -1 if reverse else 1]])
    return np.moveaxis(found, 0, axis)


def _pairs(operation: core.Primitive, left: Value, right: Value) -> Value:
    if not _apart(left):
        return operation.bind(left, right)
    found = np.empty(left.shape, object)
    for index in np.ndindex(left.shape):
        found[index] = operation.bind(left[index], right[index])
    return found


def _broadcast(params, value):
    shape, source = params["shape"], _objects(value)
    inner = [1] * len(shape)
    for axis, size in zip(params["broadcast_dimensions"], source.shape, strict=True):
        inner[axis] = size
    return [np.broadcast_to(source.reshape(inner), shape)]


def _slice(params, value):
    bounds = zip(
        params["start_indices"],
        params["limit_indices"],
        params["strides"] or [1] * value.ndim,
        strict=True,
    )
    return [value[tuple(slice(*bound) for bound in bounds)]]


def _pad(params, value, filling):
    lows, highs, inner = zip(*params["padding_config"], strict=True)
    if min(*lows, *highs) < 0:
        return None
    spread = [n + (n - 1) * i for n, i in zip(value.shape, inner, strict=True)]
    sides = zip(spread, lows, highs, strict=True)
    found = np.broadcast_to(_objects(filling), [sum(side) for side in sides]).copy()
    place = zip(lows, spread, inner, strict=True)
    found[tuple(slice(low, low + n, i + 1) for low, n, i in place)] = value
    return [found]


def _iota(params):
    shape, axis = params["shape"], params["dimension"]
    line = _objects(list(np.arange(shape[axis], dtype=params["dtype"])))
    inner = [-1 if i == axis else 1 for i in range(len(shape))]
    return [np.broadcast_to(line.reshape(inner), shape)]


def _dot(params, left, right):
    (contract, batch) = params["dimension_numbers"]
    if batch[0] or not (_apart(left) and _apart(right)):
        return None
    inner = math.prod(left.shape[axis] for axis in contract[0])
    if not inner or left.size * right.size // inner > PRODUCTS:
        return None
    a = np.moveaxis(left, contract[0], range(-len(contract[0]), 0))
    b = np.moveaxis(right, contract[1], range(len(contract[1])))
    free = (*a.shape[: -len(contract[0])], *b.shape[len(contract[1]) :])
    a, b = a.reshape(-1, inner), b.reshape(inner, -1)
    found = [functools.reduce(_sum, map(_product, row, column)) for row in a for column in b.T]
    return [_objects(found).reshape(free)]


def _dynamic_slice(params, value, *starts):
    place = _place(value.shape, params["slice_sizes"], starts)
    return None if place is None else [value[place]]


def _dynamic_update_slice(params, value, update, *starts):
    place = _place(value.shape, np.shape(update), starts)
    if place is None:
        return None
    found = value.copy()
    found[place] = update
    return [found]


def _place(shape, sizes, starts) -> tuple[slice, ...] | None:
    """The block of `sizes` at `starts`, as JAX clamps it; None if a start is not known yet."""
    if any(isinstance(start, jax.core.Tracer) for start in starts):
        return None
    first = [min(max(int(s), 0), n - m) for s, n, m in zip(starts, shape, sizes, strict=True)]
    return tuple(slice(s, s + m) for s, m in zip(first, sizes, strict=True))


RULES: dict[str, Rule] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda params, *parts: [np.concatenate(parts, params["dimension"])],
    "dot_general": _dot,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "iota": _iota,
    "pad": _pad,
    "reshape": lambda params, value: [_objects(value).reshape(params["new_sizes"])],
    "rev": lambda params, value: [np.flip(value, params["dimensions"])],
    "slice": _slice,
    "split": lambda params, value: np.split(
        value, np.cumsum(params["sizes"])[:-1], axis=params["axis"]
    ),
    "squeeze": lambda params, value: [np.squeeze(value, params["dimensions"])],
    "transpose": lambda params, value: [value.transpose(params["permutation"])],
}


def _apart(value: Value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object


def _objects(value: Any) -> Value:
    """A scalar, or a list of scalars, as an object array; such an array as it is."""
    if _apart(value):
        return value
    values = value if isinstance(value, list) else [value]
    found = np.empty(len(values), object)
    for i, scalar in enumerate(values):  # one by one: numpy would ask a tracer for its numbers
        found[i] = scalar
    return found if isinstance(value, list) else found.reshape(())


def _split(most: int, value: Value) -> Value:
    """An array of at most `most` numbers as its scalars."""
    if _apart(value) or np.ndim(value) == 0 or not 0 < np.size(value) <= most:
        return value
    if jnp.issubdtype(value.dtype, jax.dtypes.extended):
        return value
    known = value if isinstance(value, jax.core.Tracer) else np.asarray(value)
    return _objects([known[index] for index in np.ndindex(value.shape)]).reshape(value.shape)


def _whole(value: Value) -> Any:
    if not _apart(value):
        return value
    return jnp.stack([jnp.asarray(part) for part in value.flat]).reshape(value.shape)
