"""The shape of an objective about points: value, gradient, curvature, the nearest stationary point.

All in float64, whatever a sweep descended in. What is written here is for one point; it is compiled
for many at once. Up to DENSE dimensions a Hessian is a matrix; beyond that it is only ever
multiplied with vectors.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdexp import cache, lanczos
from gdexp.base import Objective, Shape

Array = jax.Array
Function = Callable[[Array, Array], Array]  # (x [D], numbers [V]) -> f

DENSE = 64  # dimensions
ITERATIONS = 60  # of Newton's method at most: a factor of 2/3 each (x⁴) comes to 1e-10
SETTLED = 1e-13  # a step of this part of 1 + ‖x‖ is rounding
ROWS, BATCH = 64, 4096  # points computed together, at least and at most
NUMBERS = 2**20  # of their Hessians, at most
EXAMPLES = 2**17  # that the objective is evaluated for, for all of them
GROWTH = 12  # iterations that tell how far a point is from a stationary one


class Look(NamedTuple):
    """What is at N points."""

    f: Any  # [N]
    grad_norm: Any  # [N]
    eigenvalues: Any  # [N, D] of the Hessian, rising
    step: Any  # [N, D] of Newton's method


def of_objective(objective: Objective, names: Sequence[str]) -> Curvature:
    """The curvature of an objective, of whose numbers those called `names` [V] vary."""
    return Curvature(
        lambda x, own: objective.with_numbers(dict(zip(names, own, strict=True)))(x),
        most=max(1, min(BATCH, EXAMPLES // max(1, objective.count))),
    )


class Curvature:
    """Second derivatives of one function.

    Args:
      function: in JAX operations, of a point and the numbers that differ from point to point.
      most: how many points are computed together, at most.
    """

    def __init__(self, function: Function, most: int = BATCH):
        self._function = function
        self._most, self._least = most, min(ROWS, most)
        self._compiled: dict[Any, Callable[..., Any]] = {}  # (function of one, shapes)
        self._compiling = threading.Lock()

    def prepare(self, dim: int, numbers: int) -> None:
        """Compiles what a few points need, in a thread of its own, while something else is done."""
        if dim <= DENSE:
            shapes = _derivatives, (self._least, dim), (self._least, numbers)
            threading.Thread(target=self._program, args=shapes).start()

    def settle(self, x: np.ndarray, numbers: np.ndarray, reach: float = np.inf) -> Shape:
        """Follows Newton's method from each of `x` [N, D] to where the gradient is zero.

        A step minimises ‖g + H s‖² + μ ‖s‖², μ = ‖g‖² / (1 + ‖x‖)²: with that it converges
        quadratically to a set of stationary points as well as to a single one (Yamashita and
        Fukushima, Computing Supplement 15 (2001) 239), be it minimum, saddle or maximum.

        Args:
          x: [N, D].
          numbers: [N, V].
          reach: of 1 + ‖x‖; how far from its beginning a point is followed.
        """
        x, numbers = np.asarray(x, np.float64), np.asarray(numbers, np.float64)
        if not len(x):
            count = 2 if x.shape[1] > DENSE else x.shape[1]
            return Shape(x, *(np.empty((0, *more)) for more in ((), (count,), (), (), (2,))))
        with np.errstate(all="ignore"):  # what runs away is told by where it comes to
            dense = x.shape[1] <= DENSE
            step = max(1, min(self._most, NUMBERS // x.shape[1] ** (2 if dense else 1)))
            parts = (slice(first, first + step) for first in range(0, len(x), step))
            some = self._by_matrices if dense else self._by_products
            each = [some(x[part], numbers[part], reach) for part in parts]
            return Shape(*(np.concatenate(column) for column in zip(*each, strict=True)))

    def eigenvalues(self, x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """The eigenvalues [N, E] of the Hessian at each of `x` [N, D], rising: all, or above DENSE
        dimensions the least and the largest."""
        if x.shape[1] <= DENSE:
            return np.concatenate(
                [self._look(*part).eigenvalues for part in self._parts(x, numbers)]
            )
        with jax.enable_x64(True):
            return np.stack(
                [lanczos.extremes(self._hessian(*one)) for one in zip(x, numbers, strict=True)]
            )

    def along_gradient(self, x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """The curvature [N] along the gradient at each of `x` [N, D]; NaN where that is zero."""
        each = [self._called(_along_gradient, *part) for part in self._parts(x, numbers)]
        return np.concatenate(each)

    def steepest(self, x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """The unit eigenvector [N, D] of the largest eigenvalue of the Hessian at each of `x`."""
        if x.shape[1] <= DENSE:
            _, _, hessian = self._called(_derivatives, x, numbers)
            return np.linalg.eigh(hessian)[1][:, :, -1]
        with jax.enable_x64(True):
            return np.stack(
                [lanczos.top(self._hessian(*one)) for one in zip(x, numbers, strict=True)]
            )

    def _parts(self, *columns: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Columns [N, ...], as many rows at a time as may be."""
        for first in range(0, len(columns[0]), self._most):
            rows = slice(first, first + self._most)
            yield tuple(np.asarray(column[rows], np.float64) for column in columns)

    def _hessian(self, x: np.ndarray, numbers: np.ndarray) -> Any:
        """The Hessian at one point [D], as something that multiplies vectors."""
        from scipy.sparse.linalg import LinearOperator

        def times(vector):
            return np.asarray(self._products[2](x, numbers, vector))

        return LinearOperator((len(x), len(x)), times, times, dtype=np.float64)

    def _by_matrices(self, start: np.ndarray, numbers: np.ndarray, reach: float) -> Shape:
        """Some points [N, D], by their Hessians."""
        begun = self._look(start, numbers)
        now, x = Look(*(column.copy() for column in begun)), start.copy()
        most, moving = reach * (1 + np.linalg.norm(start, axis=1)), np.arange(len(x))
        for _ in range(ITERATIONS):
            step, here = now.step[moving], x[moving]
            length = np.linalg.norm(step, axis=1)
            far = length > SETTLED * (1 + np.linalg.norm(here, axis=1))  # false for NaN
            away = np.linalg.norm(here + step - start[moving], axis=1)
            moving = moving[far & (length < np.inf) & (away <= most[moving])]
            if not len(moving):
                break
            x[moving] += now.step[moving]
            for whole, part in zip(now, self._look(x[moving], numbers[moving]), strict=True):
                whole[moving] = part
        scale = np.maximum(*(np.abs(look.eigenvalues).max(axis=1) for look in (begun, now)))
        norms = np.stack([begun.grad_norm, now.grad_norm], axis=1)
        first = np.linalg.norm(begun.step, axis=1)
        return Shape(x, now.f, now.eigenvalues, scale, first, norms)

    def _look(self, x: np.ndarray, numbers: np.ndarray) -> Look:
        """What is at the points [N, D], and where Newton's method goes from there."""
        f, gradient, hessian = self._called(_derivatives, x, numbers)
        fine = np.isfinite(hessian).all(axis=(1, 2))
        hessian[~fine] = 0
        eigenvalues, vectors = np.linalg.eigh(hessian)
        eigenvalues[~fine] = np.nan
        damping = (gradient**2).sum(axis=1) / (1 + np.linalg.norm(x, axis=1)) ** 2
        # where eigenvalue and gradient are both zero nothing is to be gained
        gain = np.where(eigenvalues == 0, 0, eigenvalues / (eigenvalues**2 + damping[:, None]))
        along = np.einsum("nij,ni->nj", vectors, gradient)
        step = -np.einsum("nij,nj->ni", vectors, gain * along)
        return Look(f, np.linalg.norm(gradient, axis=1), eigenvalues, step)

    def _called(self, one: Callable[..., Any], *columns: np.ndarray) -> Any:
        """The results of `one` for N points, from columns [N, ...]."""
        count = len(columns[0])
        rows = max(
            self._least, 1 << (count - 1).bit_length()
        )  # few sizes, so that few are compiled
        filled = [np.concatenate([a, a[:1].repeat(rows - count, 0)]) for a in columns]
        program = self._program(one, *(a.shape for a in filled))
        with jax.enable_x64(True):
            found = program(*filled)
        return jax.tree.map(lambda a: np.array(a)[:count], found)

    def _program(self, one: Callable[..., Any], *shapes: tuple[int, ...]) -> Callable[..., Any]:
        cpu = jax.local_devices(backend="cpu")[0]
        with self._compiling, jax.enable_x64(True), jax.default_device(cpu):
            if (one, shapes) not in self._compiled:
                many = jax.jit(jax.vmap(functools.partial(one, self._function)))
                filled = [jax.ShapeDtypeStruct(shape, np.float64) for shape in shapes]
                self._compiled[one, shapes] = cache.compiled(many.lower(*filled))
            return self._compiled[one, shapes]

    @functools.cached_property
    def _products(self) -> tuple[Callable[..., Array], ...]:
        """Value, gradient, and Hessian times vector, compiled."""
        product = functools.partial(_product, self._function)
        return jax.jit(self._function), jax.jit(jax.grad(self._function)), jax.jit(product)

    def _by_products(self, x: np.ndarray, numbers: np.ndarray, reach: float) -> Shape:
        """Some points [N, D], by nothing but products of their Hessians.

        Where the first step leads out of reach nothing else is asked.
        """
        most = reach * (1 + np.linalg.norm(x, axis=1))
        f, norm, least = self._called(_beginnings, x, numbers)
        lost = np.full((len(x), 2), np.nan)
        found = Shape(x.copy(), f, lost, lost[:, 0].copy(), least, np.stack([norm, norm], axis=1))
        with jax.enable_x64(True):
            for i in np.flatnonzero(~(least > most)):
                for column, one in zip(found, self._walked(x[i], numbers[i], reach), strict=True):
                    column[i] = one
        return found

    def _walked(self, x: np.ndarray, numbers: np.ndarray, reach: float) -> Shape:
        """What is about one point [D]."""
        from scipy.sparse.linalg import lsmr

        value, gradient, _ = self._products

        def hessian(x):
            return self._hessian(x, numbers)

        def step(x):
            g = np.asarray(gradient(x, numbers))
            if not (g.any() and np.isfinite(g).all()):
                return 0 * g
            damping = np.linalg.norm(g) / (1 + np.linalg.norm(x))
            return lsmr(hessian(x), -g, damp=damping, atol=1e-14, btol=1e-14)[0]

        def is_near(end):
            return np.linalg.norm(end - x) <= reach * (1 + np.linalg.norm(x))

        first = last = step(x)
        end, count = x, 0
        while np.linalg.norm(last) > SETTLED * (1 + np.linalg.norm(end)) and count < ITERATIONS:
            if not is_near(end + last):
                break
            end, count = end + last, count + 1
            last = step(end)
        begun = lanczos.extremes(hessian(x))
        values = lanczos.extremes(hessian(end)) if count else begun
        norms = [np.linalg.norm(gradient(at, numbers)) for at in (x, end)]
        scale = np.abs([values, begun]).max()
        f = float(value(end, numbers))
        return Shape(end, f, values, scale, np.linalg.norm(first), np.array(norms))


