"""What a kind of device wants done in its own way: how the loop's functions are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Backend(NamedTuple):
    """Ways to call the traced functions that a device's loop is made of."""

    kernel: Callable[..., Any]  # (function, *args): one that is nothing but arithmetic
    once: Callable[..., Any]  # (true, function, *args): one whose result is used more than once
    instead: Mapping[str, Callable[[Any], Any]]  # functions of a float32 for some operations


def plainly(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`."""
    return function(*args)


def again(_: Any, function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`, of which the compiler may compute parts where they are used."""
    return function(*args)


def once(true: jax.Array, function: Callable[..., Any], *args: Any) -> Any:
    """Calls a function whose result is stored, instead of computed anew where it is used.

    XLA's CPU compiler makes a pass over the lanes for each array that a step changes, and repeats
    in each what it needs. It does not look through a branch: so this is one, on what is always
    `true` but not known to be.
    """
    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(function, *args))
    return jax.lax.cond(true, lambda: function(*args), lambda: nothing)


PLAIN = Backend(plainly, again, {})
