"""What models are judged by beside their loss: accuracy, held-out loss, at many points."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from gdexp import cache
from gdexp.base import Objective

TOGETHER = 16  # points


def names(objective: Objective) -> tuple[str, ...]:
    """What an objective measures."""
    point = jax.ShapeDtypeStruct((objective.dim,), jnp.float32)
    return tuple(jax.eval_shape(objective.measures, point))


def at(
    objective: Objective, numbers: Sequence[str], x: np.ndarray, own: np.ndarray
) -> dict[str, np.ndarray]:
    """What an objective measures at points, each [N] float64.

    Args:
      objective: any; {} is told of one that measures nothing.
      numbers: the names of its numbers that differ from point to point.
      x: [N, D].
      own: [N, V] those numbers.
    """
    if not len(x) or not names(objective):
        return {name: np.empty(0) for name in names(objective)}
    count = max(TOGETHER, 1 << (len(x) - 1).bit_length())  # few sizes, so that few are compiled
    given = [
        np.concatenate([a, a[:1].repeat(count - len(a), 0)]).astype(np.float64) for a in (x, own)
    ]
    with jax.enable_x64(True):
        found = _compiled(objective, tuple(numbers), *(a.shape for a in given))(*given)
    return {name: np.array(values)[: len(x)] for name, values in found.items()}


@functools.lru_cache(16)
def _compiled(
    objective: Objective, numbers: tuple[str, ...], *shapes: tuple[int, ...]
) -> Callable[..., dict[str, jax.Array]]:
    def one(given):
        x, own = given
        return objective.with_numbers(dict(zip(numbers, own, strict=True))).measures(x)

    @jax.jit
    def every(x, own):
        return jax.lax.map(one, (x, own), batch_size=TOGETHER)

    cpu = jax.local_devices(backend="cpu")[0]
    with jax.default_device(cpu):
        return cache.compiled(every.lower(*(jax.ShapeDtypeStruct(s, np.float64) for s in shapes)))
