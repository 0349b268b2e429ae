"""Objectives that learn from examples: the mean loss over a set of them, or over a batch of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from gdexp.base import Objective, UsageError
from gdexp.batches import Examples


@dataclasses.dataclass(frozen=True)
class Learning(Objective):
    """The mean loss over examples, and a penalty.

    Attributes:
      batch_size: examples that an update learns from, without replacement within an epoch; None:
        all of them.
    """

    batch_size: int | None = None

    def __post_init__(self):
        if self.batch_size is not None and self.batch_size > self.count:
            raise UsageError(
                f"batch_size={self.batch_size} is more than there are: type up to {self.count}, or "
                "null for all examples"
            )

    @property
    def count(self) -> int:
        return len(self.arrays()[0])

    def arrays(self) -> tuple[np.ndarray, ...]:
        """What is known of the examples, each [n, ...]: what a loss needs."""
        raise NotImplementedError

    def losses(self, x: Any, *rows: Any) -> Any:
        """The loss of each example [n] at `x` [D]."""
        raise NotImplementedError

    def penalty(self, x: Any) -> Any:
        """What is added at `x` [D], whatever the examples."""
        return 0.0

    def value(self, x: Any, examples: Examples) -> Any:
        """The value at `x` [D] for some examples."""
        return jnp.mean(self.losses(x, *examples.rows), where=examples.held) + self.penalty(x)

    def rows(self, dtype: Any) -> tuple[np.ndarray, ...]:
        """`arrays` with their real numbers as `dtype`."""
        return tuple(
            array.astype(dtype) if array.dtype.kind == "f" else array for array in self.arrays()
        )

    def __call__(self, x: Any) -> Any:
        return self.value(x, Examples(tuple(map(jnp.asarray, self.rows(x.dtype)))))
