"""Loops and branches for all lanes at once, lanes last.

JAX's own batching puts the lanes first in all that a loop carries. Of an array [L, 2] in there
LLVM computes most lanes as vectors and the last ones in a loop apart, which rounds otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from gdexp import flat
from gdexp.soa import batch
from gdexp.soa.rules import Value, is_apart, lanes_of, objects, whole

# The results of a function of one lane from its arguments, each with lanes or the same for all.
Evaluate = Callable[[core.ClosedJaxpr, Sequence[Value]], list[Value]]


def by_control(eqn: core.JaxprEqn, given: list[Value], evaluate: Evaluate) -> list[Value] | None:
    """The results of a loop or branch; None of what is neither, or the same for all lanes."""
    kind = KINDS.get(eqn.primitive.name)
    found = [lanes_of(value, v.aval.shape) for value, v in zip(given, eqn.invars, strict=True)]
    if kind is None or not any(found):
        return None
    return kind(evaluate, Operands(given, list(map(bool, found)), max(found)), **eqn.params)


class Operands(NamedTuple):
    """What a loop or branch is given."""

    values: list[Value]
    has: list[bool]  # which of them have lanes
    lanes: int

    def part(self, first: int, last: int | None = None) -> Operands:
        """Some that follow each other."""
        where = slice(first, last)
        return Operands(self.values[where], self.has[where], self.lanes)


def _while(evaluate, given, *, cond_nconsts, cond_jaxpr, body_nconsts, body_jaxpr):
    first = cond_nconsts + body_nconsts
    tested, used = given.part(0, cond_nconsts), given.part(cond_nconsts, first)
    begun = given.part(first)
    test, body = flat.inlined(cond_jaxpr), flat.inlined(body_jaxpr)
    has = _settled(lambda has: _touched(body, [*used.has, *has]), begun.has)
    [alone] = _touched(test, [*tested.has, *has])  # whether each lane stops by itself
    packing = Packing(body_jaxpr.out_avals, [alone or one for one in has], given.lanes)

    def goes_on(packed):
        [found] = evaluate(test, [*tested.values, *packing.undo(packed)])
        return batch.filled(found, (), (), given.lanes) if alone else found

    def step(state):
        going, packed = state
        new = packing.do(evaluate(body, [*used.values, *packing.undo(packed)]))
        if alone:
            new = jax.tree.map(functools.partial(jnp.where, going), new, packed)
        return goes_on(new), new

    packed = packing.do(begun.values)
    _, packed = lax.while_loop(lambda state: state[0].any(), step, (goes_on(packed), packed))
    return packing.undo(packed)


def _cond(evaluate, given, *, branches, branches_platforms=None, **_):
    if branches_platforms is not None:
        return None  # a branch for each kind of device: JAX knows which
    index, operands = given.values[0], given.part(1)
    bodies = [flat.inlined(branch) for branch in branches]
    touched = zip(*(_touched(body, operands.has) for body in bodies), strict=True)
    has = [given.has[0] or any(each) for each in touched]
    packing = Packing(branches[0].out_avals, has, given.lanes)

    def taken(body):
        return packing.do(evaluate(body, operands.values))

    if not given.has[0]:
        return packing.undo(lax.switch(index, [functools.partial(taken, body) for body in bodies]))
    found = taken(bodies[0])
    for i, body in enumerate(bodies[1:], 1):  # the last that is not after the one asked for
        chosen = functools.partial(jnp.where, index >= i)
        found = jax.tree.map(chosen, taken(body), found)
    return packing.undo(found)


def _scan(evaluate, given, *, jaxpr, length, reverse, num_consts, num_carry, **_):
    first = num_consts + num_carry
    used, begun = given.part(0, num_consts), given.part(num_consts, first)
    rows = given.part(first)
    body = flat.inlined(jaxpr)

    def after(has):
        return _touched(body, [*used.has, *has, *rows.has])[:num_carry]

    packing = Packing(jaxpr.out_avals[:num_carry], _settled(after, begun.has), given.lanes)

    def step(packed, row):
        found = evaluate(body, [*used.values, *packing.undo(packed), *row])
        return packing.do(found[:num_carry]), list(map(whole, found[num_carry:]))

    given_rows = list(map(whole, rows.values))
    packed, told = lax.scan(step, packing.do(begun.values), given_rows, length, reverse)
    return [*packing.undo(packed), *told]


KINDS: dict[str, Callable[..., list[Value] | None]] = {
    "while": _while,
    "cond": _cond,
    "scan": _scan,
}


class Packing(NamedTuple):
    """How values go through a loop, where an array of some type and shape has to stay one."""

    avals: Sequence[Any]  # of one lane
    has: list[bool]  # which of the values have lanes
    lanes: int

    def do(self, values: Sequence[Value]) -> list[Any]:
        """Each value as an array, or as a list of its numbers."""
        return [
            [self._array(number, (), has) for number in value.flat]
            if is_apart(value)
            else self._array(value, aval.shape, has)
            for value, aval, has in zip(values, self.avals, self.has, strict=True)
        ]

    def undo(self, packed: Sequence[Any]) -> list[Value]:
        return [
            objects(part).reshape(aval.shape) if isinstance(part, list) else part
            for part, aval in zip(packed, self.avals, strict=True)
        ]

    def _array(self, value: Any, shape: tuple[int, ...], has: bool) -> Any:
        array = batch.filled(value, shape, shape, self.lanes) if has else jnp.asarray(value)
        if jnp.issubdtype(array.dtype, jax.dtypes.extended):
            return array
        return lax.convert_element_type(array, array.dtype)  # no type is left open


def _touched(closed: core.ClosedJaxpr, has: Sequence[bool]) -> list[bool]:
    """Which results may have lanes, of arguments some of which have."""
    jaxpr = closed.jaxpr
    found = {v for v, one in zip(jaxpr.invars, has, strict=True) if one}
    for eqn in jaxpr.eqns:
        if any(not isinstance(v, core.Literal) and v in found for v in eqn.invars):
            found.update(eqn.outvars)
    return [not isinstance(v, core.Literal) and v in found for v in jaxpr.outvars]


def _settled(after: Callable[[list[bool]], list[bool]], has: list[bool]) -> list[bool]:
    """Which numbers of a loop have lanes, from those that have some to begin with."""
    while (more := [a or b for a, b in zip(has, after(has), strict=True)]) != has:
        has = more
    return has
