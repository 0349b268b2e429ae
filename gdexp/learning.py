"""Objectives that learn from examples: the mean loss over a set of them, or over a batch of it."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import math
from collections.abc import Mapping
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
                f"batch_size={self.batch_size} is more than the {self.count:,} examples to learn "
                f"from: type 1 to {self.count}, or null for all of them"
            )

    def with_numbers(self, numbers: Mapping[str, Any]) -> Learning:
        """This objective with other numbers and the very same examples."""
        found = copy.copy(self)
        for name, number in numbers.items():
            object.__setattr__(found, name, number)
        return found

    @property
    def count(self) -> int:
        return len(self.arrays()[0])

    def arrays(self) -> tuple[np.ndarray, ...]:
        """What is known of the examples, each [n, ...]: what a loss needs."""
        raise NotImplementedError

    def losses(self, x: Any, *rows: Any) -> Any:
        """The loss of each example [n] at `x` [D]."""
        raise NotImplementedError

    def held_out_arrays(self) -> tuple[np.ndarray, ...]:
        """`arrays` of examples that are not learned from; () if there are none."""
        return ()

    def hits(self, x: Any, *rows: Any) -> Any:
        """Whether each example [n] is told right at `x` [D]; None where there is no such thing."""
        return None

    def penalty(self, x: Any) -> Any:
        """What is added at `x` [D], whatever the examples."""
        return 0.0

    def value(self, x: Any, examples: Examples) -> Any:
        """The value at `x` [D] for some examples."""
        return jnp.mean(self.losses(x, *examples.rows), where=examples.held) + self.penalty(x)

    def measures(self, x: Any) -> dict[str, Any]:
        """What is told of a point [D] beside its value: `accuracy`, by the examples learned from,
        and `held_out_loss` and `held_out_accuracy`, as far as there are such things."""
        found = {}
        for name, arrays in (("", self.arrays()), ("held_out_", self.held_out_arrays())):
            rows = _typed(arrays, x.dtype)
            if name and rows and len(rows[0]):
                found["held_out_loss"] = jnp.mean(self.losses(x, *rows))
            if rows and len(rows[0]) and (hits := self.hits(x, *rows)) is not None:
                found[f"{name}accuracy"] = jnp.mean(hits, dtype=x.dtype)
        return found

    def rows(self, dtype: Any) -> tuple[np.ndarray, ...]:
        """`arrays` with their real numbers as `dtype`."""
        return _typed(self.arrays(), dtype)

    def digest(self) -> str:
        """The sha256 of all examples, learned from and held out."""
        found = hashlib.sha256()
        for array in (*self.arrays(), *self.held_out_arrays()):
            found.update(f"{array.dtype.str}{array.shape}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def __call__(self, x: Any) -> Any:
        return self.value(x, Examples(tuple(map(jnp.asarray, self.rows(x.dtype)))))


def split(x: Any, blocks: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The arrays that a point [D] is made of, one after the other."""
    found, first = {}, 0
    for name, shape in blocks.items():
        size = math.prod(shape)
        found[name] = x[first : first + size].reshape(shape)
        first += size
    return found


def _typed(arrays: tuple[np.ndarray, ...], dtype: Any) -> tuple[np.ndarray, ...]:
    return tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays)