def _derivatives(function: Function, x: Array, numbers: Array) -> tuple[Array, Array, Array]:
    """Value, gradient [D] and Hessian [D, D] at one point."""

    def f(x):
        return function(x, numbers)

    return f(x), jax.grad(f)(x), jax.hessian(f)(x)


def _along_gradient(function: Function, x: Array, numbers: Array) -> Array:
    """gᵀHg / gᵀg for the gradient g at one point."""
    gradient = jax.grad(function)(x, numbers)
    return gradient @ _product(function, x, numbers, gradient) / (gradient @ gradient)


def _product(function: Function, x: Array, numbers: Array, vector: Array) -> Array:
    """The Hessian at one point times a vector [D]."""
    return jax.jvp(lambda x: jax.grad(function)(x, numbers), (x,), (vector,))[1]


def _beginnings(function: Function, x: Array, numbers: Array) -> tuple[Array, Array, Array]:
    """Value, gradient norm, and a length that the first step of Newton's method exceeds.

    The iterates of conjugate gradients on the normal equations only grow (Hestenes and Stiefel,
    J. Res. NBS 49 (1952) 409), so that a few of them tell which points are far from stationary.
    """
    value, gradient = jax.value_and_grad(function)(x, numbers)
    norm = jnp.linalg.norm(gradient)
    damping = (norm / (1 + jnp.linalg.norm(x))) ** 2

    hessian = functools.partial(_product, function, x, numbers)

    def iterate(_, state):
        step, residual, down, along = state
        image = hessian(along)
        size = down @ down / (image @ image + damping * along @ along)
        step, residual = step + size * along, residual - size * image
        further = hessian(residual) - damping * step
        return step, residual, further, further + further @ further / (down @ down) * along

    down = -hessian(gradient)
    begun = (jnp.zeros_like(x), -gradient, down, down)
    step = jax.lax.fori_loop(0, GROWTH, iterate, begun)[0]
    return value, norm, jnp.linalg.norm(step)
