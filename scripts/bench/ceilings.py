"""What the device can do at most, measured: multiply-adds in registers, and moving memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

CHAIN = 256  # multiply-adds, of 2 operations each, between two touches of memory
CALLS = 5  # handed over at once, so that the time to start one is not counted


def measure(small: int, large: int, loops: int, rounds: int) -> dict[str, float]:
    """Operations a second on `small` floats; bytes a second of a triad on arrays of `large`."""

    def chain(y):
        def link(_, y):
            for _ in range(CHAIN):
                y = y * np.float32(0.9999) + np.float32(1e-4)
            return y

        return jax.lax.fori_loop(0, loops, link, y)

    arithmetic = _best(chain, rounds, jnp.linspace(0, 1, small, dtype="float32"))
    wide = jnp.ones(large, "float32")
    triad = _best(lambda a, b: a + np.float32(2) * b, rounds, wide, wide + 1)
    return {
        "flops_per_second": 2 * CHAIN * loops * small / arithmetic,
        "bytes_per_second": 3 * 4 * large / triad,  # two arrays read, one written
    }


def _best(function: Callable[..., Any], rounds: int, *arguments: Any) -> float:
    compiled = jax.jit(function)
    compiled(*arguments).block_until_ready()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        jax.block_until_ready([compiled(*arguments) for _ in range(CALLS)])
        seconds.append((time.perf_counter() - began) / CALLS)
    return min(seconds)
