"""Mini-batches: which examples each update learns from.

An epoch goes through all examples once, in an order drawn anew from the run's own key, so that a
run has the same batches wherever it runs. A run holds the orders of the epochs up to its next look
at all examples, which comes after a whole number of them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array
LEAST = 8  # updates between two looks at all examples


class Examples(NamedTuple):
    """What a loss is the mean of."""

    rows: tuple[Array, ...]  # each [n, ...]
    held: Array | None = None  # [n] bool: False where a row only fills a batch; None: nowhere


class Batches(NamedTuple):
    """Batches of `size` of `count` examples. The last of an epoch is smaller, if need be."""

    count: int
    size: int

    @property
    def epoch(self) -> int:
        """Updates that it takes."""
        return -(-self.count // self.size)

    @property
    def epochs(self) -> int:
        """How many there are between two looks."""
        return -(-LEAST // self.epoch)

    @property
    def steps(self) -> int:
        """Updates between two looks."""
        return self.epochs * self.epoch

    def nothing(self) -> Array:
        """A place for orders, as of a run that begins."""
        return jnp.zeros(self.steps * self.size, jnp.int32)

    def orders(self, key: Array, look: Array) -> Array:
        """The examples of all updates after a look, one batch after the other.

        Args:
          key: of a run's batches.
          look: its number, from 0.
        """
        empty = self.epoch * self.size - self.count

        def one(epoch):
            return jnp.pad(permutation(jax.random.fold_in(key, epoch), self.count), (0, empty))

        return jnp.concatenate([one(look * self.epochs + i) for i in range(self.epochs)])

    def batch(self, orders: Array, number: Array, rows: tuple[Array, ...]) -> Examples:
        """The examples of an update, `number` updates after the look."""
        chosen = jax.lax.dynamic_slice_in_dim(orders, number * self.size, self.size)
        some = tuple(jnp.take(array, chosen, axis=0, mode="clip") for array in rows)
        if self.count % self.size == 0:
            return Examples(some)
        left = self.count - number % self.epoch * self.size
        return Examples(some, jnp.arange(self.size) < left)


def permutation(key: Array, count: int) -> Array:
    """The numbers below `count` [n] in an order that is as likely as any other.

    A number stands in the lower bits of a word, chance in the upper ones, and the words are sorted,
    as often as makes it unlikely that any two numbers were never told apart. XLA's CPU compiler
    sorts words alone 3 times as fast as the pairs that `jax.random.permutation` sorts.
    """
    low = max(1, (count - 1).bit_length())
    order = jnp.arange(count, dtype=jnp.int32)
    for i in range(math.ceil(3 * low / (32 - low))):
        chance = jax.random.bits(jax.random.fold_in(key, i), (count,)) >> low << low
        words = jnp.sort(chance | jnp.arange(count, dtype=jnp.uint32))
        order = order[(words & (2**low - 1)).astype(jnp.int32)]
    return order


def like(batches: Batches | None, rows: tuple[Any, ...]) -> Examples:
    """The shapes of what an update learns from; `rows` are those of all examples."""
    if batches is None:
        return Examples(rows)
    number = jax.ShapeDtypeStruct((), jnp.int32)
    return jax.eval_shape(batches.batch, jax.eval_shape(batches.nothing), number, rows)
