"""What objectives are at many points: their values, and what models are judged by beside these."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

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
    return _at(_measures, objective, numbers, x, own)


def values(
    objective: Objective, numbers: Sequence[str], x: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """The values of an objective at points, float64 [N]; arguments as `at` takes them."""
    return _at(_value, objective, numbers, x, own)["f"]


def _measures(objective: Objective, x: Any) -> dict[str, Any]:
    return objective.measures(x)


def _value(objective: Objective, x: Any) -> dict[str, Any]:
    return {"f": objective(x)}


def _at(
    function: Callable[[Objective, Any], dict[str, Any]],
    objective: Objective,
    numbers: Sequence[str],
    x: np.ndarray,
    own: np.ndarray,
) -> dict[str, np.ndarray]:
    """What a function of the objective and a point gives at points, each [N]."""
    count = max(TOGETHER, 1 << (len(x) - 1).bit_length())  # few sizes, so that few are compiled
    given = [
        np.concatenate([a, a[:1].repeat(count - len(a), 0)]).astype(np.float64) for a in (x, own)
    ]
    with jax.enable_x64(True):
        shapes = [a.shape for a in given]
        found = _compiled(function, _Very(objective), tuple(numbers), *shapes)(*given)
    return {name: np.array(values)[: len(x)] for name, values in found.items()}


class _Very:
    """An objective as itself: one of a file may equal another whose file has changed since."""

    def __init__(self, objective: Objective):
        self.objective = objective

    def __hash__(self) -> int:
        return id(self.objective)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Very) and other.objective is self.objective


@functools.lru_cache(16)
def _compiled(
    function: Callable[[Objective, Any], dict[str, Any]],
    very: _Very,
    numbers: tuple[str, ...],
    *shapes: tuple[int, ...],
) -> Callable[..., dict[str, jax.Array]]:
    def one(given):
        x, own = given
        return function(very.objective.with_numbers(dict(zip(numbers, own, strict=True))), x)

    @jax.jit
    def every(x, own):
        return jax.lax.map(one, (x, own), batch_size=TOGETHER)

    cpu = jax.local_devices(backend="cpu")[0]
    with jax.default_device(cpu):
        return cache.compiled(every.lower(*(jax.ShapeDtypeStruct(s, np.float64) for s in shapes)))
