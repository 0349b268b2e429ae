"""The functions of the contest, as a user writes them, once for every array library.

Each takes the library (`jax.numpy` or `torch`) and `x` [..., D], and gives [...]: for one point
under JAX, which batches by vmap, and for all points at once under torch, which has no vmap in
everyday use. They are written without a look at gdexp's own: that both give the same values is part
of what the contest checks.
"""

from __future__ import annotations

import math

# exclusive or, with the corners drawn in a little so that a finite network can fit it
INPUTS = ((-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0))
TARGETS = (-0.9, 0.9, 0.9, -0.9)
NETWORK_SIZE = 17  # 2-4-1: 8 + 4 weights, 4 + 1 biases


def paraboloid(xp, x):
    a, b = x[..., 0], x[..., 1]
    return (a - 1) ** 2 + 4 * (b + 1) ** 2 + a * b / 2


def two_wells(xp, x):
    a, b = x[..., 0], x[..., 1]
    return ((a + 1) ** 2 + (b + 1) ** 2) * ((a - 3) ** 2 + (b - 3) ** 2 + 1)


def himmelblau(xp, x):
    a, b = x[..., 0], x[..., 1]
    return (a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2


def rastrigin(xp, x):
    return xp.sum(x**2 + 10 * (1 - xp.cos(2 * math.pi * x)), -1)


def ackley(xp, x):
    radius = xp.sqrt(xp.mean(x**2, -1))
    ripple = xp.exp(xp.mean(xp.cos(2 * math.pi * x), -1))
    return 20 * (1 - xp.exp(-0.2 * radius)) + math.e - ripple


def rosenbrock(xp, x):
    a, b = x[..., :-1], x[..., 1:]
    return xp.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2, -1)


def network(xp, x):
    """Mean squared error of a 2-4-1 tanh network; `x` holds its weights and biases."""
    inputs, targets = xp.asarray(INPUTS), xp.asarray(TARGETS)
    first = x[..., :8].reshape(*x.shape[:-1], 2, 4)
    hidden = xp.tanh(inputs @ first + x[..., None, 8:12])  # [..., 4 examples, 4 units]
    output = xp.sum(hidden * x[..., None, 12:16], -1) + x[..., 16:]
    return xp.mean((output - targets) ** 2, -1)


FUNCTIONS = {
    f.__name__: f
    for f in (paraboloid, two_wells, himmelblau, rastrigin, ackley, rosenbrock, network)
}
