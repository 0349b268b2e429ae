"""The gradient of an objective found in several ways, side by side: is the one by hand right?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdexp.base import Objective, UsageError

STEP = 0.1  # the first of those that are tried, each half of the one before
AGREE = 1e-7  # of 1 + the largest component: within this two ways agree


class Slopes(NamedTuple):
    """Gradients at N points, float64.

    Attributes:
      x: [N, D].
      automatic: by JAX [N, D].
      numerical: by differences of eighth order over ever smaller steps [N, D] (scipy's).
      written: by hand [N, D]; None where there is none.
    """

    x: np.ndarray
    automatic: np.ndarray
    numerical: np.ndarray
    written: np.ndarray | None

    @property
    def differs(self) -> np.ndarray:
        """How far the ways are apart at each point [N], in units of 1 + the largest component."""
        ways = [way for way in (self.automatic, self.numerical, self.written) if way is not None]
        with np.errstate(invalid="ignore"):
            apart = np.max([np.abs(way - self.automatic) for way in ways], axis=(0, 2))
            found = apart / (1 + np.abs(self.automatic).max(axis=1))
        return np.where(np.isnan(found), np.inf, found)

    @property
    def agree(self) -> bool:
        """Whether all ways agree at all points."""
        return bool((self.differs <= AGREE).all())


def compare(
    objective: Objective, x: np.ndarray, written: Callable[[Any], Any] | None = None
) -> Slopes:
    """Finds the gradient of `objective` at each of `x` [N, D] in every way there is.

    Args:
      objective: in JAX operations.
      x: points.
      written: from a point [D] to its gradient [D], by hand.

    Raises:
      UsageError: what was written does not give D numbers.
    """
    x = np.asarray(x, np.float64)
    with jax.enable_x64(True):
        value = jax.jit(lambda points: jax.lax.map(objective, points))
        automatic = jax.jit(lambda points: jax.lax.map(jax.grad(objective), points))
        by_hand = None if written is None else np.stack([_row(written, point) for point in x])
        return Slopes(x, np.asarray(automatic(x)), _numerical(value, x), by_hand)


def _numerical(value: Callable[..., Any], x: np.ndarray) -> np.ndarray:
    """Gradients [N, D] at `x` [N, D] by differences of `value`, of M points [M, D] at once."""
    from scipy.differentiate import jacobian  # late: nothing else needs it

    def values(coordinates):  # [D, ...] -> [...]
        points = coordinates.reshape(len(coordinates), -1).T
        return np.asarray(value(points)).reshape(coordinates.shape[1:])

    with np.errstate(all="ignore"):  # wide steps may leave where there is a value
        return jacobian(values, x.T, initial_step=STEP).df.T


def _row(written: Callable[[Any], Any], point: np.ndarray) -> np.ndarray:
    """The gradient by hand at a point [D]."""
    found = np.asarray(jnp.asarray(written(jnp.asarray(point))), np.float64)
    if found.shape != point.shape:
        raise UsageError(
            f"a gradient of {len(point)} numbers is needed, and what was written gives "
            f"{found.size} ({found.shape}): one for each variable, in their order"
        )
    return found
