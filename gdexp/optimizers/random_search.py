"""Random search: the baseline that knows nothing of the slope."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


class RandomSearchState(NamedTuple):
    """The key of the points to come."""

    key: jax.Array


def random_search(
    key: jax.Array,
    box: tuple[jax.Array, jax.Array],
    low: float | None = None,
    high: float | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Tries one point a step, uniform between `low` and `high`, and moves there if f is less.

    After N steps it is at the best of N random points and the start. An evaluation a step is
    counted: where a run stays, its value is known.

    Args:
      key: this run's own random key.
      box: the corners [D] of the objective's domain, which count where an end is None.
      low: of every coordinate.
      high: of every coordinate.
    """

    def update(gradient, state, x, *, value, value_fn, **_):
        key, now = jax.random.split(state.key)
        bottom, top = (
            jnp.asarray(own if end is None else end, x.dtype)
            for own, end in zip(box, (low, high), strict=True)
        )
        point = bottom + (top - bottom) * jax.random.uniform(now, x.shape, x.dtype)
        step = jnp.where(value_fn(point) < value, point - x, jnp.zeros_like(x))
        return step, RandomSearchState(key)

    return optax.GradientTransformationExtraArgs(lambda x: RandomSearchState(key), update)
