"""One operation for all lanes at once, with the lanes as the last axis.

JAX's own batching moves them to the front wherever shapes differ, and back again: a transposition
of everything in each step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from gdexp import flat

ELEMENTWISE = """
abs acos acosh add add_any and asin asinh atan atan2 atanh bitcast_convert_type cbrt ceil clamp copy
convert_element_type
cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le lgamma
log log1p logistic lt max min mul ne neg nextafter not or pow reduce_precision rem round rsqrt
select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square
stop_gradient sub tan tanh xor
"""
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
OTHERS = "argmax argmin concatenate rev split squeeze"
ALONG = {*ELEMENTWISE.split(), *FOLDS, *OTHERS.split()}
PARAMETERS: dict[str, Callable[..., dict[str, Any]]] = {  # for all lanes, from those for one
    "broadcast_in_dim": lambda size, *, shape, broadcast_dimensions, **_: {
        "shape": (*shape, size),
        "broadcast_dimensions": (*broadcast_dimensions, len(shape)),
    },
    "pad": lambda size, *, padding_config, **_: {"padding_config": (*padding_config, (0, 0, 0))},
    "reshape": lambda size, *, new_sizes, **_: {"new_sizes": (*new_sizes, size)},
    "slice": lambda size, *, start_indices, limit_indices, strides, **_: {
        "start_indices": (*start_indices, 0),
        "limit_indices": (*limit_indices, size),
        "strides": strides and (*strides, 1),
    },
    "transpose": lambda size, *, permutation, **_: {
        "permutation": (*permutation, len(permutation))
    },
}


def bind(eqn: core.JaxprEqn, values: Sequence[Any]) -> list[Any]:
    """The results of an operation on values [...] or [..., L]: [..., L] if any of these is."""
    shapes = [v.aval.shape for v in eqn.invars]
    pairs = list(zip(values, shapes, strict=True))
    lanes = [np.ndim(value) > len(shape) for value, shape in pairs]
    if not any(lanes):
        return flat.bind(eqn, values)
    size, name, out = values[lanes.index(True)].shape[-1], eqn.primitive.name, eqn.outvars[0].aval
    # JAX lets an operand be a scalar, or 1 long where the result is longer
    if name in ELEMENTWISE.split() and all(len(shape) in (0, len(out.shape)) for shape in shapes):
        return flat.bind(eqn, [filled(*one, out.shape, size) for one in pairs])
    if name == "concatenate":
        return flat.bind(eqn, [filled(value, shape, shape, size) for value, shape in pairs])
    if name.startswith("reduce_") and name in FOLDS and 0 not in shapes[0]:
        return [folded(FOLDS[name], *values, eqn.params["axes"])]
    if name in ALONG or (name in PARAMETERS and not any(lanes[1:])):
        changed = PARAMETERS[name](size, **eqn.params) if name in PARAMETERS else {}
        return flat.bind(eqn.replace(params=eqn.params | changed), values)
    axes = [-1 if has else None for has in lanes]
    whole = jax.vmap(lambda *each: flat.bind(eqn, each), in_axes=axes, out_axes=-1)
    return whole(*values)


def folded(operation: core.Primitive, value: Any, axes: tuple[int, ...]) -> Any:
    """A reduction over some axes by halves.

    Every operation goes along the lanes, which XLA's reduction does not, and errors of a sum grow
    with the logarithm of its length.
    """
    for axis in sorted(axes, reverse=True):
        left = []
        while (length := value.shape[axis]) > 1:
            half = length // 2
            if length % 2:
                left.append(lax.slice_in_dim(value, length - 1, length, axis=axis))
            lower = lax.slice_in_dim(value, 0, half, axis=axis)
            value = operation.bind(lower, lax.slice_in_dim(value, half, 2 * half, axis=axis))
        value = lax.squeeze(functools.reduce(operation.bind, left, value), [axis])
    return value


def filled(value: Any, own: tuple[int, ...], shape: tuple[int, ...], size: int) -> Any:
    """A value of shape `own`, with lanes or without, as [*shape, L].

    `own` is (), or `shape` with 1 for some of its lengths.
    """
    has = np.ndim(value) > len(own)
    if has and own == shape:
        return value
    axes = (*range(len(own)), *([len(shape)] if has else []))
    return lax.broadcast_in_dim(value, (*shape, size), axes)


def each(function: Callable[..., Any], *numbers: Any) -> Any:
    """`function` of numbers, each [] or [L]: all [L] if any is."""
    return function(*together(numbers))


def together(numbers: Sequence[Any]) -> Sequence[Any]:
    """Numbers, each [] or [L], all as [L] if any is."""
    sizes = {len(number) for number in numbers if np.ndim(number)}
    if not sizes:
        return numbers
    [size] = sizes
    return [number if np.ndim(number) else jnp.full(size, number) for number in numbers]
