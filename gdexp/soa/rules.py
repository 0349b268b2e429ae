"""How operations on small arrays are computed scalar by scalar."""

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
from gdexp.soa.batch import ELEMENTWISE, FOLDS, each, together

# A value is a small array as an object array of its scalars, in its shape, or an array as it is.
Value = Any
Rule = Callable[..., Value | list[Value] | None]  # (parameters, *operands); None: it does not apply

PRODUCTS = 64  # of a matrix product, at most, to be written out

SHAPES = (
    "broadcast_in_dim concatenate iota optimization_barrier pad reshape rev slice squeeze transpose"
)
WRITTEN_OUT = "dot_general dynamic_slice dynamic_update_slice split"


def by_rule(
    eqn: core.JaxprEqn, given: list[Value], compute: Callable[..., list[Any]] = flat.bind
) -> list[Value] | None:
    """The results of an operation scalar by scalar; None if there is no rule that applies.

    `compute` has those of one operation on numbers, each [] or [L].
    """
    name = eqn.primitive.name
    numbers = [v.aval.shape == () for v in eqn.invars]
    if not all(is_apart(value) or one for value, one in zip(given, numbers, strict=True)):
        return None
    if name in ELEMENTWISE.split():
        return [_each(eqn, given, compute)] if any(map(is_apart, given)) else None
    if name in FOLDS:
        fold = _scan if name.startswith("cum") else _reduce
        return [fold(FOLDS[name], given[0], **eqn.params)]
    found = RULES[name](eqn.params, *given) if name in RULES else None
    if found is None:
        return None
    return [value[()] if is_apart(value) and value.ndim == 0 else value for value in found]


def _each(eqn: core.JaxprEqn, given: list[Value], compute: Callable[..., list[Any]]) -> Value:
    operands = np.broadcast_arrays(*(objects(value) for value in given))
    found = np.empty(operands[0].shape, object)
    for index in np.ndindex(found.shape):
        [found[index]] = each(lambda *a: compute(eqn, a), *(operand[index] for operand in operands))
    return found


def _reduce(operation: core.Primitive, value: Value, *, axes, **_) -> Value:
    if not is_apart(value):
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
    found = np.stack([objects(row) for row in rows[:: -1 if reverse else 1]])
    return np.moveaxis(found, 0, axis)


def _pairs(operation: core.Primitive, left: Value, right: Value) -> Value:
    if not is_apart(left):
        return each(operation.bind, left, right)
    found = np.empty(left.shape, object)
    for index in np.ndindex(left.shape):
        found[index] = each(operation.bind, left[index], right[index])
    return found


def _broadcast(params, value):
    shape, source = params["shape"], objects(value)
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
    found = np.broadcast_to(objects(filling), [sum(side) for side in sides]).copy()
    place = zip(lows, spread, inner, strict=True)
    found[tuple(slice(low, low + n, i + 1) for low, n, i in place)] = value
    return [found]


def _iota(params):
    shape, axis = params["shape"], params["dimension"]
    line = objects(list(np.arange(shape[axis], dtype=params["dtype"])))
    inner = [-1 if i == axis else 1 for i in range(len(shape))]
    return [np.broadcast_to(line.reshape(inner), shape)]


def _dot(params, left, right):
    (contract, batch) = params["dimension_numbers"]
    if batch[0] or not (is_apart(left) and is_apart(right)):
        return None
    inner = math.prod(left.shape[axis] for axis in contract[0])
    if not inner or left.size * right.size // inner > PRODUCTS:
        return None
    a = np.moveaxis(left, contract[0], range(-len(contract[0]), 0))
    b = np.moveaxis(right, contract[1], range(len(contract[1])))
    free = (*a.shape[: a.ndim - len(contract[0])], *b.shape[len(contract[1]) :])
    a, b = a.reshape(-1, inner), b.reshape(inner, -1)
    found = [functools.reduce(_sum, map(_product, row, column)) for row in a for column in b.T]
    return [objects(found).reshape(free)]


def _sum(left, right):
    return each(lax.add_p.bind, left, right)


def _product(left, right):
    return each(lax.mul_p.bind, left, right)


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
    "reshape": lambda params, value: [objects(value).reshape(params["new_sizes"])],
    "rev": lambda params, value: [np.flip(value, params["dimensions"])],
    "slice": _slice,
    "split": lambda params, value: np.split(
        value, np.cumsum(params["sizes"])[:-1], axis=params["axis"]
    ),
    "squeeze": lambda params, value: [np.squeeze(value, params["dimensions"])],
    "transpose": lambda params, value: [value.transpose(params["permutation"])],
}


def is_apart(value: Value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object


def objects(value: Any) -> Value:
    """A scalar, or a list of scalars, as an object array; such an array as it is."""
    if is_apart(value):
        return value
    values = value if isinstance(value, list) else [value]
    found = np.empty(len(values), object)
    for i, scalar in enumerate(values):  # one by one: numpy would ask a tracer for its numbers
        found[i] = scalar
    return found if isinstance(value, list) else found.reshape(())


def whole(value: Value) -> Any:
    """A value as one array [..., L], or [...] if it is the same for all lanes."""
    if not is_apart(value):
        return value
    array = jnp.stack([jnp.asarray(part) for part in together(list(value.flat))])
    return array.reshape(value.shape + array.shape[1:])


def lanes_of(value: Value, shape: tuple[int, ...]) -> int:
    """How many lanes a value of some shape in one lane has; 0 if it is the same for all."""
    if is_apart(value):
        return max(lanes_of(number, ()) for number in value.flat)
    return value.shape[-1] if np.ndim(value) > len(shape) else 0
