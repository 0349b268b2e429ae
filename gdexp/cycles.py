"""The period of an orbit that comes back, for one run."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gdexp import descent, stopping
from gdexp.descent import Array, Problem, Rules

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


def period(
    problem: Problem,
    rules: Rules,
    x: Array,
    state: Any,
    numbers: Array,
    number: Array,
    span: Array,
) -> Array:
    """The smallest divisor of `span` at which the orbit repeats within √eps (1 + ‖x‖).

    A state that came back to the bit does so after a multiple of its period, and rounding can
    multiply that again: `x ↦ x − η f'(x)` of a double well at η = 1.1 has period 2, and 4 in
    float64. So two points run along the orbit, one ahead of the other by each divisor in turn,
    until they keep together all the way round.

    Args:
      problem: whose updates follow from point and optimizer state alone.
      rules: of the sweep.
      x: a point of the orbit [D].
      state: of the optimizer there.
      numbers: those that the run holds for itself [V].
      number: its place in the sweep [2].
      span: updates after which the orbit comes back to the bit; 0 gives 0.
    """
    task, run = descent.init(problem, rules, x, numbers, number)
    point = x, state

    def onward(point):
        here = run._replace(x=point[0], state=point[1])
        seen = descent.see(problem, rules, task, here)
        return descent.update(problem, rules, task, here, seen)

    def go_on(walk: Walk) -> Walk:
        # ahead and behind move in turns, by one piece of code: it takes long to compile
        first, moves = (walk.phase == AHEAD) | walk.even, walk.phase != SEEK
        moved = onward(_choose(first, walk.ahead, walk.behind))
        walk = walk._replace(
            ahead=_choose(first & moves, moved, walk.ahead),
            behind=_choose(~first & moves, moved, walk.behind),
            count=walk.count + (first & moves),
            even=(walk.phase != ALONG) | ~walk.even,
        )
        return _turned(walk, point, span)

    zero = jnp.int32(0)
    begun = Walk(point, point, jnp.int32(SEEK), zero, jnp.bool_(True), zero + 1, span <= 1)
    return jnp.minimum(span, jax.lax.while_loop(lambda walk: ~walk.done, go_on, begun).shift)


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
        ahead=_choose(again, point, walk.ahead),
        behind=_choose(again, point, walk.behind),
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


def _choose(mask: Array, one: Any, other: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(mask, a, b), one, other)
