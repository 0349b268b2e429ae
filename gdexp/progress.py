"""Whether a run still gets anywhere: states that come back, points that no update moves.

An update that follows from point and optimizer state alone is *autonomous*: should the two ever be
what they were, bit for bit, they will be so again for ever. That is a proof, and the number of
updates between is a multiple of the period. It is looked for as Brent does (BIT 20 (1980) 176): one
state is kept, and compared with those that follow, until it is replaced by a later one. Where an
update follows from a count as well (Adam, a schedule) nothing is proved, but a point that many
updates left as it is can be told. Where it follows from noise, nothing can.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array

UNMOVED = 100  # updates in a row, at a rate that is not zero, that leave a point where it is
NOT_KEPT = -1
# A state is replaced when the run has grown by more than this part since it was kept: one that
# comes back is found before the run is 5/4 as long, if it takes no more than a fifth of it
AGE = 4


class Kind(enum.Enum):
    """What an update follows from, besides the gradient."""

    AUTONOMOUS = enum.auto()  # point and optimizer state alone
    COUNTED = enum.auto()  # also the number of updates
    NOISY = enum.auto()  # also chance


class Recurrence(NamedTuple):
    """Of an autonomous run: a state that it passed through."""

    x: Array  # [D]
    state: Any
    steps: Array  # at which it was kept, or NOT_KEPT


class Standstill(NamedTuple):
    """Of a run that counts: where its point last changed."""

    steps: Array


Past = Recurrence | Standstill | None


def kind_of(state: Any, has_table: bool) -> Kind:
    """What an optimizer's updates follow from, by its `state`, arrays or their shapes.

    Whatever counts holds a whole number, and whatever draws holds a key. With a table it counts.
    """
    leaves = jax.tree.leaves(state)
    if any(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves):
        return Kind.NOISY
    if has_table or any(jnp.issubdtype(leaf.dtype, jnp.integer) for leaf in leaves):
        return Kind.COUNTED
    return Kind.AUTONOMOUS


def begin(kind: Kind, x: Array, state: Any) -> Past:
    """What is kept of a run that begins at `x` [D]."""
    if kind is Kind.AUTONOMOUS:
        return Recurrence(x, state, jnp.int32(NOT_KEPT))
    return Standstill(jnp.int32(0)) if kind is Kind.COUNTED else None


def begun(past: Past, old: Past) -> Past:
    """`past` of runs that begin, with the arrays that nothing reads yet as they were in `old`."""
    if isinstance(past, Recurrence):
        return past._replace(x=old.x, state=old.state)
    return past


def stands_still(past: Standstill, steps: Array) -> Array:
    """Whether a run that counts gets nowhere any more after `steps` updates."""
    return steps - past.steps >= UNMOVED


def after(past: Standstill, changed: Array, steps: Array) -> Standstill:
    """What is kept after `steps` updates, of which the last `changed` the point or had no rate."""
    return Standstill(jnp.where(changed, steps, past.steps))


def is_back(past: Recurrence, x: Array, state: Any, steps: Array) -> Array:
    """Whether a run is again at the point [D] and the optimizer's state that were kept."""
    back = (steps > past.steps) & (past.steps != NOT_KEPT)
    for one, other in zip(
        jax.tree.leaves((x, state)), jax.tree.leaves((past.x, past.state)), strict=True
    ):
        back &= (_bits(one) == _bits(other)).all()
    return back


def renewed(past: Recurrence, x: Array, state: Any, steps: Array, due: Array) -> Recurrence:
    """What is kept from now on; nothing else where that is not `due` or not old enough."""
    old = due & (steps - past.steps > past.steps // AGE)
    return jax.tree.map(
        lambda new, kept: jnp.where(old, new, kept), Recurrence(x, state, steps), past
    )


def kept_at(past: Past) -> Array | None:
    """The updates before the state kept; None where none is kept."""
    return past.steps if isinstance(past, Recurrence) else None


def _bits(values: Array) -> Array:
    if not jnp.issubdtype(values.dtype, jnp.floating):
        return values
    whole = {2: jnp.int16, 4: jnp.int32, 8: jnp.int64}[values.dtype.itemsize]
    return jax.lax.bitcast_convert_type(values, whole)
