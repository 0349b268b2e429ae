"""A traced function as a flat list of primitive operations, to be taken apart by other rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend import core

INLINED = {  # primitives that only call a jaxpr, and the parameter that holds it
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


class Traced(NamedTuple):
    """A function as its operations."""

    closed: core.ClosedJaxpr
    args: tuple[Any, ...]  # the shapes of what it takes, as trees
    out: Any  # and of what it gives


def trace(function: Callable[..., Any], *args: Any) -> Traced:
    """The operations of `function(*args)`, without calls and without those no result needs.

    Derivatives have been taken by then: a custom rule is no longer needed.
    """
    closed, out = jax.make_jaxpr(function, return_shape=True)(*args)
    return Traced(inlined(closed), args, out)


def inlined(closed: core.ClosedJaxpr) -> core.ClosedJaxpr:
    """Operations without calls of others, and without those no result needs."""
    avals = [v.aval for v in closed.jaxpr.invars]
    found = jax.make_jaxpr(lambda *values: _evaluate(closed, values))(*avals)
    return core.ClosedJaxpr(found.jaxpr.replace(eqns=_alive(found.jaxpr)), found.consts)


def peak(traced: Traced) -> int:
    """About how many bytes of intermediate results are there at once, at most.

    As if each operation made its result: the compiler makes some of them together.
    """
    jaxpr = traced.closed.jaxpr
    last = {v: i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.invars if _is_made(v)}
    kept = {*jaxpr.invars, *jaxpr.constvars, *filter(_is_made, jaxpr.outvars)}
    held = most = 0
    for i, eqn in enumerate(jaxpr.eqns):
        held += sum(map(_bytes, eqn.outvars))
        most = max(most, held)
        gone = {v for v in (*eqn.invars, *eqn.outvars) if _is_made(v) and last.get(v, -1) <= i}
        held -= sum(_bytes(v) for v in gone - kept)
    return most


def _is_made(variable: Any) -> bool:
    return not isinstance(variable, core.Literal)


def _bytes(variable: core.Var) -> int:
    return variable.aval.size * variable.aval.dtype.itemsize  # a random key tells the words it has


def bind(eqn: core.JaxprEqn, values: Sequence[Any]) -> list[Any]:
    """The results of one operation."""
    with eqn.ctx.manager:
        found = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
    return list(found) if eqn.primitive.multiple_results else [found]


def evaluate(eqns: Iterable[core.JaxprEqn], env: dict[Any, Any]) -> None:
    """Adds the results of some operations to the values of variables."""
    for eqn in eqns:
        values = [read(env, v) for v in eqn.invars]
        inner = INLINED.get(eqn.primitive.name)
        found = _evaluate(_closed(eqn.params[inner]), values) if inner else bind(eqn, values)
        env |= zip(eqn.outvars, found, strict=True)


def _evaluate(closed: core.ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    env = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    env |= dict(zip(closed.jaxpr.invars, args, strict=True))
    evaluate(closed.jaxpr.eqns, env)
    return [read(env, v) for v in closed.jaxpr.outvars]


def read(env: dict[Any, Any], variable: Any) -> Any:
    """The value of a variable or literal."""
    return variable.val if isinstance(variable, core.Literal) else env[variable]


def _closed(jaxpr: Any) -> core.ClosedJaxpr:
    return jaxpr if isinstance(jaxpr, core.ClosedJaxpr) else core.ClosedJaxpr(jaxpr, ())


def _alive(jaxpr: core.Jaxpr) -> list[core.JaxprEqn]:
    """The operations that a result depends on."""
    needed = {v for v in jaxpr.outvars if not isinstance(v, core.Literal)}
    kept = []
    for eqn in reversed(jaxpr.eqns):
        if eqn.effects or not needed.isdisjoint(eqn.outvars):
            needed.update(v for v in eqn.invars if not isinstance(v, core.Literal))
            kept.append(eqn)
    return kept[::-1]
