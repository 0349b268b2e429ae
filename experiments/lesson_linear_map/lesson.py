"""The lesson's second cell: the loss of W @ x, and a "gradient" that it computes once and adds.

objective=experiments/lesson_linear_map/lesson.py:second_cell objective.file.dim=16
"""

import jax
import jax.numpy as jnp

VECTOR, TARGET = (1.0, 2.0, 3.0, 4.0), (2.0, 3.0, 4.0, 5.0)
ROW = (1.5, 1.3, 1.8, 1.1)


def loss(w):
    """The mean squared error of W @ x; W [16] row by row."""
    x, target = jnp.array(VECTOR, w.dtype), jnp.array(TARGET, w.dtype)
    return jnp.mean((w.reshape(4, 4) @ x - target) ** 2)


@jax.custom_jvp
def second_cell(w):
    return loss(w)


@second_cell.defjvp
def constant(point, direction):
    """2 · mean((W @ x − target) · x) = 49.5 at the start for every weight, and never again."""
    w, change = point[0], direction[0]
    x, target = jnp.array(VECTOR, w.dtype), jnp.array(TARGET, w.dtype)
    start = jnp.tile(jnp.array(ROW, w.dtype), 4).reshape(4, 4)
    once = 2 * jnp.mean((start @ x - target) * x)
    return loss(w), once * change.sum()
