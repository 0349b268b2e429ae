"""The period of an orbit that comes back, for one run.

It is the smallest divisor of the span, after which the run came back to the bit, at which the orbit
repeats within √eps (1 + ‖x‖): rounding can multiply the period. `x ↦ x − η f'(x)` of a double well
at η = 1.1 has period 2, and 4 in float64. So two points run along the orbit, one ahead of the other
by each divisor in turn, until they keep together all the way round.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from gdexp import descent, stopping
from gdexp.descent import Array, Problem, Rules, Run, Task

SEEK, AHEAD, ALONG = range(3)  # phases of a walk: for a divisor, one goes ahead, both go along


class Walk(NamedTuple):
    """Two points on an orbit, the one `shift` updates ahead of the other, or on its way there."""

    ahead: Any  # (x [D], optimizer state)
    behind: Any
    phase: Array
    count: Array  # updates of the one ahead in this phase
    even: Array  # bool: the one ahead is not an update further than that
    shift: Array
    done: Array


def begin(x: Array, state: Any, span: Array) -> Walk:
    """A walk from `x` [D] of an orbit, with the optimizer's state there.

    Args:
      x: a point of the orbit [D].
      state: of the optimizer there.
      span: updates after which the orbit comes back to the bit; 0 gives a period of 0.
    """
    point, zero = (x, state), jnp.int32(0)
    return Walk(point, point, jnp.int32(SEEK), zero, jnp.bool_(True), zero + 1, span <= 1)


def go_on(problem: Problem, rules: Rules, task: Task, run: Run, span: Array, walk: Walk) -> Walk:
    """One update of one of the two points, in turns: one piece of code, which compiles slowly.

    Args:
      problem: whose updates follow from point and optimizer state alone.
      rules: of the sweep.
      task: what the run holds for itself.
      run: at the point where the walk began.
      span: as for `begin`.
      walk: so far.
    """
    first, moves = (walk.phase == AHEAD) | walk.even, walk.phase != SEEK
    x, state = descent.choose(first, walk.ahead, walk.behind)
    here = run._replace(x=x, state=state)
    moved = descent.update(problem, rules, task, here, descent.see(problem, rules, task, here))
    further = walk._replace(
        ahead=descent.choose(first & moves, moved, walk.ahead),
        behind=descent.choose(~first & moves, moved, walk.behind),
        count=walk.count + (first & moves),
        even=(walk.phase != ALONG) | ~walk.even,
    )
    found = _turned(further, (run.x, run.state), span)
    return descent.choose(walk.done, walk, found)


def period(walk: Walk, span: Array) -> Array:
    """What a walk that is done has found."""
    return jnp.minimum(span, walk.shift)


def _turned(walk: Walk, point: Any, span: Array) -> Walk:
    """`walk` with what follows from where the two are; `point` is where they set out from."""
    seeks = walk.phase == SEEK
    divides = span % walk.shift == 0
    shifted = (walk.phase == AHEAD) & (walk.count >= walk.shift)
    along = (walk.phase == ALONG) & walk.even
    round_ = along & (walk.count >= span)
    again = (shifted | along) & ~round_ & ~_together(walk)
    phase = jnp.where(again, SEEK, jnp.where(shifted, ALONG, walk.phase))
    return Walk(
        ahead=descent.choose(again, point, walk.ahead),
        behind=descent.choose(again, point, walk.behind),
        phase=jnp.where(seeks & divides, AHEAD, phase),
        count=jnp.where(again | shifted, 0, walk.count),
        even=walk.even,
        shift=walk.shift + (again | (seeks & ~divides)),
        # that it comes back after the whole span is known
        done=walk.done | round_ | (walk.shift >= span),
    )


def _together(walk: Walk) -> Array:
    """Whether both are at the same point, but for rounding."""
    one, other = walk.behind[0], walk.ahead[0]
    tolerance = jnp.sqrt(jnp.finfo(one.dtype).eps)
    return stopping.euclidean(one - other) <= tolerance * (1 + stopping.euclidean(one))
